import {
  CompleteLifecycleActionCommand,
  CreateAutoScalingGroupCommand,
  DeleteWarmPoolCommand,
  DescribeAutoScalingGroupsCommand,
  DescribeAutoScalingInstancesCommand,
  DescribeInstanceRefreshesCommand,
  DescribeWarmPoolCommand,
  PutLifecycleHookCommand,
  PutWarmPoolCommand,
  SetDesiredCapacityCommand,
  StartInstanceRefreshCommand,
} from '@aws-sdk/client-auto-scaling';
import { CreateQueueCommand, ReceiveMessageCommand } from '@aws-sdk/client-sqs';
import { describe, expect, test } from '@jest/globals';
import { accountId, region, startBench } from '../bench.ts';

const group = { AutoScalingGroupName: 'fleet' };

interface Message {
  readonly LifecycleTransition: string;
  readonly LifecycleHookName: string;
  readonly LifecycleActionToken: string;
  readonly EC2InstanceId: string;
  readonly Origin: string;
  readonly Destination: string;
  readonly Action?: string;
}

async function startFleet() {
  const bench = await startBench();
  const { autoScaling, sqs } = bench.as('operator');
  const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: 'actions' }));
  await autoScaling.send(
    new CreateAutoScalingGroupCommand({ ...group, MinSize: 0, MaxSize: 3, DesiredCapacity: 0 }),
  );
  for (const [name, transition] of [
    ['join', 'autoscaling:EC2_INSTANCE_LAUNCHING'],
    ['unjoin', 'autoscaling:EC2_INSTANCE_TERMINATING'],
  ]) {
    await autoScaling.send(
      new PutLifecycleHookCommand({
        ...group,
        LifecycleHookName: name,
        LifecycleTransition: transition,
        HeartbeatTimeout: 300,
        DefaultResult: 'ABANDON',
        NotificationTargetARN: `arn:aws:sqs:${region}:${accountId}:actions`,
        RoleARN: `arn:aws:iam::${accountId}:role/publisher`,
      }),
    );
  }
  const fleet = {
    ...bench,
    autoScaling,
    [Symbol.asyncDispose]: () => bench[Symbol.asyncDispose](),
    async states() {
      const { AutoScalingInstances = [] } = await autoScaling.send(
        new DescribeAutoScalingInstancesCommand({}),
      );
      return AutoScalingInstances.map(({ LifecycleState = '' }) => LifecycleState);
    },
    async scale(DesiredCapacity: number) {
      await autoScaling.send(new SetDesiredCapacityCommand({ ...group, DesiredCapacity }));
      await bench.clock.advance(0);
    },
    /** The actions that have begun, as `launching EC2 → WarmPool`. */
    async begun(): Promise<Message[]> {
      const { Messages = [] } = await sqs.send(
        new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, VisibilityTimeout: 43_200 }),
      );
      return Messages.map((each): Message => JSON.parse(each.Body ?? '')).filter(
        (each) => each.LifecycleTransition !== undefined,
      );
    },
    async answer(message: Message | undefined, LifecycleActionResult = 'CONTINUE') {
      await autoScaling.send(
        new CompleteLifecycleActionCommand({
          ...group,
          LifecycleHookName: message?.LifecycleHookName,
          LifecycleActionToken: message?.LifecycleActionToken,
          LifecycleActionResult,
        }),
      );
      await bench.clock.advance(1_000);
    },
    async only(): Promise<Message> {
      const [message, ...others] = await fleet.begun();
      if (!message || others.length > 0) throw new Error(`There are ${others.length + 1} messages.`);
      return message;
    },
    /** One instance in service, and a pool that it can return to. */
    async withPool(pool: Partial<ConstructorParameters<typeof PutWarmPoolCommand>[0]> = {}) {
      await fleet.scale(1);
      await fleet.answer(await fleet.only());
      await autoScaling.send(
        new PutWarmPoolCommand({
          ...group,
          MaxGroupPreparedCapacity: 1,
          InstanceReusePolicy: { ReuseOnScaleIn: true },
          ...pool,
        }),
      );
    },
  };
  return fleet;
}

const way = ({ LifecycleTransition, Origin, Destination }: Message): string =>
  `${LifecycleTransition.replace('autoscaling:EC2_INSTANCE_', '').toLowerCase()} ${Origin} → ${Destination}`;

describe('a warm pool', () => {
  test('takes an instance back at scale-in, which waits at Warmed:Pending:Wait for the terminate hook', async () => {
    await using fleet = await startFleet();
    await fleet.withPool();
    await fleet.scale(0);
    expect(await fleet.states()).toEqual(['Warmed:Pending:Wait']);
    const returning = await fleet.only();
    expect(way(returning)).toBe('terminating AutoScalingGroup → WarmPool');
    await fleet.answer(returning);
    expect(await fleet.states()).toEqual(['Warmed:Stopped']);
    expect(fleet.halted).toEqual([`stop ${returning.EC2InstanceId}`]);
    expect(fleet.destroyed).toEqual([]);

    const { Instances } = await fleet.autoScaling.send(new DescribeWarmPoolCommand(group));
    expect(Instances?.map(({ InstanceId }) => InstanceId)).toEqual([returning.EC2InstanceId]);
    const { AutoScalingGroups } = await fleet.autoScaling.send(new DescribeAutoScalingGroupsCommand({}));
    expect(AutoScalingGroups?.[0]?.Instances).toEqual([]);

    // It leaves the pool again: the same instance, and the launch hook.
    await fleet.scale(1);
    expect(await fleet.states()).toEqual(['Pending:Wait']);
    const leaving = await fleet.only();
    expect(way(leaving)).toBe('launching WarmPool → AutoScalingGroup');
    expect(leaving.EC2InstanceId).toBe(returning.EC2InstanceId);
    expect(fleet.halted.at(-1)).toBe(`start ${returning.EC2InstanceId} same`);
    await fleet.answer(leaving);
    expect(await fleet.states()).toEqual(['InService']);
  });

  test('launches its own instances, whose launch hook leads into the pool', async () => {
    await using fleet = await startFleet();
    await fleet.autoScaling.send(
      new PutWarmPoolCommand({ ...group, MinSize: 1, MaxGroupPreparedCapacity: 1 }),
    );
    await fleet.clock.advance(0);
    expect(await fleet.states()).toEqual(['Warmed:Pending:Wait']);
    const launching = await fleet.only();
    expect(way(launching)).toBe('launching EC2 → WarmPool');
    await fleet.answer(launching);
    expect(await fleet.states()).toEqual(['Warmed:Stopped']);
    await fleet.autoScaling.send(new DeleteWarmPoolCommand({ ...group, ForceDelete: true }));
    expect(await fleet.states()).toEqual(['Warmed:Terminating:Wait']);
    const ending = await fleet.only();
    expect(way(ending)).toBe('terminating WarmPool → EC2');
    await fleet.answer(ending);
    expect(fleet.destroyed).toEqual([launching.EC2InstanceId]);
  });

  test('that does not reuse instances terminates them', async () => {
    await using fleet = await startFleet();
    await fleet.withPool({ InstanceReusePolicy: { ReuseOnScaleIn: false }, PoolState: 'Running' });
    await fleet.scale(0);
    expect((await fleet.begun()).map(way).toSorted()).toEqual([
      'launching EC2 → WarmPool',
      'terminating AutoScalingGroup → EC2',
    ]);
  });

  test('does not get an instance whose way back is abandoned', async () => {
    await using fleet = await startFleet();
    await fleet.withPool();
    await fleet.scale(0);
    const returning = await fleet.only();
    await fleet.answer(returning, 'ABANDON');
    const [next] = await fleet.begun();
    expect(next && way(next)).toMatch(/^terminating .* → EC2$/);
  });

  test('refuses what AWS refuses, and what is not emulated', async () => {
    await using fleet = await startFleet();
    await fleet.withPool();
    const put = (input: object) => fleet.autoScaling.send(new PutWarmPoolCommand({ ...group, ...input }));
    await expect(put({ PoolState: 'Hibernated' })).rejects.toThrow('not emulated');
    await expect(put({ MaxGroupPreparedCapacity: 0 })).rejects.toThrow('desired capacity');
    await expect(put({ MinSize: -1 })).rejects.toThrow('negative');
    await fleet.scale(0);
    await expect(fleet.autoScaling.send(new DeleteWarmPoolCommand(group))).rejects.toThrow(
      'still has instances',
    );
  });
});

describe('an instance refresh', () => {
  test('that replaces root volumes gives the same instance an empty disk, with both hooks', async () => {
    await using fleet = await startFleet();
    await fleet.scale(1);
    const first = await fleet.only();
    await fleet.answer(first);
    await fleet.autoScaling.send(
      new StartInstanceRefreshCommand({ ...group, Strategy: 'ReplaceRootVolume' }),
    );
    expect(await fleet.states()).toEqual(['ReplacingRootVolume:Wait']);
    await expect(fleet.autoScaling.send(new StartInstanceRefreshCommand(group))).rejects.toMatchObject({
      name: 'InstanceRefreshInProgressFault',
    });
    const leaving = await fleet.only();
    expect(leaving).toMatchObject({ EC2InstanceId: first.EC2InstanceId, Action: 'ReplaceRootVolume' });
    expect(way(leaving)).toBe('terminating AutoScalingGroup → AutoScalingGroup');
    await fleet.answer(leaving);
    expect(fleet.halted).toEqual([`stop ${first.EC2InstanceId}`, `start ${first.EC2InstanceId} new`]);
    expect(await fleet.states()).toEqual(['Pending:Wait']);
    const joining = await fleet.only();
    expect(way(joining)).toBe('launching AutoScalingGroup → AutoScalingGroup');
    await fleet.answer(joining);
    expect(await fleet.states()).toEqual(['InService']);
    const { InstanceRefreshes } = await fleet.autoScaling.send(new DescribeInstanceRefreshesCommand(group));
    expect(InstanceRefreshes?.map(({ Status, Strategy }) => [Status, Strategy])).toEqual([
      ['Successful', 'ReplaceRootVolume'],
    ]);
    expect(fleet.destroyed).toEqual([]);
  });

  test('that rolls replaces one instance after the other', async () => {
    await using fleet = await startFleet();
    await fleet.scale(2);
    for (const message of await fleet.begun()) await fleet.answer(message);
    await fleet.autoScaling.send(new StartInstanceRefreshCommand(group));
    for (const left of [1, 0]) {
      await fleet.clock.advance(0);
      expect((await fleet.states()).toSorted()).toEqual(['InService', 'Pending:Wait', 'Terminating:Wait']);
      const { InstanceRefreshes } = await fleet.autoScaling.send(new DescribeInstanceRefreshesCommand(group));
      expect(InstanceRefreshes?.[0]).toMatchObject({ Status: 'InProgress', InstancesToUpdate: left });
      for (const message of await fleet.begun()) await fleet.answer(message);
    }
    expect(await fleet.states()).toEqual(['InService', 'InService']);
    const { InstanceRefreshes } = await fleet.autoScaling.send(new DescribeInstanceRefreshesCommand(group));
    expect(InstanceRefreshes?.[0]).toMatchObject({ Status: 'Successful', PercentageComplete: 100 });
    expect(fleet.destroyed).toHaveLength(2);
  });
});
