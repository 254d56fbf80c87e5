/** Fleets for the bench, and the times that their nodes take. All of it is the same in each run. */
import { createFleet, type Fleet, type FleetOptions } from '../support/fleet.ts';

/** Slots of each kind; the agent's default. */
export const SLOTS = 128;
const HOUR_MS = 3_600_000;

/** A number from 0 to 1 that belongs to a text (FNV-1a). */
function shareOf(text: string): number {
  let hash = 0x811c9dc5;
  for (const character of text) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193);
  return (hash >>> 0) / 2 ** 32;
}

/** Evenly between two limits. */
const between = (least: number, most: number, of: string): number => least + (most - least) * shareOf(of);

/** From the launch to the registration with Systems Manager: 20 to 45 s, and one in twenty takes 45 to 90 s. Assumed. */
const bootMs = (instanceId: string): number =>
  shareOf(`slow ${instanceId}`) < 0.05
    ? between(45_000, 90_000, instanceId)
    : between(20_000, 45_000, instanceId);

/** As in the sandbox on an idle machine: a probe 0.8 to 1.6 s, a join 3.5 to 6.5 s, a leave 0.5 to 1.5 s. */
function runMs(document: string, instanceId: string): number {
  const of = `${document} ${instanceId}`;
  if (document === 'probe') return between(800, 1_600, of);
  return document === 'join' ? between(3_500, 6_500, of) : between(500, 1_500, of);
}

/** The first digit of an instance ID is the number of its group. */
const groupOf = (instanceId: string): string => `group-${instanceId.slice(2, 3)}`;

export const idsOf = (group: number, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `i-${group}${index.toString(16).padStart(16, '0')}`);

export const newFleet = (options: Pick<FleetOptions, 'quotas' | 'silent'> = {}): Fleet =>
  createFleet({ bootMs, runMs, groupOf, ...options });

/** Milliseconds that a launch takes by itself, on the node alone: nothing is called, nothing waits. */
export const bareMs = (instanceId: string): number =>
  bootMs(instanceId) + runMs('probe', instanceId) + runMs('join', instanceId);

/** Lets time pass until each of the instances is in this state, or until so many milliseconds have passed. @returns whether they are */
export async function reach(
  fleet: Fleet,
  state: string,
  instanceIds: readonly string[],
  limitMs = HOUR_MS,
): Promise<boolean> {
  // Those that have been seen there are not looked at again.
  let seen = 0;
  await fleet.until(() => {
    while (seen < instanceIds.length) {
      const instance = fleet.cloud.instances.get(instanceIds[seen] ?? '');
      if (instance?.state !== state) return false;
      seen += 1;
    }
    return true;
  }, limitMs);
  return seen === instanceIds.length;
}

/** Milliseconds from the start of each instance's action to the worker's `CONTINUE`; infinite where that did not come. */
export function durationsOf(fleet: Fleet, instanceIds: readonly string[], transition: string): number[] {
  const wanted = new Set(instanceIds);
  return [...fleet.cloud.actions.values()]
    .filter((action) => action.transition === transition && wanted.has(action.instanceId))
    .map(({ startedAt, ended }) =>
      ended?.by === 'worker' && ended.result === 'CONTINUE' ? ended.at - startedAt : Infinity,
    );
}
