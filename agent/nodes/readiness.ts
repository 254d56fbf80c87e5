/** Waiting until an instance is a managed node: one look for all that wait, at most 50 a call. */
import { createBatch } from '../batch.ts';
import type { Clock } from '../clock.ts';

/** The longest list of instance IDs that a filter of DescribeInstanceInformation is given here; its page holds 50. */
export const NODES_PER_LOOK = 50;

export interface ReadinessOptions {
  /** Those of the instances that are registered and answer. */
  readonly registered: (instanceIds: readonly string[]) => Promise<ReadonlySet<string>>;
  readonly clock: Clock;
  readonly intervalMs: number;
}

export interface Readiness {
  /** Whether the node is there now. */
  isReady(instanceId: string, signal: AbortSignal): Promise<boolean>;
  /** Resolves once the node is there. The signal ends the wait. */
  wait(instanceId: string, signal: AbortSignal): Promise<void>;
}

/** Milliseconds; launches come in groups. */
const WINDOW_MS = 100;
/** A node that is long in coming is looked for less often: after so many parts of the time that it has been waited for. */
const PARTS = 20;
/** Milliseconds between two looks at most. */
const LONGEST_PAUSE_MS = 30_000;
/**
 * Milliseconds for which a node that was waited for counts as there: the wait for it and the work that follows share a look, also when
 * the work has to wait for a slot. Should it be gone by then, Run Command refuses the command, and the next attempt looks.
 */
const SEEN_MS = 120_000;

export function createReadiness(options: ReadinessOptions): Readiness {
  const look = createBatch<string, boolean>({
    keyOf: () => '',
    maximum: NODES_PER_LOOK,
    windowMs: WINDOW_MS,
    clock: options.clock,
    async run(instanceIds) {
      const found = await options.registered([...new Set(instanceIds)]);
      return instanceIds.map((instanceId) => found.has(instanceId));
    },
  });
  const { clock, intervalMs } = options;
  /** Those that were waited for, by the time at which they were seen; milliseconds since the Unix epoch. */
  const seen = new Map<string, number>();

  /** All looks are at multiples of the interval, so that those who wait share them. */
  function nextLook(began: number): number {
    const now = clock.now();
    const pause = Math.min(LONGEST_PAUSE_MS, Math.max(intervalMs, (now - began) / PARTS));
    return Math.floor((now + pause) / intervalMs) * intervalMs - now;
  }

  return {
    async isReady(instanceId, signal) {
      const at = seen.get(instanceId) ?? -Infinity;
      seen.delete(instanceId);
      return clock.now() - at < SEEN_MS || look(instanceId, signal);
    },
    async wait(instanceId, signal) {
      const began = clock.now();
      while (!(await look(instanceId, signal))) await clock.sleep(nextLook(began), signal);
      const now = clock.now();
      for (const [earlier, at] of seen) {
        if (now - at < SEEN_MS) break;
        seen.delete(earlier);
      }
      seen.set(instanceId, now);
    },
  };
}
