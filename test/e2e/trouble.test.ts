import { EC2Client, TerminateInstancesCommand } from '@aws-sdk/client-ec2';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { accountId, region } from '../../infra/sandbox/inside/sandbox.ts';
import { describeReal } from '../support/sandbox.ts';
import {
  computerNames,
  eventually,
  inService,
  logEntries,
  membershipOf,
  onlyInstance,
  openSystem,
  queuesOf,
  type Queues,
  type System,
} from './sandbox.ts';

/** The time until a dead agent's messages come back: short, and enough for answers on a busy machine. */
const visibilitySeconds = 15;

describeReal('an agent in trouble', (ground) => {
  let system: System;
  let queues: Queues;
  const withoutDomain = async (work: () => Promise<void>): Promise<void> => {
    await system.domain.stop();
    try {
      await work();
    } finally {
      await system.domain.start();
    }
  };

  beforeAll(async () => {
    system = await openSystem(ground, { agentConfig: { receive: { visibilitySeconds } } });
    queues = queuesOf(system);
    system.startAgent();
  }, 300_000);
  afterAll(async () => {
    queues.close();
    await system.stop();
  }, 60_000);

  test('garbage ends in the dead-letter queue', async () => {
    const garbage = [
      'not JSON',
      '{}',
      '[]',
      '{"Message":"{"}',
      '{"LifecycleTransition":"autoscaling:EC2_INSTANCE_SLEEPING"}',
    ];
    for (const body of garbage) await queues.send(body);
    await eventually('garbage among the dead letters', 90_000, async () =>
      (await queues.depth(system.stack.deadLetterQueueUrl)) === garbage.length ? true : undefined,
    );
    expect(await queues.depth()).toBe(0);
  }, 120_000);

  test('a forged message for an instance that is not the group’s is deleted, and nothing is done', async () => {
    const dead = await queues.depth(system.stack.deadLetterQueueUrl);
    await queues.send(
      JSON.stringify({
        Origin: 'EC2',
        Destination: 'AutoScalingGroup',
        Service: 'AWS Auto Scaling',
        AccountId: accountId,
        RequestId: '6a9b1c2d-0000-4000-8000-000000000000',
        LifecycleTransition: 'autoscaling:EC2_INSTANCE_LAUNCHING',
        AutoScalingGroupName: system.stack.autoScalingGroup,
        LifecycleHookName: 'adjoin-launch',
        EC2InstanceId: 'i-0feedfacefeedface',
        LifecycleActionToken: '6a9b1c2d-0000-4000-8000-000000000001',
        Time: new Date().toISOString(),
        region,
      }),
    );
    await eventually('the message deleted', 30_000, async () =>
      (await queues.depth()) === 0 ? true : undefined,
    );
    expect(await queues.depth(system.stack.deadLetterQueueUrl)).toBe(dead);
    expect(await membershipOf(system, 'i-0feedfacefeedface')).toBeUndefined();
    expect(await computerNames(system)).toEqual([]);
  }, 60_000);

  test('killed in the middle of a join, it takes the join up again', async () => {
    await system.setDesiredCapacity(1);
    const instanceId = await onlyInstance(system, 'Pending:Wait', 30_000);
    await eventually('a staged account', 30_000, async () =>
      (await computerNames(system)).length === 1 ? true : undefined,
    );
    const before = await membershipOf(system, instanceId);
    system.agent()?.kill('SIGKILL');
    expect(before?.launch?.['complete']).toBeUndefined();
    expect(await inService(system, 1, (visibilitySeconds + 60) * 1000)).toEqual([instanceId]);
    expect(system.agent()?.deaths).toHaveLength(1);
    expect(await computerNames(system)).toHaveLength(1);
    // Nobody left it to the hook's time-out: the action was answered, and its message deleted.
    await eventually('an empty queue', 10_000, async () => ((await queues.depth()) === 0 ? true : undefined));
  }, 180_000);

  test('while no domain controller answers a join is held, and it is done when one is back', async () => {
    const [member] = await inService(system, 1, 10_000);
    await withoutDomain(async () => {
      await system.setDesiredCapacity(2);
      const launched = await onlyInstance(system, 'Pending:Wait', 30_000);
      const error = await eventually(
        'an error in the ledger',
        60_000,
        async () => (await membershipOf(system, launched))?.lastError,
      );
      expect(error.code).toBe('directory-unavailable');
    });
    expect(await inService(system, 2, 60_000)).toContain(member);
  }, 180_000);

  test('while no domain controller answers an unjoin is held, and it is done when one is back', async () => {
    await inService(system, 2, 10_000);
    await withoutDomain(async () => {
      await system.setDesiredCapacity(1);
      const leaving = await onlyInstance(system, 'Terminating:Wait', 30_000);
      await eventually('a complaint in the log', 60_000, async () =>
        (await logEntries(system)).find(
          (entry) =>
            entry['instanceId'] === leaving &&
            entry['transition'] === 'terminating' &&
            JSON.stringify(entry['error'] ?? '').includes('directory-unavailable'),
        ),
      );
      expect((await system.stage.look()).states.get(leaving)).toBe('Terminating:Wait');
    });
    await inService(system, 1, 60_000);
    expect(await computerNames(system)).toHaveLength(1);
  }, 180_000);

  test('an instance that is terminated behind its hooks is replaced by a member, and harms nobody', async () => {
    const [victim] = await inService(system, 1, 10_000);
    const ec2 = new EC2Client(system.operator);
    await ec2.send(new TerminateInstancesCommand({ InstanceIds: [victim ?? ''] }));
    ec2.destroy();
    const [replacement] = await eventually('a replacement', 60_000, async () => {
      const { states } = await system.stage.look();
      const others = [...states].filter(([id, state]) => id !== victim && state === 'InService');
      return others.length === 1 ? others.map(([id]) => id) : undefined;
    });
    const stamps = (await system.auditor.computers()).map((account) => account.stamp);
    expect(stamps).toContain(system.stage.expected.stampOf(replacement ?? ''));
    expect(await system.stage.witnesses.leftovers([replacement ?? ''])).toEqual([]);
    expect(system.agent()?.deaths).toHaveLength(1);
  }, 120_000);

  test('told to stop in the middle of a join, it ends with 0, and its successor finishes', async () => {
    const launched = async () => {
      const { states } = await system.stage.look();
      return [...states].find(([, state]) => state === 'Pending:Wait')?.[0];
    };
    await system.setDesiredCapacity(2);
    await eventually('a launch', 30_000, launched);
    expect(await system.agent()?.stop(45_000)).toEqual({ code: 0, signal: null });
    system.startAgent();
    await inService(system, 2, 90_000);
  }, 180_000);
});
