import { parseArgs } from 'node:util';
import { UsageError } from '../inside/arguments.ts';

/** What `npm run chaos` may be told. */
export interface ChaosArguments {
  readonly minutes: number;
  readonly seed: string;
  /** Where the picture and the record go; undefined for the sandbox's own directory. */
  readonly report: string | undefined;
}

const usage = '  npm run chaos -- [--minutes M] [--seed S] [--report DIRECTORY]';
/** Enough for every kind of fault to meet something. */
const defaultMinutes = 5;
/** A day: the machines' disks are in memory, and so is the record. */
const mostMinutes = 1_440;
/** Short enough for the picture's title and the report. */
const longestSeed = 40;

/** @param makeUp a seed for a run without one @throws UsageError */
export function parseChaosArguments(argv: readonly string[], makeUp: () => string): ChaosArguments {
  const { minutes, seed, report } = parse([...argv]);
  const count = minutes === undefined ? defaultMinutes : Number(minutes);
  if (!(count > 0 && count <= mostMinutes))
    throw new UsageError(`--minutes takes a number up to ${mostMinutes}.\n${usage}`);
  if (seed !== undefined && !new RegExp(`^[\\w.-]{1,${longestSeed}}$`).test(seed))
    throw new UsageError(`--seed takes up to ${longestSeed} letters, digits, dots or hyphens.\n${usage}`);
  return { minutes: count, seed: seed ?? makeUp(), report };
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      options: { minutes: { type: 'string' }, seed: { type: 'string' }, report: { type: 'string' } },
    }).values;
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : String(error)}\n${usage}`);
  }
}
