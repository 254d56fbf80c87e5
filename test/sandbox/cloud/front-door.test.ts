import { CreateOrUpdateTagsCommand, DescribeAutoScalingInstancesCommand } from '@aws-sdk/client-auto-scaling';
import { CreateTableCommand, GetItemCommand, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { DescribeInstancesCommand, EC2Client } from '@aws-sdk/client-ec2';
import {
  CreateSecretCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { CreateQueueCommand, GetQueueUrlCommand, ListQueuesCommand, SQSClient } from '@aws-sdk/client-sqs';
import { ListCommandsCommand, SSMClient } from '@aws-sdk/client-ssm';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { describe, expect, test } from '@jest/globals';
import type { AuthorizationRequest } from '../../../infra/sandbox/cloud/seams.ts';
import { accountId, region, startBench, type Bench } from './bench.ts';

test('the caller is the principal whose key signed', async () => {
  await using bench = await startBench();
  const who = async (name: 'operator' | 'worker') =>
    (await bench.as(name).sts.send(new GetCallerIdentityCommand({}))).Arn;
  expect(await who('operator')).toBe(`arn:aws:iam::${accountId}:user/operator`);
  expect(await who('worker')).toBe(`arn:aws:iam::${accountId}:role/worker`);
});

describe('a request', () => {
  const configuration = (bench: Bench, accessKeyId: string, secretAccessKey: string) => ({
    endpoint: bench.endpoint,
    region,
    maxAttempts: 1,
    credentials: { accessKeyId, secretAccessKey },
    systemClockOffset: bench.clock.now() - Date.now(),
  });

  test.each([
    [
      'with a wrong secret',
      'AKIAWORKER',
      'wrong',
      ['SignatureDoesNotMatch', 'InvalidSignatureException', 'AuthFailure'],
    ],
    [
      'with an unknown key',
      'AKIANOBODY',
      'any',
      ['InvalidClientTokenId', 'UnrecognizedClientException', 'AuthFailure'],
    ],
  ])('%s is refused as each protocol says it', async (_what, key, secret, [query, json, ec2]) => {
    await using bench = await startBench();
    const wrong = configuration(bench, key, secret);
    await expect(new STSClient(wrong).send(new GetCallerIdentityCommand({}))).rejects.toMatchObject({
      name: query,
    });
    await expect(new SSMClient(wrong).send(new ListCommandsCommand({}))).rejects.toMatchObject({
      name: json,
    });
    await expect(new SQSClient(wrong).send(new ListQueuesCommand({}))).rejects.toMatchObject({ name: json });
    await expect(new EC2Client(wrong).send(new DescribeInstancesCommand({}))).rejects.toMatchObject({
      name: ec2,
    });
    expect(bench.cloud.calls()).toEqual([]);
  });

  test('signed more than fifteen minutes ago is refused', async () => {
    await using bench = await startBench();
    const client = new SSMClient({
      ...configuration(bench, 'AKIAWORKER', 'the worker’s'),
      systemClockOffset: bench.clock.now() - Date.now() - 16 * 60_000,
    });
    await expect(client.send(new ListCommandsCommand({}))).rejects.toThrow('Signature expired');
  });

  test('signed for another Region is refused', async () => {
    await using bench = await startBench();
    const client = new SSMClient({
      ...configuration(bench, 'AKIAWORKER', 'the worker’s'),
      region: 'us-east-1',
    });
    await expect(client.send(new ListCommandsCommand({}))).rejects.toThrow('valid region');
  });

  test('whose body was changed on the way is refused', async () => {
    await using bench = await startBench();
    const client = new SecretsManagerClient(configuration(bench, 'AKIAWORKER', 'the worker’s'));
    client.middlewareStack.add(
      (next) => (args) => {
        if (typeof args.request === 'object')
          Object.assign(args.request ?? {}, { body: '{"SecretId":"evil"}' });
        return next(args);
      },
      // The last step before the wire: the request is signed by then.
      { step: 'deserialize', name: 'tamper' },
    );
    const reading = client.send(new GetSecretValueCommand({ SecretId: 'mine' }));
    await expect(reading).rejects.toMatchObject({ name: 'InvalidSignatureException' });
  });

  test('without a signature is refused', async () => {
    await using bench = await startBench();
    const response = await fetch(bench.endpoint, {
      method: 'POST',
      headers: { 'x-amz-target': 'AmazonSSM.ListCommands', 'content-type': 'application/x-amz-json-1.1' },
      body: '{}',
    });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ __type: 'MissingAuthenticationTokenException' });
  });

  test('of more than 17 MiB is not read', async () => {
    await using bench = await startBench();
    const response = fetch(bench.endpoint, { method: 'POST', body: Buffer.alloc(18 * 1024 * 1024) });
    await expect(response.then((each) => each.status)).resolves.toBe(413);
  });
});

test('calls are counted by principal and operation, with their errors', async () => {
  await using bench = await startBench();
  const worker = bench.as('worker');
  await worker.ssm.send(new ListCommandsCommand({}));
  await worker.ssm.send(new ListCommandsCommand({}));
  await expect(worker.secrets.send(new GetSecretValueCommand({ SecretId: 'none' }))).rejects.toThrow(
    "can't find",
  );
  expect(bench.cloud.calls()).toEqual([
    { principal: 'worker', service: 'ssm', operation: 'ListCommands', count: 2, errors: 0 },
    { principal: 'worker', service: 'secretsmanager', operation: 'GetSecretValue', count: 1, errors: 1 },
  ]);
});

test('the authorizer sees principal, action, resource and context, and its refusal is the answer', async () => {
  const asked: AuthorizationRequest[] = [];
  await using bench = await startBench({
    authorize(request) {
      asked.push(request);
      return request.principal.name === 'operator'
        ? { allowed: true }
        : { allowed: false, reason: 'because no identity-based policy allows the action' };
    },
  });
  await bench.as('operator').secrets.send(
    new CreateSecretCommand({
      Name: 'credential',
      SecretString: 'x',
      Tags: [{ Key: 'part', Value: 'adjoin' }],
    }),
  );
  const reading = bench.as('worker').secrets.send(new GetSecretValueCommand({ SecretId: 'credential' }));
  await expect(reading).rejects.toMatchObject({
    name: 'AccessDeniedException',
    message: expect.stringMatching(
      /^User: arn:aws:iam::123456789012:role\/worker is not authorized to perform: secretsmanager:GetSecretValue on resource: arn:aws:secretsmanager:eu-central-1:123456789012:secret:credential-[0-9a-f]{6} because/,
    ),
  });
  expect(asked.at(-1)).toMatchObject({
    action: 'secretsmanager:GetSecretValue',
    resource: { tags: { part: 'adjoin' } },
    context: {
      'aws:PrincipalArn': `arn:aws:iam::${accountId}:role/worker`,
      'aws:SourceIp': '127.0.0.1',
      'aws:ResourceTag/part': 'adjoin',
      'secretsmanager:VersionStage': 'AWSCURRENT',
    },
  });
  await expect(bench.as('worker').ec2.send(new DescribeInstancesCommand({}))).rejects.toMatchObject({
    name: 'UnauthorizedOperation',
  });
  const describing = bench.as('worker').autoScaling.send(new DescribeAutoScalingInstancesCommand({}));
  await expect(describing).rejects.toMatchObject({ name: 'AccessDenied' });
  await expect(bench.as('worker').dynamoDb.send(item('get'))).rejects.toMatchObject({
    name: 'AccessDeniedException',
  });
  expect(asked.at(-1)).toMatchObject({
    action: 'dynamodb:GetItem',
    resource: { arn: `arn:aws:dynamodb:${region}:${accountId}:table/memberships` },
  });
  const tag = { ResourceId: 'fleet', ResourceType: 'auto-scaling-group', Value: 'x' };
  const tagging = bench.as('worker').autoScaling.send(
    new CreateOrUpdateTagsCommand({
      Tags: [
        { ...tag, Key: 'team' },
        { ...tag, Key: 'JoinAD' },
      ],
    }),
  );
  await expect(tagging).rejects.toMatchObject({ name: 'AccessDenied' });
  expect(asked.at(-1)).toMatchObject({
    action: 'autoscaling:CreateOrUpdateTags',
    context: { 'aws:TagKeys': ['team', 'JoinAD'] },
  });
});

describe('a fault', () => {
  test('throttles in the words of each service', async () => {
    await using bench = await startBench({ faults: () => ({ throttle: true }) });
    const worker = bench.as('worker');
    await expect(worker.ssm.send(new ListCommandsCommand({}))).rejects.toMatchObject({
      name: 'ThrottlingException',
      $metadata: { httpStatusCode: 400 },
    });
    const describing = worker.autoScaling.send(new DescribeAutoScalingInstancesCommand({}));
    await expect(describing).rejects.toMatchObject({ name: 'Throttling', message: 'Rate exceeded' });
    await expect(worker.ec2.send(new DescribeInstancesCommand({}))).rejects.toMatchObject({
      name: 'RequestLimitExceeded',
    });
  });

  test('can lose the answer of an operation that was carried out', async () => {
    await using bench = await startBench({
      faults: ({ operation }) => (operation === 'CreateQueue' ? { loseAnswer: true } : undefined),
    });
    const { sqs } = bench.as('operator');
    await expect(sqs.send(new CreateQueueCommand({ QueueName: 'actions' }))).rejects.toThrow(
      'socket hang up',
    );
    const { QueueUrl } = await sqs.send(new GetQueueUrlCommand({ QueueName: 'actions' }));
    expect(QueueUrl).toBe(`${bench.endpoint}/${accountId}/actions`);
  });

  test('is told when its operation was carried out, before anybody gets an answer, and of no refusal', async () => {
    const events: string[] = [];
    await using bench = await startBench({
      faults: async ({ operation }) => {
        await Promise.resolve();
        events.push(`before ${operation}`);
        return { carriedOut: () => void events.push(`after ${operation}`) };
      },
    });
    const { sqs } = bench.as('operator');
    await sqs.send(new CreateQueueCommand({ QueueName: 'actions' }));
    events.push('answered');
    await expect(sqs.send(new GetQueueUrlCommand({ QueueName: 'others' }))).rejects.toMatchObject({
      name: 'QueueDoesNotExist',
    });
    expect(events).toEqual(['before CreateQueue', 'after CreateQueue', 'answered', 'before GetQueueUrl']);
  });

  test('can fail a call before it does anything, and can delay it', async () => {
    await using bench = await startBench({
      faults: ({ operation }) =>
        operation === 'CreateQueue'
          ? { fail: { code: 'InternalError', message: 'We broke.', status: 500 } }
          : { delayBeforeMs: 3000 },
    });
    const { sqs } = bench.as('operator');
    await expect(sqs.send(new CreateQueueCommand({ QueueName: 'actions' }))).rejects.toMatchObject({
      $metadata: { httpStatusCode: 500 },
    });
    const before = bench.clock.now();
    const { QueueUrls } = await bench.clock.until(sqs.send(new ListQueuesCommand({})), 10_000);
    expect(QueueUrls).toEqual([]);
    expect(bench.clock.now() - before).toBe(3000);
  });
});

test('the current version of a secret moves with each value, and the one before it stays readable', async () => {
  await using bench = await startBench();
  const { secrets } = bench.as('operator');
  await secrets.send(new CreateSecretCommand({ Name: 'credential', SecretString: 'one' }));
  await secrets.send(new PutSecretValueCommand({ SecretId: 'credential', SecretString: 'two' }));
  const third = await secrets.send(
    new PutSecretValueCommand({ SecretId: 'credential', SecretString: 'three' }),
  );
  const read = (VersionStage: string) =>
    secrets.send(new GetSecretValueCommand({ SecretId: 'credential', VersionStage }));
  expect(await read('AWSCURRENT')).toMatchObject({
    SecretString: 'three',
    VersionId: third.VersionId,
    VersionStages: ['AWSCURRENT'],
  });
  expect(await read('AWSPREVIOUS')).toMatchObject({ SecretString: 'two', VersionStages: ['AWSPREVIOUS'] });
  await expect(read('NOSUCH')).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
});

test('DynamoDB answers behind the same door, conditions included', async () => {
  await using bench = await startBench();
  const { dynamoDb } = bench.as('operator');
  const { TableDescription } = await dynamoDb.send(
    new CreateTableCommand({
      TableName: 'memberships',
      BillingMode: 'PAY_PER_REQUEST',
      KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
      AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
    }),
  );
  expect(TableDescription?.TableArn).toBe(`arn:aws:dynamodb:${region}:${accountId}:table/memberships`);
  const put = () =>
    dynamoDb.send(
      new PutItemCommand({
        TableName: 'memberships',
        Item: { id: { S: 'i-1' } },
        ConditionExpression: 'attribute_not_exists(id)',
      }),
    );
  await put();
  await expect(put()).rejects.toMatchObject({ name: 'ConditionalCheckFailedException' });
  expect((await dynamoDb.send(item('i-1'))).Item).toEqual({ id: { S: 'i-1' } });
});

function item(id: string): GetItemCommand {
  return new GetItemCommand({ TableName: 'memberships', Key: { id: { S: id } } });
}
