import {
  CreateAutoScalingGroupCommand,
  DescribeLifecycleHooksCommand,
  PutLifecycleHookCommand,
} from '@aws-sdk/client-auto-scaling';
import { CreateQueueCommand, ReceiveMessageCommand } from '@aws-sdk/client-sqs';
import { expect, test } from '@jest/globals';
import type { AuthorizationRequest } from '../../../../infra/sandbox/cloud/seams.ts';
import { accountId, startBench } from '../bench.ts';

const roleArn = `arn:aws:iam::${accountId}:role/publisher`;
const queueArn = `arn:aws:sqs:eu-central-1:${accountId}:actions`;

async function hooked(denied: (request: AuthorizationRequest) => boolean) {
  const asked: AuthorizationRequest[] = [];
  const bench = await startBench({
    authorize(request) {
      asked.push(request);
      return denied(request) ? { allowed: false, reason: 'because' } : { allowed: true };
    },
  });
  const key = bench.cloud.keys.create();
  const operator = bench.as('operator');
  const Attributes = { KmsMasterKeyId: key.id };
  const { QueueUrl } = await operator.sqs.send(new CreateQueueCommand({ QueueName: 'actions', Attributes }));
  const AutoScalingGroupName = 'fleet';
  await operator.autoScaling.send(
    new CreateAutoScalingGroupCommand({
      AutoScalingGroupName,
      MinSize: 0,
      MaxSize: 1,
      AvailabilityZones: ['eu-central-1a'],
    }),
  );
  const put = operator.autoScaling.send(
    new PutLifecycleHookCommand({
      AutoScalingGroupName,
      LifecycleHookName: 'join',
      LifecycleTransition: 'autoscaling:EC2_INSTANCE_LAUNCHING',
      NotificationTargetARN: queueArn,
      RoleARN: roleArn,
    }),
  );
  return { bench, asked, operator, put, key, QueueUrl };
}

test('a hook sends as its role: assumed, allowed to ask for the queue’s URL, to send, and to use the queue’s key through SQS', async () => {
  const { bench, asked, operator, put, key, QueueUrl } = await hooked(() => false);
  await using _ = bench;
  await put;
  const { Messages } = await operator.sqs.send(new ReceiveMessageCommand({ QueueUrl }));
  expect(Messages?.[0]?.Body).toContain('TEST_NOTIFICATION');
  const questions = asked.map(({ principal, action, resource }) => [principal.arn, action, resource.arn]);
  const session = `arn:aws:sts::${accountId}:assumed-role/publisher/AutoScaling`;
  expect(questions).toEqual(
    expect.arrayContaining([
      [expect.stringContaining('user/operator'), 'iam:PassRole', roleArn],
      ['autoscaling.amazonaws.com', 'sts:AssumeRole', roleArn],
      [session, 'sqs:GetQueueUrl', queueArn],
      [session, 'sqs:SendMessage', queueArn],
      [session, 'kms:GenerateDataKey', key.arn],
      [session, 'kms:Decrypt', key.arn],
    ]),
  );
  const sealing = asked.find(({ action }) => action === 'kms:GenerateDataKey');
  expect(sealing?.context).toMatchObject({
    'aws:PrincipalArn': roleArn,
    'kms:ViaService': 'sqs.eu-central-1.amazonaws.com',
    'kms:EncryptionContext:aws:sqs:arn': queueArn,
  });
});

test.each(['sts:AssumeRole', 'sqs:GetQueueUrl', 'sqs:SendMessage', 'kms:GenerateDataKey'])(
  'a hook whose role may not %s is not put: its test message can’t be sent',
  async (action) => {
    const { bench, operator, put } = await hooked((request) => request.action === action);
    await using _ = bench;
    await expect(put).rejects.toMatchObject({
      name: 'ValidationError',
      message: expect.stringMatching(
        /^Unable to publish test message to notification target .*:actions using IAM role /,
      ),
    });
    const { LifecycleHooks } = await operator.autoScaling.send(
      new DescribeLifecycleHooksCommand({ AutoScalingGroupName: 'fleet' }),
    );
    expect(LifecycleHooks).toEqual([]);
  },
);

test('who receives from a sealed queue needs its key as well', async () => {
  const { bench, operator, put, key, QueueUrl } = await hooked(
    ({ principal, action }) => principal.name === 'operator' && action === 'kms:Decrypt',
  );
  await using _ = bench;
  await put;
  await expect(operator.sqs.send(new ReceiveMessageCommand({ QueueUrl }))).rejects.toThrow(
    `not authorized to perform: kms:Decrypt on resource: ${key.arn} because`,
  );
});
