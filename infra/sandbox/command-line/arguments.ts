import { Command, Option } from 'commander';
import { count, parseCommand } from './parse.ts';

/** What `npm start` and `npm run sandbox` may be told. */
export interface Arguments {
  readonly verb: 'start' | 'sandbox';
  /** The size that the story scales out to. */
  readonly instances: number;
  readonly report: string | undefined;
  /** Where the picture of the run goes. */
  readonly picture: string | undefined;
  /** What the machines are like; `mixed`: a group for each family of systems, Windows among them. */
  readonly system: 'linux' | 'windows' | 'mixed';
  /** Which instances, or what groups are attached for; undefined: a group's, and join and unjoin. */
  readonly story: 'standalone' | 'unjoin-only' | 'join-only' | undefined;
  /** Whether the worker is an instance that boots by its launch template, not a process. */
  readonly boot: boolean;
  /** How many workers are started; none when the agent is left to the person. */
  readonly workers: number;
}

/**
 * Six fit on two cores within the minute, and show that ten messages of a batch need not be full. A mixed fleet has one of each
 * system.
 */
const defaultInstances: Readonly<Record<Arguments['system'], number>> = { linux: 6, windows: 6, mixed: 5 };
/** The other stories say the same of one instance as of many. */
const storyInstances = 3;
/** Each takes some 30 MB of memory and two processes; a group twice as large teaches nothing more. */
const mostInstances = 250;

/** Each is a process of some 150 MB that polls; what two do to each other, more do no differently. */
const mostWorkers = 8;

/** Reads the options of a verb. @throws UsageError */
export function parseArguments(verb: Arguments['verb'], argv: readonly string[]): Arguments {
  if (verb === 'start') {
    const {
      instances,
      report,
      picture,
      os,
      story,
      process: asProcess,
    } = parseCommand<{
      instances?: number;
      report?: string;
      picture?: string;
      os: Arguments['system'];
      story?: Arguments['story'];
      process?: boolean;
    }>(startCommand(), argv, 'npm start -- --help');
    // What is set for other stories and systems is the agent's configuration, which a worker that boots has from the stack.
    const boot = !asProcess && os === 'linux' && story === undefined;
    const usual = story === undefined || os === 'mixed' ? defaultInstances[os] : storyInstances;
    return {
      verb,
      instances: instances ?? usual,
      report,
      picture,
      system: os,
      story,
      boot,
      workers: boot ? 0 : 1,
    };
  }
  const { workers, agent } = parseCommand<{ workers: number; agent: boolean }>(
    sandboxCommand(),
    argv,
    'npm run sandbox -- --help',
  );
  return {
    verb,
    instances: defaultInstances.linux,
    report: undefined,
    picture: undefined,
    system: 'linux',
    story: undefined,
    boot: false,
    workers: agent ? workers : 0,
  };
}

function startCommand(): Command {
  return new Command('npm start --')
    .description(
      'A group of instances joins a domain and leaves it again, and everything claimed of it is proven.',
    )
    .option(
      '--instances <n>',
      `the size that the group scales out to, 1 to ${mostInstances} (default: 6, with --story 3; with --os mixed 5, one of each system)`,
      count(mostInstances),
    )
    .addOption(
      new Option(
        '--os <system>',
        'what the machines are like, mixed: one group of each family; Windows-like ones need a .NET SDK or pwsh',
      )
        .choices(['linux', 'windows', 'mixed'])
        .default('linux'),
    )
    .addOption(
      new Option(
        '--story <name>',
        'instances of no group, or a group that adjoin is asked one thing for (default: a group, to join and to unjoin)',
      ).choices(['standalone', 'unjoin-only', 'join-only']),
    )
    .addOption(
      new Option(
        '--process',
        'the worker is a process, not an instance that boots by its launch template: quicker, and without systemd; always so with --os and --story',
      ),
    )
    .option('--report <file>', 'also write the result to this file, as JSON')
    .option(
      '--picture <file>',
      'also draw the run into this file, as SVG: a bar an instance, a colour a step',
    );
}

function sandboxCommand(): Command {
  return new Command('npm run sandbox --')
    .description('The whole system, open for you until Ctrl-C. It prints commands to try.')
    .addOption(
      new Option('--workers <n>', `how many workers share the queue, 1 to ${mostWorkers}`)
        .argParser(count(mostWorkers))
        .default(1),
    )
    .addOption(new Option('--no-agent', 'start no worker: the agent is yours to start').conflicts('workers'));
}
