/** What can be typed at an operator's desk, beside the commands that a worker has as well. */
import { InvalidArgumentError, Option, type Command } from 'commander';
import type { Extension } from '../cli/cli.ts';
import { NODE_ID } from '../lifecycle/request.ts';
import { HEARTBEAT } from './attach/attach.ts';
import { runAttach } from './attach/command.ts';
import { runDeploy } from './deploy/command.ts';
import { runDestroy } from './destroy/command.ts';
import { runDoctor } from './doctor/command.ts';
import { runPre } from './doctor/pre-command.ts';
import type { Prompt } from './prompt.ts';
import { runPut } from './secret/command.ts';
import { runTest } from './test/command.ts';

interface ConfigOption {
  readonly config: string;
}

/** What is deployed, as a person says it. */
const SETTINGS = 'adjoin.json';
/** The agent's configuration, as `deploy` writes it for the other commands. */
const CONFIG = 'adjoin-config.json';

const withConfig = (command: Command): Command =>
  command.option('--config <file>', "the agent's configuration, as deploy writes it", CONFIG);

interface DoctorArguments extends ConfigOption {
  readonly group?: readonly string[];
  readonly node?: readonly string[];
  readonly wait?: number;
  readonly output?: string;
  readonly askWorker?: true;
  readonly pre?: true;
  readonly file: string;
  readonly template?: string;
  readonly domain?: string;
  readonly rolePath: string;
}

/** As the template takes it. */
const PATH = /^\/([A-Za-z0-9_.,+@=-]{1,64}\/){0,4}$/;

function path(text: string): string {
  if (PATH.test(text)) return text;
  throw new InvalidArgumentError('It must begin and end with a slash, such as /adjoin/.');
}

const rolePath = () =>
  new Option('--role-path <path>', 'the parameter RolePath of the stack').default('/').argParser(path);

const collect = (value: string, before: readonly string[] = []): string[] => [...before, value];

function node(value: string, before: readonly string[] = []): string[] {
  if (!NODE_ID.test(value)) throw new InvalidArgumentError('It must be i- or mi- and 17 hexadecimal digits.');
  return [...before, value];
}

function seconds(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isInteger(value) && value >= 0) return value;
  throw new InvalidArgumentError('It must be a whole number of seconds.');
}

function addDoctor({ program, terminal, end, perform }: Extension): void {
  const command = withConfig(
    program
      .command('doctor')
      .description(
        'Look at all that must be so, and say what to do where it is not. It only reads;\nwith --ask-worker, a worker also tries the service account’s rights, and undoes it.',
      ),
  )
    .option('--group <name>', 'a group to look at; may be repeated', collect)
    .option('--node <id>', 'an instance or hybrid node to look at; may be repeated', node)
    .option('--ask-worker', 'have a worker look at what only a worker can (see docs/doctor.md)')
    .option('--wait <seconds>', 'look again for so long while something fatal is wrong', seconds)
    .option('--pre', 'look at what can be known before there is a stack')
    .option('--file <file>', 'with --pre: settings of the deployment', SETTINGS)
    .option('--template <file>', 'with --pre: the template, if not that of this package')
    .option('--domain <name>', 'with --pre: look for the controllers of this domain')
    .addOption(rolePath())
    .addOption(new Option('-o, --output <form>', 'for machines').choices(['json']))
    .addHelpText(
      'after',
      '\nExit codes: 0 well, 70 something fatal is wrong, 64 and 78 nothing was looked at.',
    )
    .action(async (options: DoctorArguments) => {
      const { askWorker, domain, file, group, node: nodes, pre, template } = options;
      const shown = {
        waitMs: (options.wait ?? 0) * 1000,
        json: options.output === 'json',
        colors: terminal.colors ?? false,
      };
      if (pre) {
        if (group ?? nodes ?? askWorker)
          command.error('error: before there is a stack, there are no groups, nodes and workers to look at');
        end(
          await runPre(
            {
              ...shown,
              file,
              ...(template !== undefined && { template }),
              ...(domain !== undefined && { domain }),
            },
            terminal,
          ),
        );
        return;
      }
      await perform(options, (config) =>
        runDoctor(
          config,
          {
            ...shown,
            groups: group ?? [],
            nodes: nodes ?? [],
            asksWorker: askWorker ?? false,
            rolePath: options.rolePath,
          },
          terminal,
        ),
      );
    });
}

interface AttachArguments extends ConfigOption {
  readonly join?: boolean;
  readonly unjoin?: boolean;
  readonly heartbeat?: number;
  readonly dryRun?: true;
  readonly json?: true;
  readonly rolePath: string;
}

function heartbeat(text: string): number {
  const value = seconds(text);
  if (value >= HEARTBEAT.shortest && value <= HEARTBEAT.longest) return value;
  throw new InvalidArgumentError(`It must be from ${HEARTBEAT.shortest} to ${HEARTBEAT.longest} seconds.`);
}

const ATTACH = {
  attach:
    'Make the hooks of an Auto Scaling group, and set its tag JoinAD=true. What is as it\nshould be stays; what is changed is shown. It applies to instances that are\nlaunched from then on.',
  detach:
    'Remove the hooks of an Auto Scaling group. Members stay members; what waits for\nan answer goes on as the hook says: a launch is ended, a termination goes on.',
} as const;

function addAttach({ program, terminal, perform }: Extension, verb: 'attach' | 'detach'): void {
  const command = withConfig(program.command(verb).description(ATTACH[verb]).argument('<group>', 'its name'));
  if (verb === 'attach') {
    command
      .option('--no-join', 'instances are joined by other means')
      .option('--no-unjoin', 'accounts stay until the sweep')
      .option('--heartbeat <seconds>', 'time-out of both hooks; default 300', heartbeat);
  }
  command
    .addOption(rolePath())
    .option('--dry-run', 'only say what would be changed')
    .option('--json', 'for machines')
    .action((group: string, options: AttachArguments) => {
      const { join = true, unjoin = true } = options;
      if (!join && !unjoin) command.error('error: with --no-join and --no-unjoin nothing is attached');
      return perform(options, (config) =>
        runAttach(
          config,
          {
            verb,
            group,
            join,
            unjoin,
            heartbeat: options.heartbeat ?? HEARTBEAT.usual,
            dryRun: options.dryRun ?? false,
            json: options.json ?? false,
            rolePath: options.rolePath,
          },
          terminal,
        ),
      );
    });
}

interface DeployArguments {
  readonly file: string;
  readonly config: string;
  readonly template?: string;
  readonly agent?: string;
  readonly dryRun?: true;
  readonly json?: true;
  readonly yes?: true;
  readonly wait?: number;
}

function addDeploy({ program, terminal, end }: Extension, prompt: Prompt): void {
  program
    .command('deploy')
    .description(
      'Make or change the stack. It shows what CloudFormation will do and what that\ncosts, asks, follows it to its end, and compares the documents. It can be\nrepeated: it goes on from what is there.',
    )
    .option('--file <file>', 'settings of the deployment', SETTINGS)
    .option('--config <file>', 'where the configuration for other commands goes', CONFIG)
    .option('--template <file>', 'the template, if not that of this package')
    .option('--agent <file>', "the agent's file, if not that of this package")
    .option('--wait <seconds>', 'ask for so long whether a worker answers', seconds)
    .option('--dry-run', 'only show what would be made; nothing of it stays')
    .option('--yes', 'ask nothing')
    .option('--json', 'for machines; the course of it goes to the error output')
    .addHelpText(
      'after',
      '\nExit codes: 0 well, 64 nobody can be asked, 70 not deployed (it says why and what\nis there), 78 settings or parameters are wrong or missing.',
    )
    .action(async ({ file, config, template, agent, wait, ...options }: DeployArguments) =>
      end(
        await runDeploy(
          {
            file,
            config,
            ...(template !== undefined && { template }),
            ...(agent !== undefined && { agent }),
            dryRun: options.dryRun ?? false,
            json: options.json ?? false,
            yes: options.yes ?? false,
            waitMs: (wait ?? 0) * 1000,
          },
          prompt,
          terminal,
        ),
      ),
    );
}

interface DestroyArguments {
  readonly file: string;
  readonly json?: true;
  readonly yes?: true;
}

function addDestroy({ program, terminal, end }: Extension, prompt: Prompt): void {
  program
    .command('destroy')
    .description(
      'Delete the stack. It says before what stays, refuses while hooks of groups send\nto it, and wants its name typed.',
    )
    .option('--file <file>', 'settings of the deployment', SETTINGS)
    .option('--yes', 'ask nothing')
    .option('--json', 'for machines; the course of it goes to the error output')
    .addHelpText(
      'after',
      '\nExit codes: 0 gone, 64 nobody can be asked, 70 not deleted (it says why and what is\nthere).',
    )
    .action(async ({ file, json, yes }: DestroyArguments) =>
      end(await runDestroy({ file, json: json ?? false, yes: yes ?? false }, prompt, terminal)),
    );
}

interface SecretArguments extends ConfigOption {
  readonly domain?: string;
  readonly user?: string;
  readonly unit?: string;
  readonly ca?: string;
  readonly wait?: number;
  readonly rolePath: string;
}

function addSecret({ program, terminal, perform }: Extension, prompt: Prompt): void {
  const put = withConfig(
    program
      .command('secret')
      .description('Look after the service account’s values.')
      .command('put')
      .description(
        'Ask for the service account’s values, try the logon where a controller can be\nreached, and put them into the secret. The password is typed, and comes from\nnowhere else.',
      ),
  )
    .option('--domain <name>', 'do not ask for the domain')
    .option('--user <name>', 'do not ask for the service account')
    .option('--unit <name>', 'do not ask for the organizational unit')
    .option('--ca <file>', 'PEM file with the CA of the controllers, for the trial')
    .option('--wait <seconds>', 'ask workers for so long whether one has taken it', seconds)
    .addOption(rolePath())
    // What is typed here might be a password: it is not repeated on the screen.
    .allowUnknownOption()
    .allowExcessArguments()
    .addHelpText(
      'after',
      '\nExit codes: 0 put, 64 not at a terminal, 70 refused (nothing was put, if it does\nnot say otherwise), 75 put, and no worker has taken it yet.',
    )
    .action((options: SecretArguments) => {
      if (put.args.length > 0)
        put.error(
          'error: secret put takes nothing else. A password in an argument is seen by others: change it',
        );
      const { domain, user, unit, ca, wait } = options;
      return perform(options, (config) =>
        runPut(
          config,
          {
            ...(domain !== undefined && { domain }),
            ...(user !== undefined && { user }),
            ...(unit !== undefined && { unit }),
            ...(ca !== undefined && { caFile: ca }),
            waitMs: (wait ?? 0) * 1000,
            rolePath: options.rolePath,
          },
          prompt,
          terminal,
        ),
      );
    });
}

interface TestArguments extends ConfigOption {
  readonly copyTag?: readonly string[];
  readonly wait?: number;
  readonly clean?: true;
  readonly json?: true;
  readonly rolePath: string;
}

/** Seconds: a Windows node restarts, and an image without packages installs them. */
const TEST_WAIT = 900;

function addTest({ program, terminal, perform }: Extension): void {
  const command = withConfig(
    program
      .command('test')
      .description(
        'Launch a throw-away instance like those of a group, follow it until it is a\nmember, and have it removed again. The group itself is only read, and need not be\nattached: the instance has a group of its own, which is deleted at the end.',
      )
      .argument('[group]', 'whose launch template and subnets it gets'),
  )
    .option('--wait <seconds>', `for the join, and for the removal; default ${TEST_WAIT}`, seconds)
    .option('--copy-tag <key>', 'a tag of the group that it needs; may be repeated', collect)
    .option('--clean', 'only remove what tests have left, though one may be under way')
    .addOption(rolePath())
    .option('--json', 'for machines; the course of it goes to the error output')
    .addHelpText(
      'after',
      '\nExit codes: 0 joined and removed, 70 not (it says why, and what remains, if anything\ndoes). Interrupted, it cleans up first; interrupted again, it says what remains.',
    )
    .action((group: string | undefined, options: TestArguments) => {
      const { clean = false, copyTag = [], json = false, wait = TEST_WAIT } = options;
      if (group === undefined && !clean) command.error('error: say a group, or --clean');
      return perform(options, (config) =>
        runTest(
          config,
          {
            group: group ?? '',
            copiedTags: copyTag,
            waitMs: wait * 1000,
            clean,
            json,
            rolePath: options.rolePath,
          },
          terminal,
        ),
      );
    });
}

/** @param prompt where a person answers questions */
export function addOperatorCommands(extension: Extension, prompt: Prompt): void {
  addDeploy(extension, prompt);
  addDestroy(extension, prompt);
  addSecret(extension, prompt);
  addDoctor(extension);
  addAttach(extension, 'attach');
  addAttach(extension, 'detach');
  addTest(extension);
}
