/** Launches that come all at once, under quotas on every operation: how long it takes until the last is in service. */
import { bareMs, idsOf, newFleet, reach } from './scene.ts';
import { QUOTAS } from './quotas.ts';

export interface Burst {
  readonly launches: number;
  readonly workers: number;
  /** Slots of each kind that a worker has: `concurrency`. */
  readonly slots: number;
  /** What share of the quotas there is. @default 1 */
  readonly quotaShare?: number;
}

export interface BurstCost {
  /** Milliseconds until the last launch was in service, infinite where it was not watched so long; and until it could have been by the quotas alone. */
  readonly makespanMs: number;
  readonly floorMs: number;
  /** Hooks whose time was up. */
  readonly timedOut: number;
  /** Launches that came into service by the worker's answer. */
  readonly inService: number;
  /** Requests that AWS refused because of a quota. */
  readonly refused: number;
  readonly peakBytes: number;
}

/** A burst that takes longer than so many times the floor is not watched to its end. */
const LONGEST = 3;

/**
 * The earliest time at which all launches can be in service by the quotas alone: each asks for what no join can do without at once, and
 * once its node is as far as that; nothing else takes any time, and nothing is asked twice.
 */
export function floorOf(instanceIds: readonly string[], quotas = QUOTAS): number {
  const ready = instanceIds.map(bareMs).toSorted((one, other) => one - other);
  let latest = ready.at(-1) ?? 0;
  for (const { perSecond, burst, least } of quotas) {
    const early = { asked: 0, tokens: (least.early ?? 0) * ready.length };
    let left = burst;
    let at = 0;
    for (const { asked, tokens } of [early, ...ready.map((time) => ({ asked: time, tokens: least.late }))]) {
      const now = Math.max(at, asked);
      left = Math.min(burst, left + ((now - at) / 1000) * perSecond);
      at = now + (Math.max(0, tokens - left) / perSecond) * 1000;
      left = Math.max(0, left - tokens);
    }
    latest = Math.max(latest, at);
  }
  return latest;
}

/** @param peakBytes the most memory that this process has had */
export async function burst(
  { launches, workers, slots, quotaShare = 1 }: Burst,
  peakBytes: () => number = () => NaN,
): Promise<BurstCost> {
  const quotas = QUOTAS.map((quota) => ({
    ...quota,
    perSecond: quota.perSecond * quotaShare,
    burst: Math.max(1, quota.burst * quotaShare),
  }));
  const fleet = newFleet({ quotas, silent: true });
  const instanceIds = idsOf(1, launches);
  for (let worker = 0; worker < workers; worker += 1) fleet.start(slots);
  const began = fleet.kernel.now();
  for (const instanceId of instanceIds) fleet.launch(instanceId);
  const floorMs = floorOf(instanceIds, quotas);
  const isDone = await reach(fleet, 'InService', instanceIds, LONGEST * floorMs);
  const actions = [...fleet.cloud.actions.values()];
  const by = (who: string): number => actions.filter(({ ended }) => ended?.by === who).length;
  return {
    makespanMs: isDone ? Math.max(...actions.map(({ ended }) => ended?.at ?? Infinity)) - began : Infinity,
    floorMs,
    timedOut: by('time-out'),
    inService: by('worker'),
    refused: fleet.calls.get('units.refused-requests') ?? 0,
    peakBytes: peakBytes(),
  };
}
