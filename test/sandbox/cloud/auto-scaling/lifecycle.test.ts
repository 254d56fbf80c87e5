import {
  CompleteLifecycleActionCommand,
  CreateAutoScalingGroupCommand,
  CreateOrUpdateTagsCommand,
  DeleteAutoScalingGroupCommand,
  DeleteLifecycleHookCommand,
  DescribeAutoScalingGroupsCommand,
  DescribeAutoScalingInstancesCommand,
  DescribeTagsCommand,
  PutLifecycleHookCommand,
  RecordLifecycleActionHeartbeatCommand,
  SetDesiredCapacityCommand,
  TerminateInstanceInAutoScalingGroupCommand,
} from '@aws-sdk/client-auto-scaling';
import { DescribeInstancesCommand, TerminateInstancesCommand } from '@aws-sdk/client-ec2';
import { CreateQueueCommand, ReceiveMessageCommand } from '@aws-sdk/client-sqs';
import { describe, expect, test } from '@jest/globals';
import { accountId, region, startBench, type Bench, type Clients } from '../bench.ts';

const group = 'fleet';
const minute = 60_000;

interface Message {
  LifecycleTransition?: string;
  EC2InstanceId: string;
  LifecycleActionToken: string;
  LifecycleHookName: string;
  Event?: string;
}

/** A group with a launch and a terminate hook of five minutes, and a queue. */
async function startFleet(options: Parameters<typeof startBench>[0] & { hooks?: boolean } = {}) {
  const bench = await startBench(options);
  const operator = bench.as('operator');
  const { QueueUrl } = await operator.sqs.send(new CreateQueueCommand({ QueueName: 'actions' }));
  await operator.autoScaling.send(
    new CreateAutoScalingGroupCommand({
      AutoScalingGroupName: group,
      MinSize: 0,
      MaxSize: 60,
      DesiredCapacity: 0,
    }),
  );
  if (options.hooks ?? true) {
    await putHook(operator, 'join', 'autoscaling:EC2_INSTANCE_LAUNCHING');
    await putHook(operator, 'unjoin', 'autoscaling:EC2_INSTANCE_TERMINATING');
  }
  return {
    ...bench,
    operator,
    async [Symbol.asyncDispose]() {
      await bench[Symbol.asyncDispose]();
    },
    async scale(desired: number) {
      await operator.autoScaling.send(
        new SetDesiredCapacityCommand({ AutoScalingGroupName: group, DesiredCapacity: desired }),
      );
      await bench.clock.advance(0);
    },
    async states() {
      const { AutoScalingInstances } = await operator.autoScaling.send(
        new DescribeAutoScalingInstancesCommand({}),
      );
      return (AutoScalingInstances ?? []).map((each) => each.LifecycleState ?? '').toSorted();
    },
    /** Everything new on the queue. */
    async messages(): Promise<Message[]> {
      const { Messages } = await operator.sqs.send(
        new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, VisibilityTimeout: 43_200 }),
      );
      return (Messages ?? []).map((each): Message => JSON.parse(each.Body ?? ''));
    },
    async complete(message: Message, result: 'CONTINUE' | 'ABANDON', token = message.LifecycleActionToken) {
      await operator.autoScaling.send(
        new CompleteLifecycleActionCommand({
          AutoScalingGroupName: group,
          LifecycleHookName: message.LifecycleHookName,
          LifecycleActionToken: token,
          LifecycleActionResult: result,
        }),
      );
      await bench.clock.advance(1000);
    },
  };
}

async function putHook(operator: Clients, name: string, transition: string, defaultResult = 'ABANDON') {
  await operator.autoScaling.send(
    new PutLifecycleHookCommand({
      AutoScalingGroupName: group,
      LifecycleHookName: name,
      LifecycleTransition: transition,
      HeartbeatTimeout: 300,
      DefaultResult: defaultResult,
      NotificationTargetARN: `arn:aws:sqs:${region}:${accountId}:actions`,
      RoleARN: `arn:aws:iam::${accountId}:role/publisher`,
    }),
  );
}

async function launchOne(fleet: Awaited<ReturnType<typeof startFleet>>): Promise<Message> {
  await fleet.messages();
  await fleet.scale(1);
  const [message] = await fleet.messages();
  if (!message) throw new Error('No lifecycle message came.');
  return message;
}

describe('an instance of a group with hooks', () => {
  test('waits for the launch hook, serves after CONTINUE, waits again to leave, and is gone after CONTINUE', async () => {
    await using fleet = await startFleet();
    const launch = await launchOne(fleet);
    expect(launch).toMatchObject({
      Origin: 'EC2',
      Destination: 'AutoScalingGroup',
      Service: 'AWS Auto Scaling',
      AccountId: accountId,
      LifecycleTransition: 'autoscaling:EC2_INSTANCE_LAUNCHING',
      AutoScalingGroupName: group,
      LifecycleHookName: 'join',
      EC2InstanceId: expect.stringMatching(/^i-[0-9a-f]{17}$/),
      Time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    });
    expect(await fleet.states()).toEqual(['Pending:Wait']);
    await fleet.complete(launch, 'CONTINUE');
    expect(await fleet.states()).toEqual(['InService']);
    await fleet.scale(0);
    expect(await fleet.states()).toEqual(['Terminating:Wait']);
    expect(fleet.destroyed).toEqual([]);
    const [leaving] = await fleet.messages();
    expect(leaving).toMatchObject({
      Origin: 'AutoScalingGroup',
      Destination: 'EC2',
      LifecycleTransition: 'autoscaling:EC2_INSTANCE_TERMINATING',
      EC2InstanceId: launch.EC2InstanceId,
    });
    if (leaving) await fleet.complete(leaving, 'CONTINUE');
    expect(await fleet.states()).toEqual([]);
    expect(fleet.destroyed).toEqual([launch.EC2InstanceId]);
  });

  test('gets the test notification of each hook first', async () => {
    await using fleet = await startFleet();
    const events = (await fleet.messages()).map((each) => each.Event);
    expect(events).toEqual(['autoscaling:TEST_NOTIFICATION', 'autoscaling:TEST_NOTIFICATION']);
  });

  test('is terminated and replaced after ABANDON, and the replacement of a failing one waits longer each time', async () => {
    await using fleet = await startFleet({ terminateHookAfterAbandon: false });
    await fleet.complete(await launchOne(fleet), 'ABANDON');
    expect(fleet.destroyed).toHaveLength(1);
    expect(fleet.booted).toHaveLength(1);
    await fleet.clock.advance(5000);
    expect(fleet.booted).toHaveLength(2);
    const [second] = await fleet.messages();
    if (second) await fleet.complete(second, 'ABANDON');
    await fleet.clock.advance(7000);
    expect(fleet.booted).toHaveLength(2);
    await fleet.clock.advance(3000);
    expect(fleet.booted).toHaveLength(3);
  });

  test('is given to the terminate hook after an abandoned launch', async () => {
    await using fleet = await startFleet();
    await fleet.complete(await launchOne(fleet), 'ABANDON');
    expect((await fleet.messages()).map((each) => each.LifecycleHookName)).toEqual(['unjoin']);
    expect(fleet.destroyed).toEqual([]);
  });

  test('gets the default result when its heartbeat time-out passes, which a heartbeat restarts', async () => {
    await using fleet = await startFleet();
    const { EC2InstanceId } = await launchOne(fleet);
    await fleet.clock.advance(4 * minute);
    await fleet.operator.autoScaling.send(
      new RecordLifecycleActionHeartbeatCommand({
        AutoScalingGroupName: group,
        LifecycleHookName: 'join',
        InstanceId: EC2InstanceId,
      }),
    );
    await fleet.clock.advance(4 * minute);
    expect(await fleet.states()).toEqual(['Pending:Wait']);
    await fleet.clock.advance(minute + 1);
    expect(await fleet.states()).toContain('Terminating:Wait');
  });

  test('is not kept by heartbeats beyond a hundred time-outs', async () => {
    await using fleet = await startFleet({ terminateHookAfterAbandon: false });
    const { EC2InstanceId } = await launchOne(fleet);
    const heartbeat = () =>
      fleet.operator.autoScaling.send(
        new RecordLifecycleActionHeartbeatCommand({
          AutoScalingGroupName: group,
          LifecycleHookName: 'join',
          InstanceId: EC2InstanceId,
        }),
      );
    for (let beat = 1; beat < 125; beat++) {
      await fleet.clock.advance(4 * minute);
      await heartbeat();
    }
    expect(fleet.destroyed).toEqual([]);
    await fleet.clock.advance(4 * minute + 1000);
    expect(fleet.destroyed).toEqual([EC2InstanceId]);
    await expect(heartbeat()).rejects.toThrow('No active Lifecycle Action found');
  });

  test('that launches is taken out by a scale-in, and its launch action is void', async () => {
    await using fleet = await startFleet();
    const launch = await launchOne(fleet);
    await fleet.scale(0);
    await expect(fleet.complete(launch, 'CONTINUE')).rejects.toThrow(
      `No active Lifecycle Action found with token ${launch.LifecycleActionToken}`,
    );
    expect(await fleet.states()).toEqual(['Terminating:Wait']);
  });

  test('skips its hooks when EC2 terminates it, and the group replaces it', async () => {
    await using fleet = await startFleet();
    const launch = await launchOne(fleet);
    await fleet.complete(launch, 'CONTINUE');
    await fleet.operator.ec2.send(new TerminateInstancesCommand({ InstanceIds: [launch.EC2InstanceId] }));
    await fleet.clock.advance(0);
    const after = await fleet.messages();
    expect(after.map((each) => each.LifecycleHookName)).toEqual(['join']);
    expect(fleet.destroyed).toEqual([launch.EC2InstanceId]);
    expect(after[0]?.EC2InstanceId).toBe(fleet.booted[1]);
  });

  test('whose machine dies goes by its hooks and is replaced', async () => {
    await using fleet = await startFleet();
    const launch = await launchOne(fleet);
    await fleet.complete(launch, 'CONTINUE');
    fleet.cloud.machineDied(launch.EC2InstanceId);
    await fleet.clock.advance(0);
    expect(await fleet.states()).toEqual(['Pending:Wait', 'Terminating:Wait']);
  });

  test('whose machine dies before it serves is replaced after a pause only', async () => {
    await using fleet = await startFleet();
    const launch = await launchOne(fleet);
    fleet.cloud.machineDied(launch.EC2InstanceId);
    await fleet.clock.advance(4000);
    expect(await fleet.states()).toEqual(['Terminating:Wait']);
    await fleet.clock.advance(1000);
    expect(await fleet.states()).toEqual(['Pending:Wait', 'Terminating:Wait']);
  });

  test('that the user terminates lowers the desired capacity only if told so', async () => {
    await using fleet = await startFleet();
    await fleet.complete(await launchOne(fleet), 'CONTINUE');
    const terminate = (InstanceId: string | undefined, ShouldDecrementDesiredCapacity: boolean) =>
      fleet.operator.autoScaling.send(
        new TerminateInstanceInAutoScalingGroupCommand({ InstanceId, ShouldDecrementDesiredCapacity }),
      );
    await terminate(fleet.booted[0], false);
    await fleet.clock.advance(0);
    expect(await fleet.states()).toEqual(['Pending:Wait', 'Terminating:Wait']);
    await terminate(fleet.booted[1], true);
    await fleet.clock.advance(0);
    expect(await fleet.states()).toEqual(['Terminating:Wait', 'Terminating:Wait']);
    const { AutoScalingGroups } = await fleet.operator.autoScaling.send(
      new DescribeAutoScalingGroupsCommand({}),
    );
    expect(AutoScalingGroups?.[0]?.DesiredCapacity).toBe(0);
  });

  test('that never boots is replaced after a pause', async () => {
    let attempts = 0;
    await using fleet = await startFleet({
      async boot() {
        attempts += 1;
        if (attempts === 1) throw new Error('no such image');
        return { privateIpAddress: '10.77.1.1', hostName: 'second' };
      },
    });
    await fleet.scale(1);
    expect(await fleet.states()).toEqual([]);
    await fleet.clock.advance(5000);
    expect(await fleet.states()).toEqual(['Pending:Wait']);
  });
});

describe('a lifecycle action', () => {
  const refused = (text: string) => expect.objectContaining({ name: 'ValidationError', message: text });

  test.each([
    [
      'a wrong token',
      { LifecycleActionToken: '00000000-0000-4000-8000-000000000000' },
      'token 00000000-0000-4000-8000-000000000000',
    ],
    ['a wrong instance', { InstanceId: 'i-0123456789abcdef0' }, 'instance ID i-0123456789abcdef0'],
  ])('refuses %s', async (_what, address, named) => {
    await using fleet = await startFleet();
    await launchOne(fleet);
    const completing = fleet.operator.autoScaling.send(
      new CompleteLifecycleActionCommand({
        AutoScalingGroupName: group,
        LifecycleHookName: 'join',
        LifecycleActionResult: 'CONTINUE',
        ...address,
      }),
    );
    await expect(completing).rejects.toEqual(refused(`No active Lifecycle Action found with ${named}`));
    expect(await fleet.states()).toEqual(['Pending:Wait']);
  });

  test('refuses its token under another hook, and refuses it a second time', async () => {
    await using fleet = await startFleet();
    const launch = await launchOne(fleet);
    const words = refused(`No active Lifecycle Action found with token ${launch.LifecycleActionToken}`);
    await expect(fleet.complete({ ...launch, LifecycleHookName: 'unjoin' }, 'CONTINUE')).rejects.toEqual(
      words,
    );
    await fleet.complete(launch, 'CONTINUE');
    await expect(fleet.complete(launch, 'CONTINUE')).rejects.toEqual(words);
  });
});

describe('a group', () => {
  test('shows its instances page by page and takes at most fifty IDs', async () => {
    await using fleet = await startFleet({ hooks: false });
    await fleet.scale(55);
    const seen: string[] = [];
    let NextToken: string | undefined;
    do {
      const answer = await fleet.operator.autoScaling.send(
        new DescribeAutoScalingInstancesCommand({ MaxRecords: 20, NextToken }),
      );
      seen.push(...(answer.AutoScalingInstances ?? []).map((each) => each.InstanceId ?? ''));
      NextToken = answer.NextToken;
    } while (NextToken !== undefined);
    expect(seen.toSorted()).toEqual(fleet.booted.toSorted());
    const tooMany = fleet.operator.autoScaling.send(
      new DescribeAutoScalingInstancesCommand({ InstanceIds: fleet.booted.slice(0, 51) }),
    );
    await expect(tooMany).rejects.toThrow('limited to 50');
  });

  test('without hooks has its instances in service at once', async () => {
    await using fleet = await startFleet({ hooks: false });
    await fleet.scale(2);
    await fleet.clock.advance(1000);
    expect(await fleet.states()).toEqual(['InService', 'InService']);
    expect(await fleet.messages()).toEqual([]);
  });

  test('keeps tags with any characters, hands on those that propagate, and finds groups and instances by them', async () => {
    await using fleet = await startFleet({ hooks: false });
    const odd = `<a href="x">&amp;'\u{e9}</a>`;
    const tag = { ResourceId: group, ResourceType: 'auto-scaling-group' };
    await fleet.operator.autoScaling.send(
      new CreateOrUpdateTagsCommand({
        Tags: [
          { ...tag, Key: 'JoinAD', Value: 'true', PropagateAtLaunch: true },
          { ...tag, Key: 'odd', Value: odd, PropagateAtLaunch: false },
        ],
      }),
    );
    await fleet.scale(1);
    const { Tags } = await fleet.operator.autoScaling.send(
      new DescribeTagsCommand({ Filters: [{ Name: 'key', Values: ['odd'] }] }),
    );
    expect(Tags).toMatchObject([{ ResourceId: group, Value: odd, PropagateAtLaunch: false }]);
    const { Reservations } = await fleet.operator.ec2.send(
      new DescribeInstancesCommand({
        Filters: [
          { Name: 'tag:JoinAD', Values: ['tru?'] },
          { Name: 'instance-state-name', Values: ['running'] },
        ],
      }),
    );
    expect(Reservations?.[0]?.Instances?.[0]?.Tags).toEqual([
      { Key: 'aws:autoscaling:groupName', Value: group },
      { Key: 'JoinAD', Value: 'true' },
    ]);
  });

  test('that loses a hook ends what waits for it: launches as abandoned, terminations as done', async () => {
    await using fleet = await startFleet({ terminateHookAfterAbandon: false });
    const launch = await launchOne(fleet);
    const remove = (LifecycleHookName: string) =>
      fleet.operator.autoScaling.send(
        new DeleteLifecycleHookCommand({ AutoScalingGroupName: group, LifecycleHookName }),
      );
    await remove('join');
    await fleet.clock.advance(1000);
    expect(fleet.destroyed).toEqual([launch.EC2InstanceId]);
    await fleet.clock.advance(6000);
    expect(await fleet.states()).toEqual(['InService']);
    await fleet.scale(0);
    expect(await fleet.states()).toEqual(['Terminating:Wait']);
    await remove('unjoin');
    await fleet.clock.advance(1000);
    expect(await fleet.states()).toEqual([]);
  });

  test('refuses a capacity beyond its bounds', async () => {
    await using fleet = await startFleet();
    await expect(fleet.scale(61)).rejects.toThrow('New SetDesiredCapacity value 61 is above max value 60');
  });

  test('is deleted with its instances by force only, and then without hooks', async () => {
    await using fleet = await startFleet();
    const launch = await launchOne(fleet);
    const remove = (ForceDelete: boolean) =>
      fleet.operator.autoScaling.send(
        new DeleteAutoScalingGroupCommand({ AutoScalingGroupName: group, ForceDelete }),
      );
    await expect(remove(false)).rejects.toThrow('while there are instances');
    await remove(true);
    await fleet.clock.advance(1000);
    expect(fleet.destroyed).toEqual([launch.EC2InstanceId]);
    expect(await fleet.messages()).toEqual([]);
    expect(await groupNames(fleet)).toEqual([]);
  });
});

async function groupNames(fleet: Bench & { operator: Clients }): Promise<(string | undefined)[]> {
  const { AutoScalingGroups } = await fleet.operator.autoScaling.send(
    new DescribeAutoScalingGroupsCommand({}),
  );
  return (AutoScalingGroups ?? []).map((each) => each.AutoScalingGroupName);
}
