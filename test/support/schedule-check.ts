/** Plays schedules until one breaks a promise, and tells its story in as few events as it takes. */
import * as fc from 'fast-check';
import { promises, type Promised } from './schedule-invariants.ts';
import type { Defect } from './schedule-ports.ts';
import { play, story } from './schedule-run.ts';
import { schedulesOf, type Schedule } from './schedule.ts';
import type { Ending } from '../../agent/terms.ts';

export interface Found {
  /** How many schedules were played before one broke a promise; all of them if none did. */
  readonly played: number;
  /** How messages ended, in all schedules together. */
  readonly endings: ReadonlyMap<Ending, number>;
  /** What sweeps came upon, in all schedules together. */
  readonly swept: ReadonlyMap<string, number>;
  /** What broke, how to have it again, and the shrunk schedule event by event. */
  readonly broken: string | undefined;
}

export interface Search {
  readonly workers: Schedule['workers'];
  readonly runs: number;
  readonly seed: number;
  readonly defect?: Defect;
  /** Looks for a schedule that breaks one of these promises, and passes over those that break others. */
  readonly promised?: readonly Promised[];
  /** Whether to look for the fewest events that break it. That takes longer than to find it. @default true */
  readonly shrink?: boolean;
}

/** @throws what says that one of the promises is broken, or that something else is wrong altogether */
function passOver(error: unknown, promised: readonly Promised[]): void {
  const [first] = error instanceof Error ? error.message.split('\n') : [];
  const others = Object.keys(promises).filter((name): name is Promised => Object.hasOwn(promises, name));
  if (others.some((name) => promises[name] === first && !promised.includes(name))) return;
  throw error;
}

const promisedRuns = 10_000;
/** With as many schedules as these, everything that can happen does. */
export const tellingRuns = 4_000;

/**
 * The seed is fixed, so that a run of the tests says the same each time. To look further:
 * `SCHEDULE_SEED=7 SCHEDULE_RUNS=100000 npm test -- test/property`.
 */
export const seed = Number(process.env['SCHEDULE_SEED'] ?? 20_260_101);
export const runs = Number(process.env['SCHEDULE_RUNS'] ?? promisedRuns);

export async function search({
  workers,
  runs: numRuns,
  seed: from,
  defect,
  promised,
  shrink = true,
}: Search): Promise<Found> {
  const endings = new Map<Ending, number>();
  const swept = new Map<string, number>();
  const options = defect ? { defect } : {};
  // Every abort makes an error, and its stack costs more than the step that it belongs to.
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    const details = await fc.check(
      fc.asyncProperty(schedulesOf(workers), async (schedule) => {
        const outcome = await play(schedule, options).catch((error: unknown) => {
          if (!promised) throw error;
          return passOver(error, promised);
        });
        if (!outcome) return;
        for (const ending of outcome.endings) endings.set(ending, (endings.get(ending) ?? 0) + 1);
        for (const line of outcome.swept) swept.set(line, (swept.get(line) ?? 0) + 1);
      }),
      { numRuns, seed: from, endOnFailure: !shrink },
    );
    const [shrunk] = details.counterexample ?? [];
    if (!details.failed || !shrunk) return { played: details.numRuns, endings, swept, broken: undefined };
    const again = `Seed ${details.seed}, path ${details.counterexamplePath}, schedule ${JSON.stringify(shrunk)}`;
    return {
      played: details.numRuns,
      endings,
      swept,
      broken: `${String(details.errorInstance)}\n${again}\n${await story(shrunk, options)}`,
    };
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}
