import { parseArgs } from 'node:util';

/** What `npm start` and `npm run sandbox` may be told. */
export interface Arguments {
  readonly verb: 'start' | 'sandbox';
  /** The size that the story scales out to. */
  readonly instances: number;
  readonly report: string | undefined;
  /** How many workers are started; none when the agent is left to the person. */
  readonly workers: number;
}

/** The command line can't be used; the message says why and what may be written. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Six fit on two cores within the minute, and show that ten messages of a batch need not be full. */
const defaultInstances = 6;
/** Each takes some 30 MB of memory and two processes; a group twice as large teaches nothing more. */
const mostInstances = 250;

/** Each is a process of some 150 MB that polls; what two do to each other, more do no differently. */
const mostWorkers = 8;

const usage = `  npm start -- [--instances N] [--report FILE]
  npm run sandbox -- [--workers N | --no-agent]`;

/** Reads the verb and its options. @throws UsageError */
export function parseArguments(argv: readonly string[]): Arguments {
  const [verb, ...args] = argv;
  if (verb !== 'start' && verb !== 'sandbox')
    throw new UsageError(`There is no verb ${verb ?? ''}.\n${usage}`);
  const { instances, report, workers } = parseOptions(verb, args);
  return {
    verb,
    instances: numberOf('--instances', instances, defaultInstances, mostInstances),
    report,
    workers: workers === 0 ? 0 : numberOf('--workers', workers, 1, mostWorkers),
  };
}

function numberOf(option: string, text: string | undefined, otherwise: number, most: number): number {
  const number = text === undefined ? otherwise : Number(text);
  if (Number.isInteger(number) && number >= 1 && number <= most) return number;
  throw new UsageError(`${option} takes a number from 1 to ${most}.\n${usage}`);
}

interface Options {
  readonly instances?: string | undefined;
  readonly report?: string | undefined;
  /** 0 when there is to be none. */
  readonly workers?: string | 0 | undefined;
}

function parseOptions(verb: Arguments['verb'], args: string[]): Options {
  try {
    if (verb === 'start') {
      return parseArgs({
        args,
        options: { instances: { type: 'string' }, report: { type: 'string' } },
      }).values;
    }
    const { values } = parseArgs({
      args,
      options: { 'no-agent': { type: 'boolean' }, workers: { type: 'string' } },
    });
    if (values['no-agent'] !== true) return { workers: values.workers };
    if (values.workers !== undefined) throw new Error('--no-agent and --workers exclude one another.');
    return { workers: 0 };
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : String(error)}\n${usage}`);
  }
}
