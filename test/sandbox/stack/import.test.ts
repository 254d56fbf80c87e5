/** Change sets of type IMPORT: resources that are there become a stack's, and nothing else happens. */
import {
  CreateChangeSetCommand,
  DeleteStackCommand,
  DescribeChangeSetCommand,
  DescribeStackEventsCommand,
  DescribeStacksCommand,
  ExecuteChangeSetCommand,
  GetTemplateSummaryCommand,
  ListStacksCommand,
  paginateListStackResources,
  type CloudFormationClient,
  type ResourceToImport,
} from '@aws-sdk/client-cloudformation';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { accountId, region, startBench, type Bench } from '../cloud/bench.ts';

const retained = { DeletionPolicy: 'RetainExceptOnCreate' };
const logs = (LogGroupName: string, more: object = retained) => ({
  Type: 'AWS::Logs::LogGroup',
  Properties: { LogGroupName },
  ...more,
});
const logsToImport = (name: string, id = 'Logs'): ResourceToImport => ({
  ResourceType: 'AWS::Logs::LogGroup',
  LogicalResourceId: id,
  ResourceIdentifier: { LogGroupName: name },
});

let bench: Bench;
let cloudFormation: CloudFormationClient;
beforeEach(async () => {
  bench = await startBench();
  ({ cloudFormation } = bench.as('operator'));
});
afterEach(async () => {
  await bench[Symbol.asyncDispose]();
});

const propose = (
  template: object,
  ResourcesToImport: ResourceToImport[] | undefined,
  type: 'CREATE' | 'UPDATE' | 'IMPORT' = 'IMPORT',
  StackName = 'stack',
) =>
  cloudFormation.send(
    new CreateChangeSetCommand({
      StackName,
      ChangeSetName: 'change',
      ChangeSetType: type,
      TemplateBody: JSON.stringify(template),
      ...(ResourcesToImport && { ResourcesToImport }),
    }),
  );

async function carryOut(...[template, imports, type, StackName = 'stack']: Parameters<typeof propose>) {
  await propose(template, imports, type, StackName);
  await cloudFormation.send(new ExecuteChangeSetCommand({ StackName, ChangeSetName: 'change' }));
  return stack(StackName);
}

async function stack(StackName = 'stack') {
  const { Stacks } = await cloudFormation.send(new DescribeStacksCommand({ StackName }));
  return Stacks?.[0];
}

async function resources(StackName: string) {
  const found = [];
  for await (const { StackResourceSummaries = [] } of paginateListStackResources(
    { client: cloudFormation },
    { StackName },
  ))
    found.push(...StackResourceSummaries);
  return found.map((each) => [each.LogicalResourceId, each.ResourceStatus, each.PhysicalResourceId]);
}

describe('an import', () => {
  test('makes a new stack of what is there, with an event for each step; nothing of it changes', async () => {
    bench.cloud.logGroups.create('/kept');
    await propose({ Resources: { Logs: logs('/kept') } }, [logsToImport('/kept')]);
    const proposed = await cloudFormation.send(
      new DescribeChangeSetCommand({ StackName: 'stack', ChangeSetName: 'change' }),
    );
    expect(proposed).toMatchObject({
      Status: 'CREATE_COMPLETE',
      Changes: [
        {
          ResourceChange: { Action: 'Import', LogicalResourceId: 'Logs', PhysicalResourceId: '/kept' },
        },
      ],
    });
    await cloudFormation.send(new ExecuteChangeSetCommand({ StackName: 'stack', ChangeSetName: 'change' }));
    expect(await stack()).toMatchObject({ StackStatus: 'IMPORT_COMPLETE' });
    expect(await resources('stack')).toEqual([['Logs', 'IMPORT_COMPLETE', '/kept']]);
    expect(bench.cloud.logGroups.names()).toEqual(['/kept']);
    const { StackEvents = [] } = await cloudFormation.send(
      new DescribeStackEventsCommand({ StackName: 'stack' }),
    );
    expect(
      StackEvents.toReversed().map((each) => `${each.LogicalResourceId} ${each.ResourceStatus}`),
    ).toEqual([
      'stack REVIEW_IN_PROGRESS',
      'stack IMPORT_IN_PROGRESS',
      'Logs IMPORT_IN_PROGRESS',
      'Logs IMPORT_COMPLETE',
      'stack IMPORT_COMPLETE',
    ]);
  });

  test('goes into a stack that is there; an update then adds the rest, and a deletion keeps what the policy keeps', async () => {
    bench.cloud.logGroups.create('/kept');
    const before = { Resources: { Own: logs('/own', {}) }, Outputs: { Name: { Value: { Ref: 'Own' } } } };
    await carryOut(before, undefined, 'CREATE');
    const grown = { ...before, Resources: { ...before.Resources, Logs: logs('/kept') } };
    expect(await carryOut(grown, [logsToImport('/kept')])).toMatchObject({ StackStatus: 'IMPORT_COMPLETE' });
    const whole = { ...grown, Resources: { ...grown.Resources, More: logs('/more', {}) } };
    expect(await carryOut(whole, undefined, 'UPDATE')).toMatchObject({ StackStatus: 'UPDATE_COMPLETE' });
    expect(bench.cloud.logGroups.names()).toEqual(['/kept', '/more', '/own']);
    await cloudFormation.send(new DeleteStackCommand({ StackName: 'stack' }));
    expect(bench.cloud.logGroups.names()).toEqual(['/kept']);
  });

  test('of a resource that is not there fails, and leaves the stack as it was', async () => {
    expect(
      await carryOut({ Resources: { Logs: logs('/nowhere') } }, [logsToImport('/nowhere')]),
    ).toMatchObject({ StackStatus: 'IMPORT_ROLLBACK_COMPLETE' });
    expect(await resources('stack')).toEqual([]);
    expect(bench.cloud.logGroups.names()).toEqual([]);
  });
});

describe('an import is refused', () => {
  beforeEach(() => {
    bench.cloud.logGroups.create('/kept');
    bench.cloud.logGroups.create('/other');
  });
  const own = { Resources: { Own: logs('/own', {}) } };
  const withOwn = (more: object) => ({ Resources: { ...own.Resources, ...more } });

  test.each<[string, object | undefined, object, ResourceToImport[] | undefined, string]>([
    [
      'that names nothing',
      undefined,
      { Resources: { Logs: logs('/kept') } },
      undefined,
      'You must specify ResourcesToImport',
    ],
    [
      'of a resource without a DeletionPolicy',
      undefined,
      { Resources: { Logs: logs('/kept', {}) } },
      [logsToImport('/kept')],
      'Resources [Logs] to import must have a DeletionPolicy attribute',
    ],
    [
      'of a resource that is not in the template',
      undefined,
      { Resources: { Logs: logs('/kept') } },
      [logsToImport('/kept'), logsToImport('/other', 'Other')],
      'The resources [Other] passed in ResourceToImport do not exist in the template',
    ],
    [
      'by another property than the one that identifies it',
      undefined,
      { Resources: { Logs: logs('/kept') } },
      [{ ...logsToImport('/kept'), ResourceIdentifier: { Name: '/kept' } }],
      'expected [LogGroupName]',
    ],
    [
      'under another type',
      undefined,
      { Resources: { Logs: logs('/kept') } },
      [{ ...logsToImport('/kept'), ResourceType: 'AWS::SQS::Queue' }],
      "does not match the template's AWS::Logs::LogGroup",
    ],
    [
      'of a type that is not taken in',
      undefined,
      { Resources: { Wait: { Type: 'AWS::CloudFormation::WaitConditionHandle', ...retained } } },
      [
        {
          ResourceType: 'AWS::CloudFormation::WaitConditionHandle',
          LogicalResourceId: 'Wait',
          ResourceIdentifier: { Id: 'x' },
        },
      ],
      'ResourceTypes [AWS::CloudFormation::WaitConditionHandle] are not supported for Import',
    ],
    [
      'when the template has one more resource',
      undefined,
      { Resources: { Logs: logs('/kept'), Other: logs('/other') } },
      [logsToImport('/kept')],
      'Resources [Other] is missing from ResourceToImport list',
    ],
    [
      'when it brings outputs',
      undefined,
      { Resources: { Logs: logs('/kept') }, Outputs: { Name: { Value: { Ref: 'Logs' } } } },
      [logsToImport('/kept')],
      'As part of the import operation, you cannot modify or add [Outputs]',
    ],
    [
      'when it would change the stack as well',
      own,
      { Resources: { Own: logs('/renamed', {}), Logs: logs('/kept') } },
      [logsToImport('/kept')],
      'You have modified resources [Own] in your template that are not being imported.',
    ],
    [
      'when it would drop something of the stack',
      own,
      { Resources: { Logs: logs('/kept') } },
      [logsToImport('/kept')],
      'You have modified resources [Own] in your template that are not being imported.',
    ],
    [
      'of what the stack has',
      { Resources: { Own: logs('/own') } },
      withOwn({ Own: logs('/own') }),
      [logsToImport('/own', 'Own')],
      'Resource Own is already in the stack stack',
    ],
  ])('%s', async (_, before, template, imports, words) => {
    if (before) await carryOut(before, undefined, 'CREATE');
    await expect(propose(template, imports)).rejects.toThrow(words);
  });

  test('of what another stack has', async () => {
    await carryOut({ Resources: { Logs: logs('/theirs') } }, undefined, 'CREATE', 'theirs');
    await expect(
      propose({ Resources: { Logs: logs('/theirs') } }, [logsToImport('/theirs')]),
    ).rejects.toThrow('is already managed by stack arn:aws:cloudformation:');
  });
});

test('a deleted stack still says what it has left, and a summary what identifies each', async () => {
  const template = {
    Resources: {
      Logs: logs('/kept'),
      Gone: logs('/gone', {}),
      Queue: { Type: 'AWS::SQS::Queue', Properties: { QueueName: 'q' } },
    },
  };
  const made = await carryOut(template, undefined, 'CREATE');
  await cloudFormation.send(new DeleteStackCommand({ StackName: 'stack' }));
  expect(await stack(made?.StackId)).toMatchObject({ StackStatus: 'DELETE_COMPLETE' });
  const { StackSummaries = [] } = await cloudFormation.send(
    new ListStacksCommand({ StackStatusFilter: ['DELETE_COMPLETE'] }),
  );
  expect(StackSummaries).toEqual([
    expect.objectContaining({ StackName: 'stack', StackId: made?.StackId, DeletionTime: expect.any(Date) }),
  ]);
  expect(await resources(made?.StackId ?? '')).toEqual(
    expect.arrayContaining([
      ['Logs', 'DELETE_SKIPPED', '/kept'],
      ['Gone', 'DELETE_COMPLETE', '/gone'],
    ]),
  );
  const { ResourceIdentifierSummaries } = await cloudFormation.send(
    new GetTemplateSummaryCommand({ TemplateBody: JSON.stringify(template) }),
  );
  expect(ResourceIdentifierSummaries).toEqual([
    {
      ResourceType: 'AWS::Logs::LogGroup',
      LogicalResourceIds: ['Logs', 'Gone'],
      ResourceIdentifiers: ['LogGroupName'],
    },
  ]);
});

describe('a policy that is there is not made a second time', () => {
  const secret = { Type: 'AWS::SecretsManager::Secret', Properties: { Name: 'kept' }, ...retained };
  const secretPolicy = (SecretId: unknown) => ({
    Type: 'AWS::SecretsManager::ResourcePolicy',
    Properties: {
      SecretId,
      ResourcePolicy: {
        Version: '2012-10-17',
        Statement: [
          {
            Sid: 'One',
            Effect: 'Deny',
            Principal: { AWS: `arn:aws:iam::${accountId}:root` },
            Action: 'secretsmanager:DeleteSecret',
            Resource: '*',
          },
        ],
      },
    },
    ...retained,
  });
  const bucketPolicy = (Bucket: unknown) => ({
    Type: 'AWS::S3::BucketPolicy',
    Properties: {
      Bucket,
      PolicyDocument: {
        Version: '2012-10-17',
        Statement: [
          {
            Sid: 'One',
            Effect: 'Deny',
            Principal: '*',
            Action: 's3:DeleteBucket',
            Resource: 'arn:aws:s3:::kept',
          },
        ],
      },
    },
    ...retained,
  });

  test('neither a secret’s nor a bucket’s: both have to be imported', async () => {
    const bucket = { Type: 'AWS::S3::Bucket', Properties: { BucketName: 'kept' }, ...retained };
    const template = {
      Resources: {
        Secret: secret,
        SecretPolicy: secretPolicy({ Ref: 'Secret' }),
        Bucket: bucket,
        BucketPolicy: bucketPolicy({ Ref: 'Bucket' }),
      },
    };
    const made = await carryOut(template, undefined, 'CREATE');
    expect(made).toMatchObject({ StackStatus: 'CREATE_COMPLETE' });
    await cloudFormation.send(new DeleteStackCommand({ StackName: 'stack' }));
    const left = await resources(made?.StackId ?? '');
    const arn = left.find(([id]) => id === 'Secret')?.[2] ?? '';
    expect(arn).toMatch(new RegExp(`^arn:aws:secretsmanager:${region}:`));

    for (const [policy, words] of [
      [secretPolicy(arn), 'already has a resource policy'],
      [bucketPolicy('kept'), 'The bucket policy already exists on bucket kept.'],
    ] as const) {
      expect(await carryOut({ Resources: { Again: policy } }, undefined, 'CREATE')).toMatchObject({
        StackStatus: 'ROLLBACK_COMPLETE',
      });
      const { StackEvents = [] } = await cloudFormation.send(
        new DescribeStackEventsCommand({ StackName: 'stack' }),
      );
      const failed = StackEvents.find(({ ResourceStatus }) => ResourceStatus === 'CREATE_FAILED');
      expect(failed?.ResourceStatusReason).toContain(words);
      await cloudFormation.send(new DeleteStackCommand({ StackName: 'stack' }));
    }

    const by: Record<string, string> = {
      Secret: 'Id',
      SecretPolicy: 'Id',
      Bucket: 'BucketName',
      BucketPolicy: 'Bucket',
    };
    const imports = Object.entries(template.Resources).map(([LogicalResourceId, { Type }]) => ({
      LogicalResourceId,
      ResourceType: Type,
      ResourceIdentifier: {
        [by[LogicalResourceId] ?? '']: left.find(([id]) => id === LogicalResourceId)?.[2] ?? '',
      },
    }));
    expect(await carryOut(template, imports)).toMatchObject({ StackStatus: 'IMPORT_COMPLETE' });
  });
});
