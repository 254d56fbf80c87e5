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
  return {
    isReady: look,
    async wait(instanceId, signal) {
      while (!(await look(instanceId, signal))) await options.clock.sleep(options.intervalMs, signal);
    },
  };
}
