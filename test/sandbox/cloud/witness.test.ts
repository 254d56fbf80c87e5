import {
  CompleteLifecycleActionCommand,
  CreateAutoScalingGroupCommand,
  PutLifecycleHookCommand,
  SetDesiredCapacityCommand,
} from '@aws-sdk/client-auto-scaling';
import { TerminateInstancesCommand } from '@aws-sdk/client-ec2';
import {
  CreateQueueCommand,
  DeleteMessageCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
} from '@aws-sdk/client-sqs';
import { DescribeInstanceInformationCommand } from '@aws-sdk/client-ssm';
import { describe, expect, test } from '@jest/globals';
import type { CloudEvent } from '../../../infra/sandbox/cloud/cloud.ts';
import { accountId, type Bench, region, startBench } from './bench.ts';

const minute = 60_000;

async function watched(options: { registers?: (instanceId: string) => boolean } = {}) {
  const events: CloudEvent[] = [];
  const bench = await startBench({ ...options, witness: (event) => void events.push(event) });
  return { bench, events, ...bench.as('operator') };
}

/** A group of one instance with a hook for each transition that nobody is told of. */
async function launchOne({ bench, autoScaling }: Awaited<ReturnType<typeof watched>>): Promise<void> {
  const AutoScalingGroupName = 'fleet';
  const sizes = { MinSize: 0, MaxSize: 1, DesiredCapacity: 0 };
  await autoScaling.send(new CreateAutoScalingGroupCommand({ AutoScalingGroupName, ...sizes }));
  for (const transition of ['LAUNCHING', 'TERMINATING']) {
    await autoScaling.send(
      new PutLifecycleHookCommand({
        AutoScalingGroupName,
        LifecycleHookName: transition.toLowerCase(),
        LifecycleTransition: `autoscaling:EC2_INSTANCE_${transition}`,
        HeartbeatTimeout: 60,
      }),
    );
  }
  await scale(bench, 1);
}

async function scale(bench: Bench, DesiredCapacity: number): Promise<void> {
  const { autoScaling } = bench.as('operator');
  await autoScaling.send(new SetDesiredCapacityCommand({ AutoScalingGroupName: 'fleet', DesiredCapacity }));
  await bench.clock.advance(1_000);
}

const begun = (events: readonly CloudEvent[]) => {
  const event = events.findLast((each) => each.kind === 'action-begun');
  if (event?.kind !== 'action-begun') throw new Error('No action has begun.');
  return event;
};
const ends = (events: readonly CloudEvent[]) => events.filter((event) => event.kind === 'action-ended');
const steps = (events: readonly CloudEvent[]) =>
  events.flatMap((event) => (event.kind === 'instance' ? [event.step] : []));

describe('a witness is told', () => {
  test('an action that begins, and its end by an answer', async () => {
    const system = await watched();
    await using bench = system.bench;
    await launchOne(system);
    const { token, instanceId, group } = begun(system.events);
    expect(group).toBe('fleet');
    expect(ends(system.events)).toEqual([]);
    await system.autoScaling.send(
      new CompleteLifecycleActionCommand({
        AutoScalingGroupName: group,
        LifecycleHookName: 'launching',
        LifecycleActionToken: token,
        InstanceId: instanceId,
        LifecycleActionResult: 'CONTINUE',
      }),
    );
    await bench.clock.advance(1_000);
    expect(ends(system.events)).toEqual([{ kind: 'action-ended', token, end: 'answer', result: 'CONTINUE' }]);
    await scale(bench, 0);
    expect(begun(system.events)).toMatchObject({
      transition: 'autoscaling:EC2_INSTANCE_TERMINATING',
      instanceId,
    });
    expect(steps(system.events)).toEqual(['launched', 'in-service', 'leaving']);
  });

  test('the end of an action that nobody answered, with the result that the hook gives it', async () => {
    const system = await watched();
    await using bench = system.bench;
    await launchOne(system);
    const { token } = begun(system.events);
    await bench.clock.advance(minute);
    expect(ends(system.events)).toEqual([
      { kind: 'action-ended', token, end: 'deadline', result: 'ABANDON' },
    ]);
  });

  test('that an action is void when its instance is terminated past its hooks, and that the instance is gone', async () => {
    const system = await watched();
    await using bench = system.bench;
    await launchOne(system);
    const { token, instanceId } = begun(system.events);
    await system.ec2.send(new TerminateInstancesCommand({ InstanceIds: [instanceId] }));
    await bench.clock.advance(100);
    expect(ends(system.events)).toEqual([{ kind: 'action-ended', token, end: 'void' }]);
    const own = system.events.filter((event) => event.kind === 'instance' && event.instanceId === instanceId);
    expect(steps(own)).toEqual(['launched', 'leaving', 'gone']);
  });

  test('that an instance has become a managed node', async () => {
    const system = await watched();
    await using bench = system.bench;
    await launchOne(system);
    const { instanceId } = begun(system.events);
    await bench.clock.advance(10_000);
    const registered = system.events.filter(({ kind }) => kind === 'node-registered');
    expect(registered).toEqual([{ kind: 'node-registered', instanceId }]);
  });

  test('what becomes of a message: sent, received as often as it is, deleted or dead', async () => {
    const { bench: opened, events, sqs } = await watched();
    await using bench = opened;
    await sqs.send(new CreateQueueCommand({ QueueName: 'dead' }));
    const deadLetterTargetArn = `arn:aws:sqs:${region}:${accountId}:dead`;
    const RedrivePolicy = JSON.stringify({ deadLetterTargetArn, maxReceiveCount: 1 });
    const { QueueUrl } = await sqs.send(
      new CreateQueueCommand({ QueueName: 'actions', Attributes: { RedrivePolicy } }),
    );
    const receive = () => sqs.send(new ReceiveMessageCommand({ QueueUrl, VisibilityTimeout: 1 }));
    const one = await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: 'one' }));
    const { Messages } = await receive();
    await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: Messages?.[0]?.ReceiptHandle }));
    const two = await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: 'two' }));
    await receive();
    await bench.clock.advance(2_000);
    await receive();
    const queue = 'actions';
    expect(events).toEqual([
      { kind: 'message-sent', queue, messageId: one.MessageId, body: 'one' },
      { kind: 'message-received', queue, messageId: one.MessageId },
      { kind: 'message-deleted', queue, messageId: one.MessageId },
      { kind: 'message-sent', queue, messageId: two.MessageId, body: 'two' },
      { kind: 'message-received', queue, messageId: two.MessageId },
      { kind: 'message-dead', queue, messageId: two.MessageId },
    ]);
  });
});

test('an instance whose agent never registers runs, and is no managed node', async () => {
  const system = await watched({ registers: () => false });
  await using bench = system.bench;
  await launchOne(system);
  await bench.clock.advance(10_000);
  expect(begun(system.events).instanceId).toMatch(/^i-/);
  const { InstanceInformationList } = await system.ssm.send(new DescribeInstanceInformationCommand({}));
  expect(InstanceInformationList).toEqual([]);
});
