import {
  CreateAutoScalingGroupCommand,
  PutLifecycleHookCommand,
  SetDesiredCapacityCommand,
} from '@aws-sdk/client-auto-scaling';
import { CreateQueueCommand, ReceiveMessageCommand } from '@aws-sdk/client-sqs';
import { expect, test } from '@jest/globals';
import { startBench } from './bench.ts';

test('a closed cloud waits for nothing, and ends long polls with an empty answer', async () => {
  await using bench = await startBench();
  const { autoScaling, sqs } = bench.as('operator');
  const AutoScalingGroupName = 'fleet';
  await autoScaling.send(new CreateAutoScalingGroupCommand({ AutoScalingGroupName, MinSize: 0, MaxSize: 2 }));
  await autoScaling.send(
    new PutLifecycleHookCommand({
      AutoScalingGroupName,
      LifecycleHookName: 'join',
      LifecycleTransition: 'autoscaling:EC2_INSTANCE_LAUNCHING',
    }),
  );
  await autoScaling.send(new SetDesiredCapacityCommand({ AutoScalingGroupName, DesiredCapacity: 2 }));
  const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: 'actions' }));
  const poll = sqs.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 20 }));
  // Two heartbeat deadlines, two registrations, and the poll once its request has arrived.
  while (bench.sleeping() < 5) await bench.clock.advance(0);
  bench.cloud.close();
  expect((await poll).Messages).toBeUndefined();
  expect(bench.sleeping()).toBe(0);
});
