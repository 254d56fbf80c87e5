/** What launches that can't succeed cost others: two workers, groups of their own, virtual time. */
import type { Fleet } from '../support/fleet.ts';
import type { Figure } from './figures.ts';
import { durationsOf, idsOf, newFleet, reach, SLOTS } from './scene.ts';

const HEALTHY = 100;
const MEMBERS = 20;
const WORKERS = 2;
/** How much longer healthy launches may take beside broken ones. */
const GOAL_RATIO = 1.1;
/** Seconds that a termination may wait for a slot. */
const GOAL_WAIT = 5;

export interface Trouble {
  /** Launches whose agent never comes. */
  readonly stuck: number;
  /** Launches whose join fails. */
  readonly broken: number;
}

export interface Beside {
  /** Milliseconds until the last of the healthy launches was in service. */
  readonly lastMs: number;
  /** Milliseconds that the median of them took. */
  readonly medianMs: number;
  /** Milliseconds that the slowest termination took. */
  readonly unjoinMs: number;
  /** The groups that the log names because they keep failing. */
  readonly failing: readonly unknown[];
}

/** Members first, then trouble; a minute later terminations, and healthy launches behind them. */
export async function besideTrouble({ stuck, broken }: Trouble): Promise<Beside> {
  const fleet: Fleet = newFleet();
  const members = idsOf(1, MEMBERS);
  const healthy = idsOf(4, HEALTHY);
  for (let worker = 0; worker < WORKERS; worker += 1) fleet.start(SLOTS);
  for (const instanceId of members) fleet.launch(instanceId);
  await reach(fleet, 'InService', members);
  for (const instanceId of idsOf(2, stuck)) fleet.launchStuck(instanceId);
  for (const instanceId of idsOf(3, broken)) fleet.launchBroken(instanceId);
  await fleet.until(() => false, 60_000);
  for (const instanceId of members) fleet.cloud.scaleIn(instanceId);
  for (const instanceId of healthy) fleet.launch(instanceId);
  await reach(fleet, 'gone', members);
  await reach(fleet, 'InService', healthy);
  const launches = durationsOf(fleet, healthy, 'launching').toSorted((one, other) => one - other);
  return {
    lastMs: launches.at(-1) ?? NaN,
    medianMs: launches[launches.length >> 1] ?? NaN,
    unjoinMs: Math.max(...durationsOf(fleet, members, 'terminating')),
    failing: [
      ...new Set(
        fleet.log.lines
          .filter(({ event }) => event === 'group keeps failing')
          .map(({ fields }) => fields['group']),
      ),
    ],
  };
}

export async function fairnessFigures(troubles: readonly Trouble[]): Promise<Figure[]> {
  const figures: Figure[] = [];
  const alone = await besideTrouble({ stuck: 0, broken: 0 });
  const section = `Fairness: ${HEALTHY} healthy launches and ${MEMBERS} terminations, ${WORKERS} workers`;
  const seconds = (name: string, ms: number): Figure => ({ section, name, value: ms / 1000, unit: 's' });
  figures.push(seconds('alone: last in service', alone.lastMs));
  figures.push(seconds('alone: slowest termination', alone.unjoinMs));
  for (const trouble of troubles) {
    const found = await besideTrouble(trouble);
    const beside = `beside ${trouble.stuck} without an agent, ${trouble.broken} whose join fails`;
    figures.push(seconds(`${beside}: last in service`, found.lastMs));
    figures.push({
      section,
      name: `${beside}: median, as a ratio`,
      value: found.medianMs / alone.medianMs,
      unit: '×',
      goal: GOAL_RATIO,
    });
    figures.push({
      section,
      name: `${beside}: last, as a ratio`,
      value: found.lastMs / alone.lastMs,
      unit: '×',
      goal: GOAL_RATIO,
    });
    figures.push({
      ...seconds(`${beside}: a termination waits longer by`, found.unjoinMs - alone.unjoinMs),
      goal: GOAL_WAIT,
    });
  }
  return figures;
}
