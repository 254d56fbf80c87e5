/** Carries out a plan: every fault and every scaling at its time. A fault that finds nothing to befall waits for something. */
import type { Clock } from '../clock.ts';
import type { SpoiltCalls } from './calls.ts';
import type { Groups } from './groups.ts';
import type { Mark } from './picture.ts';
import type { CallFault, Fault, Plan, PlannedFault, WorldFault } from './plan.ts';
import type { Tally } from './table.ts';
import type { World } from './world.ts';

export interface Turmoil {
  /** In the order in which they happened. */
  readonly marks: readonly Mark[];
  /** To be told each spoilt call. */
  spoilt(fault: CallFault): void;
  /**
   * Resolves when the time of the plan is over, and what comes after it; until then, faults wait for what they could befall.
   * @throws the signal's reason, or what went wrong with the sandbox itself
   */
  run(signal: AbortSignal, after?: (over: AbortSignal) => Promise<void>): Promise<void>;
  /** Every fault of the plan, and whether it came about. */
  tallies(): Tally[];
}

export interface TurmoilParts {
  readonly plan: Plan;
  readonly world: Pick<World, 'inject'>;
  readonly calls: SpoiltCalls;
  readonly groups: Pick<Groups, 'scale'>;
  readonly clock: Clock;
}

/** How often a fault that finds nothing to befall looks again. */
const lookAgainMs = 500;

export function createTurmoil({ plan, world, calls, groups, clock }: TurmoilParts): Turmoil {
  const marks: Mark[] = [];
  const injected = new Set<Fault>();

  async function befall(fault: WorldFault, over: AbortSignal): Promise<void> {
    while (!over.aborted) {
      const injection = await world.inject(fault);
      if (injection) {
        const from = clock.now();
        injected.add(fault);
        const place = marks.push({ lane: injection.lane, kind: fault.kind, from }) - 1;
        await injection.over;
        const to = clock.now();
        if ('seconds' in fault) marks[place] = { lane: injection.lane, kind: fault.kind, from, to };
        return;
      }
      await clock.sleep(lookAgainMs, over).catch(() => undefined);
    }
  }

  function begin({ fault }: PlannedFault, over: AbortSignal): Promise<void> {
    if (!('operation' in fault)) return befall(fault, over);
    calls.arm(fault);
    return Promise.resolve();
  }

  return {
    marks,
    spoilt(fault) {
      injected.add(fault);
      marks.push({ lane: 'AWS', kind: fault.kind, from: clock.now() });
    },
    async run(signal, after) {
      const startedAt = clock.now();
      const end = new AbortController();
      const over = AbortSignal.any([signal, end.signal]);
      let trouble: unknown;
      const watched = (work: Promise<void>): void =>
        void work.catch((error: unknown) => {
          trouble ??= error;
          end.abort();
        });
      const steps = [
        ...plan.faults.map((planned) => ({ at: planned.at, begin: () => begin(planned, over) })),
        ...plan.scalings.map(({ at, group, size }) => ({ at, begin: () => groups.scale(group, size) })),
      ].toSorted((a, b) => a.at - b.at);
      const until = (seconds: number): Promise<void> =>
        clock.sleep(Math.max(0, startedAt + seconds * 1000 - clock.now()), over);
      try {
        for (const step of steps) {
          await until(step.at);
          watched(step.begin());
        }
        await until(plan.minutes * 60);
        await after?.(over);
      } catch (error) {
        signal.throwIfAborted();
        if (trouble === undefined) throw error;
      } finally {
        end.abort();
      }
      if (trouble !== undefined) throw trouble;
    },
    tallies: () => plan.faults.map(({ fault }) => ({ fault, injected: injected.has(fault) })),
  };
}
