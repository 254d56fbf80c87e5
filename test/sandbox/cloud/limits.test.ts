/** The emulated operations refuse what is beyond a limit, one call for each. SQS has a test of its own. */
import { CreateAutoScalingGroupCommand, PutLifecycleHookCommand } from '@aws-sdk/client-auto-scaling';
import { CreateSecretCommand, PutResourcePolicyCommand } from '@aws-sdk/client-secrets-manager';
import { CreateDocumentCommand, SendCommandCommand } from '@aws-sdk/client-ssm';
import { expect, test } from '@jest/globals';
import { startBench, type Clients } from './bench.ts';

const makeGroup = (AutoScalingGroupName: string) =>
  new CreateAutoScalingGroupCommand({
    AutoScalingGroupName,
    MinSize: 0,
    MaxSize: 0,
    AvailabilityZones: ['eu-central-1a'],
  });
const hook = (LifecycleHookName: string, HeartbeatTimeout = 30, NotificationMetadata = 'x') =>
  new PutLifecycleHookCommand({
    AutoScalingGroupName: 'fleet',
    LifecycleHookName,
    LifecycleTransition: 'autoscaling:EC2_INSTANCE_LAUNCHING',
    HeartbeatTimeout,
    NotificationMetadata,
  });
const document = (Name: string, length: number) =>
  new CreateDocumentCommand({ Name, DocumentType: 'Command', Content: '{}'.padEnd(length) });
const run = (length: number) =>
  new SendCommandCommand({
    DocumentName: 'AWS-RunShellScript',
    InstanceIds: ['i-0123456789abcdef0'],
    Parameters: { commands: ['x'.repeat(length)] },
  });

const calls: Readonly<Record<string, readonly [(aws: Clients) => Promise<unknown>, string, string]>> = {
  "a group's name": [({ autoScaling }) => autoScaling.send(makeGroup('a:b')), 'ValidationError', 'no colon'],
  "a hook's name": [({ autoScaling }) => autoScaling.send(hook('a b')), 'ValidationError', "hook name 'a b'"],
  "a hook's heartbeat": [
    ({ autoScaling }) => autoScaling.send(hook('a', 7201)),
    'ValidationError',
    'Heartbeat timeout must be between 30 and 7200 seconds',
  ],
  "a hook's metadata": [
    ({ autoScaling }) => autoScaling.send(hook('a', 30, 'x'.repeat(1024))),
    'ValidationError',
    'NotificationMetadata',
  ],
  "a group's hooks": [
    async ({ autoScaling }) => {
      for (let index = 0; index <= 50; index += 1) await autoScaling.send(hook(`hook-${index}`));
    },
    'LimitExceededFault',
    'at most 50 lifecycle hooks',
  ],
  "a secret's name": [
    ({ secrets }) => secrets.send(new CreateSecretCommand({ Name: 'a b' })),
    'ValidationException',
    'Invalid name.',
  ],
  "a secret's policy": [
    async ({ secrets }) => {
      await secrets.send(new CreateSecretCommand({ Name: 'a' }));
      const ResourcePolicy = '{"Statement":[{}]}'.padEnd(20_481);
      await secrets.send(new PutResourcePolicyCommand({ SecretId: 'a', ResourcePolicy }));
    },
    'MalformedPolicyDocumentException',
    'longer than 20480 characters',
  ],
  "a document's name": [
    ({ ssm }) => ssm.send(document('ab', 10)),
    'ValidationException',
    "Value 'ab' at 'name'",
  ],
  "a document's prefix": [
    ({ ssm }) => ssm.send(document('AWS-mine', 10)),
    'ValidationException',
    'must not begin with aws',
  ],
  "a document's size": [
    ({ ssm }) => ssm.send(document('mine', 65_537)),
    'MaxDocumentSizeExceeded',
    'Maximum document content size 64 KB exceeded.',
  ],
  "a command's size, parameters included": [
    ({ ssm }) => ssm.send(run(65_400)),
    'MaxDocumentSizeExceeded',
    'Maximum document content size 64 KB exceeded.',
  ],
};

test.each(Object.entries(calls))('%s', async (_what, [call, name, words]) => {
  await using bench = await startBench();
  const aws = bench.as('operator');
  await aws.autoScaling.send(makeGroup('fleet'));
  await expect(call(aws)).rejects.toMatchObject({ name, message: expect.stringContaining(words) });
});

test('what is just within is taken', async () => {
  await using bench = await startBench();
  const { autoScaling, secrets, ssm } = bench.as('operator');
  await autoScaling.send(makeGroup('fleet'));
  await autoScaling.send(hook('a/b', 7200, 'x'.repeat(1023)));
  await secrets.send(new CreateSecretCommand({ Name: 'a' }));
  const ResourcePolicy = '{"Statement":[{}]}'.padEnd(20_480);
  await secrets.send(new PutResourcePolicyCommand({ SecretId: 'a', ResourcePolicy }));
  await expect(ssm.send(run(60_000))).rejects.toMatchObject({ name: 'InvalidInstanceId' });
});
