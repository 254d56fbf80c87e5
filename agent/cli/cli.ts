/** What can be typed: commands, options and their help. Exit codes are those of sysexits.h (exit.ts). */
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import type { Config } from '../config.ts';
import { AdjoinError } from '../errors.ts';
import { NODE_ID, type Verb } from '../lifecycle/request.ts';
import { type OwnPurpose, ownPurposes } from '../nodes/contract.ts';
import { VERSION } from '../version.ts';
import { check } from './check.ts';
import { readConfig } from './config.ts';
import { deadLetters, type DeadLetterRequest } from './dead-letters.ts';
import { checkDocumentFile } from './document.ts';
import { EXIT } from './exit.ts';
import { request } from './request.ts';
import { run } from './run.ts';
import { sweepNow } from './sweep.ts';
import { WIDTH } from './table.ts';
import { processTerminal, type Terminal } from './terminal.ts';

interface ConfigOption {
  readonly config: string;
}

interface QueueOptions extends ConfigOption {
  readonly queue: string;
  readonly message?: string;
}

/** Reads the configuration, and does the work with it. */
export type Perform = (options: ConfigOption, work: (config: Config) => Promise<number>) => Promise<void>;

const withConfig = (command: Command): Command =>
  command.requiredOption('--config <file>', 'the configuration, a JSON file');

function addDeadLetters(program: Command, terminal: Terminal, perform: Perform): void {
  const parent = program
    .command('dead-letters')
    .description('Look after the messages that no worker could handle.');
  const verb = (name: string, description: string): Command =>
    withConfig(parent.command(name).description(description)).requiredOption(
      '--queue <url>',
      'URL of the dead-letter queue',
    );
  const work = (command: Command, options: QueueOptions, request: Omit<DeadLetterRequest, 'queue'>) =>
    perform(options, async (config) => {
      const { queue } = options;
      if (queue === config.queueUrl) {
        command.error('error: --queue names the main queue; its messages are the worker’s');
      }
      return deadLetters(config, { ...request, queue }, terminal);
    });

  const list = verb('list', 'Show each message with the reason why it is here.');
  list.action((options: QueueOptions) => work(list, options, { verb: 'list' }));

  const replay = verb('replay', 'Send messages back to the main queue: all that a worker can read.').option(
    '--message <id>',
    'only this message, even if no worker can read it',
  );
  replay.action((options: QueueOptions) =>
    work(replay, options, { verb: 'replay', messageId: options.message }),
  );

  const discard = verb('discard', 'Delete one message for good.')
    .requiredOption('--message <id>', 'ID of the message')
    .option('--yes', 'confirm it: a discarded message does not come back');
  discard.action((options: QueueOptions & { readonly yes?: true }) => {
    if (!options.yes) discard.error('error: discard deletes for good: confirm with --yes');
    return work(discard, options, { verb: 'discard', messageId: options.message });
  });
}

interface RequestOptions extends ConfigOption {
  readonly instance: string;
  readonly wait?: number;
}

function instanceId(text: string): string {
  if (NODE_ID.test(text)) return text;
  throw new InvalidArgumentError('It must be i- or mi- and 17 hexadecimal digits.');
}

function secondsOf(text: string): number {
  const seconds = Number(text);
  if (text.trim() !== '' && Number.isInteger(seconds) && seconds >= 0) return seconds;
  throw new InvalidArgumentError('It must be a whole number of seconds.');
}

const REQUESTS: Readonly<Record<Verb, string>> = {
  join: [
    'Join one managed node by hand. It must run, and have the tag JoinAD=true.',
    'A worker does it. A member stays as it is: nothing is changed on the node or in',
    'the directory. A join that fails leaves no account behind.',
  ].join('\n'),
  unjoin: [
    'Take one managed node out of the domain by hand, even if it runs. A worker tells',
    'the node to leave, if it can be reached: it forgets its keys and settings. Then,',
    'in any case, the account and its DNS records are deleted: nobody of the domain',
    'can log in there any more. With JoinAD=true, an instance outside Auto Scaling',
    'groups joins again at its next start: take the tag away first.',
  ].join('\n'),
};

function addRequest(program: Command, verb: Verb, terminal: Terminal, perform: Perform): void {
  withConfig(program.command(verb).description(REQUESTS[verb]))
    .requiredOption('--instance <id>', 'an instance, i-…, or a hybrid node, mi-…', instanceId)
    .option('--wait <seconds>', 'look for so long; the request goes on after that', secondsOf)
    .addHelpText('after', '\nExit codes: 0 done, 70 not done (it says why), 75 not done yet.')
    .action(({ instance, wait, ...options }: RequestOptions) =>
      perform(options, (config) =>
        request(
          config,
          { verb, instanceId: instance, ...(wait !== undefined && { waitSeconds: wait }) },
          terminal,
        ),
      ),
    );
}

function addDocument(program: Command, terminal: Terminal, end: (code: number) => void): void {
  const as = new Option('--as <purpose>', 'what it is for, if not what its parameters say').choices(
    ownPurposes,
  );
  program
    .command('document')
    .description('Look after command documents of your own.')
    .command('check')
    .description('Say what in a document breaks the contract, and what to do.')
    .argument('<file>', 'the document, a JSON file')
    .addOption(as)
    .action((file: string, options: { readonly as?: OwnPurpose }) =>
      end(checkDocumentFile(file, options.as, terminal)),
    );
}

/** What the commands of another room are given to be added with. */
export interface Extension {
  readonly program: Command;
  readonly terminal: Terminal;
  /** Says the exit code. */
  readonly end: (code: number) => void;
  readonly perform: Perform;
}

function createProgram(
  terminal: Terminal,
  end: (code: number) => void,
  extend?: (extension: Extension) => void,
): Command {
  const perform: Perform = async (options, work) => {
    const config = readConfig(options.config, terminal);
    end(config ? await work(config) : EXIT.config);
  };
  // Subcommands inherit how errors and help are written, so that comes first.
  const program = new Command('adjoin')
    .exitOverride()
    .showHelpAfterError()
    .configureOutput({
      writeOut: (text) => terminal.out(text),
      writeErr: (text) => terminal.err(text),
      getOutHelpWidth: () => WIDTH,
      getErrHelpWidth: () => WIDTH,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    });
  program
    .description(
      'Active Directory membership as part of an EC2 Auto Scaling lifecycle.\nWithout a command, it is `adjoin run`.',
    )
    .version(VERSION, '-V, --version', 'print the version');
  withConfig(program.command('run').description('Run the agent until it is told to stop.')).action(
    (options: ConfigOption) => perform(options, (config) => run(config, terminal)),
  );
  withConfig(
    program.command('sweep').description('Find and remove accounts of dead instances, once and now.'),
  )
    .option('--dry-run', 'only say what would be removed')
    .action((options: ConfigOption & { readonly dryRun?: true }) =>
      perform(options, (config) => sweepNow(config, { dryRun: options.dryRun ?? false }, terminal)),
    );
  withConfig(
    program
      .command('check')
      .description(
        'On a worker: look at what only a worker can look at. It makes an account in the\nunit, to try the rights, and removes it.',
      ),
  )
    .option('-o, --output <form>', 'json: for machines')
    .action((options: ConfigOption & { readonly output?: string }) =>
      perform(options, (config) =>
        check(config, { json: options.output === 'json', colors: terminal.colors ?? false }, terminal),
      ),
    );
  addRequest(program, 'join', terminal, perform);
  addRequest(program, 'unjoin', terminal, perform);
  addDeadLetters(program, terminal, perform);
  addDocument(program, terminal, end);
  extend?.({ program, terminal, end, perform });
  return program;
}

/** Options that belong to no command. */
const OF_PROGRAM = ['-h', '--help', '-V', '--version'];

const namesCommand = ([first]: readonly string[]): boolean =>
  first !== undefined && (!first.startsWith('-') || OF_PROGRAM.includes(first));

/**
 * Runs the command that the arguments name; without one, the agent.
 * @param extend adds commands that a worker does not have
 * @returns the exit code
 */
export async function cli(
  argv: readonly string[],
  terminal: Terminal = processTerminal,
  extend?: (extension: Extension) => void,
): Promise<number> {
  let code: number = EXIT.ok;
  const program = createProgram(
    terminal,
    (result) => {
      code = result;
    },
    extend,
  );
  try {
    await program.parseAsync(namesCommand(argv) ? argv : ['run', ...argv], { from: 'user' });
    return code;
  } catch (error) {
    // What was wrong, or the help that was asked for, is printed already.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    if (!(error instanceof AdjoinError)) throw error;
    terminal.err(`${error.code}: ${error.message}\n${error.hint}\n`);
    return EXIT.failed;
  }
}
