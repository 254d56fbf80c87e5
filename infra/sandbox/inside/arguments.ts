import { parseArgs } from 'node:util';

/** What `npm start` and `npm run sandbox` may be told. */
export interface Arguments {
  readonly verb: 'start' | 'sandbox';
  /** The size that the story scales out to. */
  readonly instances: number;
  readonly report: string | undefined;
  readonly agent: boolean;
}

/** The command line can't be used; the message says why and what may be written. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Six fit on two cores within the minute, and show that ten messages of a batch need not be full. */
const defaultInstances = 6;
/** Each takes some 30 MB of memory and two processes; a group twice as large teaches nothing more. */
const mostInstances = 250;

const usage = `  npm start -- [--instances N] [--report FILE]
  npm run sandbox -- [--no-agent]`;

/** Reads the verb and its options. @throws UsageError */
export function parseArguments(argv: readonly string[]): Arguments {
  const [verb, ...args] = argv;
  if (verb !== 'start' && verb !== 'sandbox')
    throw new UsageError(`There is no verb ${verb ?? ''}.\n${usage}`);
  const { instances, report, agent } = parseOptions(verb, args);
  const count = instances === undefined ? defaultInstances : Number(instances);
  if (!Number.isInteger(count) || count < 1 || count > mostInstances) {
    throw new UsageError(`--instances takes a number from 1 to ${mostInstances}.\n${usage}`);
  }
  return { verb, instances: count, report, agent };
}

function parseOptions(
  verb: Arguments['verb'],
  args: string[],
): { instances?: string | undefined; report: string | undefined; agent: boolean } {
  try {
    if (verb === 'start') {
      const { values } = parseArgs({
        args,
        options: { instances: { type: 'string' }, report: { type: 'string' } },
      });
      return { instances: values.instances, report: values.report, agent: true };
    }
    const { values } = parseArgs({ args, options: { 'no-agent': { type: 'boolean' } } });
    return { report: undefined, agent: values['no-agent'] !== true };
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : String(error)}\n${usage}`);
  }
}
