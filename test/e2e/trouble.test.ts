import { EC2Client, TerminateInstancesCommand } from '@aws-sdk/client-ec2';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Machine } from '../../infra/sandbox/machine/machine.ts';
import { accountId, region } from '../../infra/sandbox/inside/sandbox.ts';
import { describeReal } from '../support/sandbox.ts';
import { unlessThin } from '../support/slice.ts';
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
/** The least that the agent's configuration allows: who is told to stop hands back, and does not finish. */
const drainSeconds = 1;

/** Where a machine shows that its join has begun, and where it waits for the word to go on. */
const underWay = '/run/join-under-way';
const goOn = '/run/join-goes-on';
const slowAdcli = `#!/bin/sh
case " $* " in
*' join '*) touch ${underWay}; until [ -e ${goOn} ]; do sleep 0.1; done ;;
esac
exec /usr/sbin/adcli.real "$@"
`;

/** Makes the machine's join last until it is told to go on: no join is too fast to be stopped in the middle. */
async function holdJoin(machine: Machine): Promise<void> {
  const put = 'mv /usr/sbin/adcli /usr/sbin/adcli.real && cat >/usr/sbin/adcli && chmod 755 /usr/sbin/adcli';
  const { code, stderr } = await machine.exec(['sh', '-c', put], { input: slowAdcli });
  if (code !== 0) throw new Error(stderr);
}

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

  /** All that was said about the instance's messages. */
  const logOf = async (instanceId: string): Promise<Record<string, unknown>[]> => {
    const entries = await logEntries(system);
    const own = entries.filter((entry) => entry['instanceId'] === instanceId && 'messageId' in entry);
    const messages = new Set(own.map(({ messageId }) => messageId));
    return entries.filter(({ messageId }) => messages.has(messageId));
  };
  /** Whether the machines that boot from now on hold their joins. */
  let holding = false;

  beforeAll(async () => {
    system = await openSystem(ground, {
      agentConfig: { receive: { visibilitySeconds }, drainSeconds },
      async prepareMachine(machine) {
        if (holding) await holdJoin(machine);
      },
    });
    queues = queuesOf(system);
    system.startAgent();
  }, 300_000);
  afterAll(async () => {
    queues.close();
    await system.stop();
  }, 180_000);

  unlessThin(() => {
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
    }, 180_000);
  });

  unlessThin(() => {
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
    }, 180_000);
  });

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
      expect((await system.subject.look()).states.get(leaving)).toBe('Terminating:Wait');
    });
    await inService(system, 1, 60_000);
    expect(await computerNames(system)).toHaveLength(1);
  }, 180_000);

  unlessThin(() => {
    test('an instance that is terminated behind its hooks is replaced by a member, and harms nobody', async () => {
      const [victim] = await inService(system, 1, 10_000);
      const ec2 = new EC2Client(system.developer);
      await ec2.send(new TerminateInstancesCommand({ InstanceIds: [victim ?? ''] }));
      ec2.destroy();
      const [replacement] = await eventually('a replacement, and the victim gone', 60_000, async () => {
        const { states } = await system.subject.look();
        if (states.has(victim ?? '')) return undefined;
        const others = [...states].filter(([, state]) => state === 'InService').map(([id]) => id);
        return others.length === 1 ? others : undefined;
      });
      const stamps = (await system.auditor.computers()).map((account) => account.stamp);
      expect(stamps).toContain(system.subject.expected.stampOf(replacement ?? ''));
      expect(await system.subject.witnesses.leftovers([replacement ?? ''])).toEqual([]);
      expect(system.agent()?.deaths).toHaveLength(1);
    }, 180_000);
  });

  test('told to stop in the middle of a join, it ends with 0, and its successor finishes', async () => {
    holding = true;
    await system.setDesiredCapacity(2);
    const launched = await onlyInstance(system, 'Pending:Wait', 30_000);
    const machine = system.fleet.machine(launched);
    if (!machine) throw new Error(`${launched} has no machine`);
    await eventually('a join under way', 60_000, async () =>
      (await machine.exec(['test', '-e', underWay])).code === 0 ? true : undefined,
    );
    expect(await system.agent()?.stop(45_000)).toEqual({ code: 0, signal: null });
    const first = await logOf(launched);
    expect(first).toContainEqual(
      expect.objectContaining({
        event: 'message handed back',
        error: expect.objectContaining({ code: 'draining' }),
      }),
    );
    expect(first.map(({ event }) => event)).not.toContain('lifecycle action completed');

    await machine.exec(['touch', goOn]);
    system.startAgent();
    await inService(system, 2, 90_000);
    const completed = await eventually('the completion in the log', 10_000, async () =>
      (await logOf(launched)).slice(first.length).find(({ event }) => event === 'lifecycle action completed'),
    );
    expect(completed).toMatchObject({
      result: 'CONTINUE',
      correlationId: first.find(({ event }) => event === 'lifecycle action received')?.['correlationId'],
    });
    const stamp = system.subject.expected.stampOf(launched);
    const accounts = (await system.auditor.computers()).filter((account) => account.stamp === stamp);
    expect(accounts).toHaveLength(1);
  }, 240_000);
});
