/** What an action that waits costs, by how many wait: calls are counted, processor time and memory are this machine's. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Figure } from './figures.ts';
import { total } from './calls.ts';
import { idsOf, newFleet, SLOTS } from './scene.ts';

const WATCHED_MS = 600_000;
/** How much more an action may cost among 10,000 than among 100, in calls. */
const GOAL_GROWTH = 1.05;

export interface Waiting {
  /** Calls to AWS for each action and minute. */
  readonly calls: number;
  /** Milliseconds of processor time for each action and minute, the simulated AWS included. */
  readonly cpuMs: number;
  /** Bytes of heap for each action, the simulated AWS included. */
  readonly bytes: number;
}

function heap(): number {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  if (typeof collect === 'function') collect();
  return process.memoryUsage().heapUsed;
}

/** So many launches whose agent never comes, looked at for ten minutes once all are received. */
export async function countWaiting(launches: number): Promise<Waiting> {
  const before = heap();
  const fleet = newFleet();
  fleet.start(SLOTS);
  for (const instanceId of idsOf(2, launches)) fleet.launchStuck(instanceId);
  await fleet.until(() => false, 300_000);
  const aws = (): number =>
    total(new Map([...fleet.calls].filter(([name]) => !name.startsWith('directory.'))));
  const calls = aws();
  const cpu = process.cpuUsage();
  await fleet.until(() => false, WATCHED_MS);
  const { user, system } = process.cpuUsage(cpu);
  const actionMinutes = (launches * WATCHED_MS) / 60_000;
  return {
    calls: (aws() - calls) / actionMinutes,
    cpuMs: (user + system) / 1000 / actionMinutes,
    bytes: (heap() - before) / launches,
  };
}

export async function growthFigures(sizes: readonly number[]): Promise<Figure[]> {
  const section = 'Growth: launches that wait for their node';
  const figures: Figure[] = [];
  let first: Waiting | undefined;
  for (const launches of sizes) {
    const found = await countWaiting(launches);
    const goal = first && { goal: first.calls * GOAL_GROWTH };
    first ??= found;
    figures.push(
      { section, name: `${launches}: calls a minute for each`, value: found.calls, unit: '', ...goal },
      { section, name: `${launches}: processor time a minute for each`, value: found.cpuMs, unit: 'ms' },
      { section, name: `${launches}: memory for each`, value: found.bytes / 1024, unit: 'KB' },
    );
  }
  return figures;
}
