/** Waits until the healed system has come to rest: nothing under way, every group as large as it should be. */
import type { Clock } from '../clock.ts';
import { lookAtFleet } from '../story/watch.ts';
import type { Sandbox } from '../inside/sandbox.ts';
import type { Groups } from './groups.ts';
import { type CloudRecord, inService, listed } from './record.ts';

/**
 * After the heal: the longest pause of a worker, its actions' visibility, a join patience, and the dead letters' receives
 * come one after another at worst.
 */
export const restLimitMs = 240_000;
const pollMs = 1_000;

/** What is still under way, one sentence each. */
export async function unrestOf(sandbox: Sandbox, record: CloudRecord, groups: Groups): Promise<string[]> {
  const found: string[] = [];
  const serving = inService(record);
  const desired = await groups.desired();
  for (const [group, size] of desired) {
    const there = serving.filter((instance) => instance.group === group).length;
    if (there !== size) found.push(`${group} has ${there} of ${size} in service`);
  }
  for (const instance of listed(record)) {
    if (serving.includes(instance)) continue;
    found.push(`${instance.instanceId} is ${instance.leavingAt === undefined ? 'launching' : 'leaving'}`);
  }
  for (const action of record.actions.values()) {
    if (action.ends.length === 0) found.push(`${action.instanceId} waits: ${action.transition}`);
  }
  const underway = [...record.messages.values()].filter(
    (message) => message.end === undefined && isOfWorkers(message.queue, sandbox),
  );
  if (underway.length > 0) found.push(`${underway.length} messages in the queue`);
  const { memberships } = await lookAtFleet(
    sandbox.autoscaling,
    sandbox.dynamodb,
    [sandbox.stack.autoScalingGroup],
    sandbox.stack.table,
  );
  for (const { instanceId, state } of memberships.values()) {
    if (!['member', 'removed', 'failed', 'owed'].includes(state)) found.push(`${instanceId} is ${state}`);
  }
  return found;
}

/** Whether it is the queue that the hooks send to. */
export function isOfWorkers(queue: string, sandbox: Pick<Sandbox, 'stack'>): boolean {
  return sandbox.stack.queueUrl.endsWith(`/${queue}`);
}

/** @returns what is left at the limit; nothing when all has come to rest */
export async function awaitRest(
  look: () => Promise<string[]>,
  clock: Clock,
  tell: (unrest: readonly string[]) => void,
  signal: AbortSignal,
): Promise<string[]> {
  const deadline = clock.now() + restLimitMs;
  for (;;) {
    const unrest = await look();
    tell(unrest);
    if (unrest.length === 0 || clock.now() >= deadline) return unrest;
    await clock.sleep(pollMs, signal);
  }
}
