import { Command, InvalidArgumentError } from 'commander';
import { parseCommand } from './parse.ts';

/** What `npm run chaos` may be told. */
export interface ChaosArguments {
  readonly minutes: number;
  readonly seed: string;
  /** Where the picture and the record go; undefined for the sandbox's own directory. */
  readonly report: string | undefined;
}

/** Enough for every kind of fault to meet something. */
const defaultMinutes = 5;
/** A day: the machines' disks are in memory, and so is the record. */
const mostMinutes = 1_440;
/** Short enough for the picture's title and the report. */
const longestSeed = 40;

/** @param makeUp a seed for a run without one @throws UsageError */
export function parseChaosArguments(argv: readonly string[], makeUp: () => string): ChaosArguments {
  const { minutes, seed, report } = parseCommand<{ minutes: number; seed?: string; report?: string }>(
    chaosCommand(),
    argv,
    'npm run chaos -- --help',
  );
  return { minutes, seed: seed ?? makeUp(), report };
}

function chaosCommand(): Command {
  return new Command('npm run chaos --')
    .description('Everything goes wrong for some minutes; then nothing may be lost.')
    .option(
      '--minutes <m>',
      `how long, above 0 and up to ${mostMinutes}; when it is too short for every kind of fault, the run fails`,
      minutesOf,
      defaultMinutes,
    )
    .option('--seed <s>', 'repeat the plan of faults of an earlier run (default: made up)', seedOf)
    .option('--report <directory>', 'where the picture and the record go (default: .sandbox)');
}

function minutesOf(text: string): number {
  const minutes = Number(text);
  if (minutes > 0 && minutes <= mostMinutes) return minutes;
  throw new InvalidArgumentError(`It takes a number above 0 and up to ${mostMinutes}.`);
}

function seedOf(text: string): string {
  if (new RegExp(`^[\\w.-]{1,${longestSeed}}$`).test(text)) return text;
  throw new InvalidArgumentError(`It takes up to ${longestSeed} letters, digits, dots or hyphens.`);
}
