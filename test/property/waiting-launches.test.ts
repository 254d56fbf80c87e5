/** What launches cost others when their nodes never register: figures of a worker with 64 slots, in virtual time. */
import { beforeEach, describe, expect, test } from '@jest/globals';
import { createFleet, type Fleet } from '../support/fleet.ts';

const SLOTS = 64;
/** Milliseconds; beyond this nothing is of use to those who wait. */
const LIMIT_MS = 3_600_000;

let fleet: Fleet;
beforeEach(() => {
  fleet = createFleet();
});

const ids = (kind: number, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `i-${String(kind)}${String(index).padStart(16, '0')}`);
const members = ids(1, 20);
const healthy = ids(3, 100);

const stateOf = (instanceId: string): string | undefined => fleet.cloud.instances.get(instanceId)?.state;
const areAll = (state: string, instanceIds: readonly string[]): boolean =>
  instanceIds.every((instanceId) => stateOf(instanceId) === state);
const endings = (instanceIds: readonly string[], transition: string) =>
  [...fleet.cloud.actions.values()]
    .filter((action) => action.transition === transition && instanceIds.includes(action.instanceId))
    .map(({ ended }) => ended && `${ended.by} ${ended.result}`);
const receives = (transition: string): number =>
  Math.max(
    ...fleet.cloud.messages
      .filter(({ body }) => body.includes(transition))
      .map(({ receiveCount }) => receiveCount),
  );
const accountsOf = (instanceIds: readonly string[]): number =>
  [...fleet.domain.accounts.values()].filter(({ stamp }) => instanceIds.includes(stamp ?? '')).length;

/** Twenty members, then so many launches that wait; a minute later terminations, and healthy launches behind them. */
async function scene(stuck: readonly string[], slots = SLOTS, places?: number): Promise<void> {
  for (const instanceId of members) fleet.launch(instanceId);
  fleet.start(slots, places);
  await fleet.until(() => areAll('InService', members), LIMIT_MS);
  for (const instanceId of stuck) fleet.launchStuck(instanceId);
  await fleet.until(() => false, 60_000);
  for (const instanceId of members) fleet.cloud.scaleIn(instanceId);
  for (const instanceId of healthy) fleet.launch(instanceId);
}

describe('128 launches that wait for nodes which never register', () => {
  const stuck = ids(2, 128);

  test('delay neither 20 terminations nor 100 healthy launches behind them', async () => {
    await scene(stuck);
    const gone = await fleet.until(() => areAll('gone', members), LIMIT_MS);
    expect(gone).toBeLessThan(10_000);
    const joined = gone + (await fleet.until(() => areAll('InService', healthy), LIMIT_MS));
    expect(joined).toBeLessThan(30_000);
    expect(endings(members, 'terminating')).toEqual(members.map(() => 'worker CONTINUE'));
    expect(endings(healthy, 'launching')).toEqual(healthy.map(() => 'worker CONTINUE'));
    expect(accountsOf(members)).toBe(0);
    expect(receives('TERMINATING')).toBe(1);
  });

  test('are kept alive until their time is over, and then answered', async () => {
    await scene(stuck);
    const waited = await fleet.until(() => areAll('gone', stuck), LIMIT_MS);
    // Half an hour from the receive on, a minute of which had passed.
    expect(waited).toBeGreaterThan(1_700_000);
    expect(waited).toBeLessThan(1_800_000);
    expect(endings(stuck, 'launching')).toEqual(stuck.map(() => 'worker ABANDON'));
    expect(receives('LAUNCHING')).toBe(1);
    await fleet.until(() => fleet.cloud.quiet, 60_000);
    expect(fleet.cloud.messages.map(({ gone }) => gone)).toEqual(fleet.cloud.messages.map(() => 'deleted'));
  });

  test('cost each a renewal of its message in 40 seconds and of its hook in 80 to 100, and a share of a look', async () => {
    await scene(stuck);
    await fleet.until(() => areAll('InService', healthy) && areAll('gone', members), LIMIT_MS);
    const before = new Map(fleet.calls);
    await fleet.until(() => false, 320_000);
    const perSecond = (name: string): number =>
      ((fleet.calls.get(name) ?? 0) - (before.get(name) ?? 0)) / 320;
    expect(perSecond('sqs.ChangeMessageVisibility')).toBeLessThan(stuck.length / 35);
    expect(perSecond('autoscaling.RecordLifecycleActionHeartbeat')).toBeLessThanOrEqual(stuck.length / 80);
    // At most fifty nodes a look.
    expect(perSecond('ssm.DescribeInstanceInformation')).toBeLessThan(1);
    expect(perSecond('dynamodb.PutItem')).toBe(0);
    expect(perSecond('ssm.SendCommand')).toBe(0);
  });

  test('are handed back to another worker when this one stops', async () => {
    const worker = fleet.start(SLOTS);
    for (const instanceId of stuck) fleet.launchStuck(instanceId);
    await fleet.until(() => false, 30_000);
    expect(fleet.cloud.messages.filter(({ visibleAt }) => visibleAt <= fleet.kernel.now())).toEqual([]);
    worker.stop();
    await fleet.until(() => false, 90_000);
    const shown = fleet.cloud.messages.filter(({ visibleAt }) => visibleAt <= fleet.kernel.now());
    expect(shown).toHaveLength(stuck.length);
  });
});

describe('more launches that wait than a worker has room for', () => {
  const places = 64;
  const stuck = ids(2, 100);

  test('still delay no termination; the launches that find no room come back, and are no dead letters', async () => {
    await scene(stuck, 8, places);
    const gone = await fleet.until(() => areAll('gone', members), LIMIT_MS);
    expect(gone).toBeLessThan(30_000);
    expect(endings(members, 'terminating')).toEqual(members.map(() => 'worker CONTINUE'));
    expect(receives('TERMINATING')).toBe(1);
    await fleet.until(() => fleet.cloud.quiet, 4 * LIMIT_MS);
    expect(fleet.cloud.messages.filter((message) => message.gone === 'dead letter')).toEqual([]);
    expect(receives('LAUNCHING')).toBeLessThan(12);
  });
});

test('a node is looked for a few times once a boot of its group is known, and joins as soon', async () => {
  fleet = createFleet({ bootMs: () => 30_000 });
  fleet.start(SLOTS);
  async function launched(instanceId: string): Promise<{ readonly looks: number; readonly ms: number }> {
    const looks = (): number => fleet.calls.get('ssm.DescribeInstanceInformation') ?? 0;
    const before = looks();
    fleet.launch(instanceId);
    const ms = await fleet.until(() => areAll('InService', [instanceId]), LIMIT_MS);
    return { looks: looks() - before, ms };
  }
  const [one = '', other = ''] = healthy;
  const first = await launched(one);
  const second = await launched(other);
  expect(second.looks).toBeLessThan(first.looks / 2);
  // An eighth of the boot at most.
  expect(second.ms).toBeLessThan(first.ms + 30_000 / 8);
});
