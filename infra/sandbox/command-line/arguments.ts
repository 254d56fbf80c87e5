import { Command, Option } from 'commander';
import { count, parseCommand } from './parse.ts';

/** What `npm start` and `npm run sandbox` may be told. */
export interface Arguments {
  readonly verb: 'start' | 'sandbox';
  /** The size that the story scales out to. */
  readonly instances: number;
  readonly report: string | undefined;
  /** What the machines are like; `mixed`: every second one like Windows. */
  readonly system: 'linux' | 'windows' | 'mixed';
  /** How many workers are started; none when the agent is left to the person. */
  readonly workers: number;
}

/** Six fit on two cores within the minute, and show that ten messages of a batch need not be full. */
const defaultInstances = 6;
/** Each takes some 30 MB of memory and two processes; a group twice as large teaches nothing more. */
const mostInstances = 250;

/** Each is a process of some 150 MB that polls; what two do to each other, more do no differently. */
const mostWorkers = 8;

/** Reads the options of a verb. @throws UsageError */
export function parseArguments(verb: Arguments['verb'], argv: readonly string[]): Arguments {
  if (verb === 'start') {
    const { instances, report, os } = parseCommand<{
      instances: number;
      report?: string;
      os: Arguments['system'];
    }>(startCommand(), argv, 'npm start -- --help');
    return { verb, instances, report, system: os, workers: 1 };
  }
  const { workers, agent } = parseCommand<{ workers: number; agent: boolean }>(
    sandboxCommand(),
    argv,
    'npm run sandbox -- --help',
  );
  return {
    verb,
    instances: defaultInstances,
    report: undefined,
    system: 'linux',
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
      `the size that the group scales out to, 1 to ${mostInstances}`,
      count(mostInstances),
      defaultInstances,
    )
    .addOption(
      new Option('--os <system>', 'what the machines are like; Windows-like ones need a .NET SDK or pwsh')
        .choices(['linux', 'windows', 'mixed'])
        .default('linux'),
    )
    .option('--report <file>', 'also write the result to this file, as JSON');
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
