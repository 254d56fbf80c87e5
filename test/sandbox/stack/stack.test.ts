import {
  AutoScalingClient,
  DescribeLifecycleHooksCommand,
  PutLifecycleHookCommand,
  SetDesiredCapacityCommand,
} from '@aws-sdk/client-auto-scaling';
import { CloudFormationClient, DescribeStacksCommand } from '@aws-sdk/client-cloudformation';
import { ScanCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import {
  DeleteResourcePolicyCommand,
  GetSecretValueCommand,
  PutResourcePolicyCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import {
  GetQueueAttributesCommand,
  PurgeQueueCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { DescribeDocumentCommand, SSMClient, StartSessionCommand } from '@aws-sdk/client-ssm';
import { AssumeRoleCommand, STSClient } from '@aws-sdk/client-sts';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { deployed, domainPassword, type Deployed } from './deployed.ts';

let system: Deployed;
beforeAll(async () => {
  system = await deployed({ workers: 1 });
}, 120_000);
afterAll(async () => {
  await system[Symbol.asyncDispose]();
});

const workerContext = { 'ec2:RoleDelivery': '2.0' };
const worker = (
  door: 'internet' | 'vpc' = 'vpc',
  context: Readonly<Record<string, string>> = workerContext,
) => system.session(system.stack.workerRoleArn, door, context);
const administrator = () => system.session(system.account.administratorRoleArn, 'internet');
const read = () => new GetSecretValueCommand({ SecretId: system.stack.secretId });

describe('the synthesized stack', () => {
  test('is deployed: queue, hooks, documents as the agent’s configuration pins them', async () => {
    const { stack, developer } = system;
    const hooks = await new AutoScalingClient(developer).send(
      new DescribeLifecycleHooksCommand({ AutoScalingGroupName: stack.autoScalingGroup }),
    );
    expect(
      hooks.LifecycleHooks?.map(({ LifecycleHookName, RoleARN }) => [LifecycleHookName, RoleARN]),
    ).toEqual([
      ['adjoin-launch', stack.publisherRoleArn],
      ['adjoin-terminate', stack.publisherRoleArn],
    ]);
    const { probe } = Object(stack.agentConfig['documents']);
    const { Document } = await new SSMClient(developer).send(
      new DescribeDocumentCommand({ Name: probe.name }),
    );
    expect(Document).toMatchObject({ Hash: probe.hash, DocumentVersion: probe.version });
  });

  test('is in the list of all stacks for whom may see every one', async () => {
    const of = async (config: ReturnType<typeof administrator>) => {
      const client = new CloudFormationClient(config);
      return client.send(new DescribeStacksCommand({})).finally(() => client.destroy());
    };
    const { Stacks = [] } = await of(administrator());
    expect(new Set(Stacks.map(({ StackName }) => StackName))).toEqual(new Set(['adjoin', 'adjoin-attach']));
    await expect(of(worker('internet'))).rejects.toMatchObject({ name: 'AccessDenied' });
  });

  test('sends what hooks say to the queue, and the worker receives it through the endpoint', async () => {
    const autoScaling = new AutoScalingClient(system.developer);
    const AutoScalingGroupName = system.stack.autoScalingGroup;
    await autoScaling.send(new SetDesiredCapacityCommand({ AutoScalingGroupName, DesiredCapacity: 1 }));
    const config = worker();
    const QueueUrl = config.endpoint + new URL(system.stack.queueUrl).pathname;
    const sqs = new SQSClient(config);
    const bodies: string[] = [];
    while (!bodies.join().includes('EC2_INSTANCE_LAUNCHING')) {
      const { Messages } = await sqs.send(
        new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 2, MaxNumberOfMessages: 10 }),
      );
      bodies.push(...(Messages ?? []).map(({ Body }) => Body ?? ''));
    }
    expect(bodies.join()).toContain('autoscaling:TEST_NOTIFICATION');
  });
});

describe('the secret is read', () => {
  test('by the worker through the endpoint', async () => {
    const { SecretString } = await new SecretsManagerClient(worker()).send(read());
    expect(SecretString).toContain(domainPassword);
  });

  test.each([
    ['not by the worker past the endpoint', () => worker('internet'), 'explicit deny'],
    [
      'not by the worker with a credential of IMDSv1',
      () => worker('vpc', { 'ec2:RoleDelivery': '1.0' }),
      'explicit deny',
    ],
    [
      'not by an account administrator',
      () => system.developer,
      'with an explicit deny in a resource-based policy',
    ],
    [
      'not by the secret’s administrator',
      () => administrator(),
      'with an explicit deny in a resource-based policy',
    ],
    [
      'not with break-glass past the endpoint',
      () => system.session(system.account.breakGlassRoleArn, 'internet'),
      'resource-based policy',
    ],
  ])('%s', async (_who, config, reason) => {
    const denial = { name: 'AccessDeniedException', message: expect.stringContaining(reason) };
    await expect(new SecretsManagerClient(config()).send(read())).rejects.toMatchObject(denial);
  });

  test('by whoever may, only until a call changes the policy: policies are live', async () => {
    const glass = new SecretsManagerClient(system.session(system.account.breakGlassRoleArn, 'internet'));
    const SecretId = system.stack.secretId;
    const before = system.cloud.resourcePolicies().get(SecretId) ?? '';
    await glass.send(new DeleteResourcePolicyCommand({ SecretId }));
    await expect(glass.send(read())).resolves.toMatchObject({ ARN: SecretId });
    await glass.send(new PutResourcePolicyCommand({ SecretId, ResourcePolicy: before }));
    await expect(glass.send(read())).rejects.toThrow('explicit deny');
  });

  test('never as public: such a policy is refused', async () => {
    const everybody = {
      Version: '2012-10-17',
      Statement: [{ Sid: 'All', Effect: 'Allow', Principal: '*', Action: '*', Resource: '*' }],
    };
    const put = new PutResourcePolicyCommand({
      SecretId: system.stack.secretId,
      ResourcePolicy: JSON.stringify(everybody),
      BlockPublicPolicy: true,
    });
    await expect(new SecretsManagerClient(administrator()).send(put)).rejects.toMatchObject({
      name: 'PublicPolicyException',
    });
  });
});

describe('the developer, an account administrator with the deny policies', () => {
  test.each([
    [
      'receives no lifecycle message',
      () =>
        new SQSClient(system.developer).send(new ReceiveMessageCommand({ QueueUrl: system.stack.queueUrl })),
    ],
    [
      'sends none',
      () =>
        new SQSClient(system.developer).send(
          new SendMessageCommand({ QueueUrl: system.stack.queueUrl, MessageBody: 'x' }),
        ),
    ],
    [
      'purges nothing',
      () => new SQSClient(system.developer).send(new PurgeQueueCommand({ QueueUrl: system.stack.queueUrl })),
    ],
    [
      'changes no password',
      () =>
        new SecretsManagerClient(system.developer).send(
          new PutSecretValueCommand({ SecretId: system.stack.secretId, SecretString: '{}' }),
        ),
    ],
    [
      'changes no hook',
      () =>
        new AutoScalingClient(system.developer).send(
          new PutLifecycleHookCommand({
            AutoScalingGroupName: system.stack.autoScalingGroup,
            LifecycleHookName: 'adjoin-launch',
            LifecycleTransition: 'autoscaling:EC2_INSTANCE_LAUNCHING',
          }),
        ),
    ],
  ])('%s', async (_what, call) => {
    await expect(call()).rejects.toThrow(
      /^User: arn:aws:iam::123456789012:user\/developer is not authorized to perform: \w+:\w+ on resource: arn:\S+ with an explicit deny in an? [\w-]+ policy$/,
    );
  });

  test('looks at the queue and the ledger', async () => {
    const look = new GetQueueAttributesCommand({
      QueueUrl: system.stack.queueUrl,
      AttributeNames: ['QueueArn'],
    });
    const { Attributes } = await new SQSClient(system.developer).send(look);
    expect(Attributes?.['QueueArn']).toContain('adjoin-lifecycle');
    const scan = new ScanCommand({ TableName: system.stack.table });
    expect(await new DynamoDBClient(system.developer).send(scan)).toMatchObject({ Count: 0 });
  });

  test('assumes the administrator’s role, but not the worker’s nor the publisher’s', async () => {
    const sts = new STSClient(system.developer);
    const assume = (RoleArn: string) => sts.send(new AssumeRoleCommand({ RoleArn, RoleSessionName: 'me' }));
    const { Credentials } = await assume(system.account.administratorRoleArn);
    const credentials = {
      accessKeyId: Credentials?.AccessKeyId ?? '',
      secretAccessKey: Credentials?.SecretAccessKey ?? '',
      sessionToken: Credentials?.SessionToken ?? '',
    };
    const put = new PutSecretValueCommand({
      SecretId: system.stack.secretId,
      SecretString: JSON.stringify({ domain_password: domainPassword }),
    });
    await new SecretsManagerClient({ ...system.developer, credentials }).send(put);
    const withoutToken = { ...credentials, sessionToken: 'another' };
    await expect(
      new SecretsManagerClient({ ...system.developer, credentials: withoutToken }).send(put),
    ).rejects.toMatchObject({ name: 'UnrecognizedClientException' });
    for (const role of [system.stack.workerRoleArn, system.stack.publisherRoleArn]) {
      await expect(assume(role)).rejects.toThrow('not authorized to perform: sts:AssumeRole');
    }
  });
});

describe('the audit topic', () => {
  const messages = () =>
    (system.cloud.topics.find(system.stack.auditTopicArn)?.messages ?? []).map(
      (body): Record<string, string> => JSON.parse(body),
    );
  const told = async (count: number) => {
    while (messages().length < count) await new Promise((resolve) => setTimeout(resolve, 5));
    return messages().at(-1);
  };

  test('hears of a denied read, a session and a change of policy, without a secret; not of the worker’s own reads', async () => {
    const before = messages().length;
    await new SecretsManagerClient(worker()).send(read());
    await expect(new SecretsManagerClient(system.developer).send(read())).rejects.toThrow('not authorized');
    expect(await told(before + 1)).toMatchObject({
      rule: 'secret-read',
      who: 'arn:aws:iam::123456789012:user/developer',
      action: 'GetSecretValue',
      error: 'AccessDenied',
    });
    const ssm = new SSMClient(system.developer);
    await expect(ssm.send(new StartSessionCommand({ Target: 'i-0123456789abcdef0' }))).rejects.toThrow(
      'is not connected',
    );
    expect(await told(before + 2)).toMatchObject({ rule: 'session', action: 'StartSession' });
    const policy = system.cloud.resourcePolicies().get(system.stack.secretId) ?? '';
    await new SecretsManagerClient(administrator()).send(
      new PutResourcePolicyCommand({ SecretId: system.stack.secretId, ResourcePolicy: policy }),
    );
    expect(await told(before + 3)).toMatchObject({ rule: 'policy', action: 'PutResourcePolicy', error: '' });
    expect(messages()).toHaveLength(before + 3);
    expect(JSON.stringify(system.cloud.topics.all())).not.toContain(domainPassword);
  });
});
