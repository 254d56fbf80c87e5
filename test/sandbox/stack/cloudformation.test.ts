/** CloudFormation's operations, called by the SDK: what deploys, changes, shows and deletes a stack. */
import {
  CreateChangeSetCommand,
  DeleteChangeSetCommand,
  DeleteStackCommand,
  DescribeChangeSetCommand,
  DescribeStackEventsCommand,
  DescribeStackResourcesCommand,
  DescribeStacksCommand,
  ExecuteChangeSetCommand,
  GetTemplateCommand,
  GetTemplateSummaryCommand,
  paginateDescribeStackEvents,
  paginateListStackResources,
  type Capability,
  type CloudFormationClient,
  type CreateChangeSetCommandInput,
  type StackEvent,
} from '@aws-sdk/client-cloudformation';
import { ListQueuesCommand } from '@aws-sdk/client-sqs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { network } from '../../../infra/sandbox/stack/network.ts';
import { synthesis } from '../../../infra/sandbox/stack/synthesis.ts';
import { accountId, region, startBench, type Bench, type Clients } from '../cloud/bench.ts';

const queue = (Properties: object = {}, more: object = {}) => ({
  Type: 'AWS::SQS::Queue',
  Properties,
  ...more,
});
const role = (Properties: object = {}) => ({
  Type: 'AWS::IAM::Role',
  Properties: { AssumeRolePolicyDocument: { Version: '2012-10-17', Statement: [] }, ...Properties },
});

let bench: Bench;
let clients: Clients;
let cloudFormation: CloudFormationClient;
let deleted: string[];

beforeEach(async () => {
  deleted = [];
  bench = await startBench({ onDeleted: ({ logicalId }) => deleted.push(logicalId) });
  clients = bench.as('operator');
  ({ cloudFormation } = clients);
});
afterEach(async () => {
  await bench[Symbol.asyncDispose]();
});

type Wish = Partial<Omit<CreateChangeSetCommandInput, 'Parameters'>> & {
  parameters?: Record<string, string>;
  previous?: readonly string[];
};

async function changeSet(template: object | undefined, wish: Wish = {}) {
  const { parameters = {}, previous = [], ...rest } = wish;
  return cloudFormation.send(
    new CreateChangeSetCommand({
      StackName: 'stack',
      ChangeSetName: 'change',
      ...(template && { TemplateBody: JSON.stringify(template) }),
      Parameters: [
        ...Object.entries(parameters).map(([ParameterKey, ParameterValue]) => ({
          ParameterKey,
          ParameterValue,
        })),
        ...previous.map((ParameterKey) => ({ ParameterKey, UsePreviousValue: true })),
      ],
      ...rest,
    }),
  );
}

async function deploy(template: object | undefined, wish: Wish = {}) {
  const at = { StackName: wish.StackName ?? 'stack', ChangeSetName: 'change' };
  await changeSet(template, wish);
  await cloudFormation.send(new ExecuteChangeSetCommand(at));
  return stack(at.StackName);
}

async function stack(StackName = 'stack') {
  const { Stacks } = await cloudFormation.send(new DescribeStacksCommand({ StackName }));
  return Stacks?.[0];
}

/** In the order in which they happened. */
async function events(StackName = 'stack'): Promise<string[]> {
  const found: StackEvent[] = [];
  for await (const { StackEvents = [] } of paginateDescribeStackEvents(
    { client: cloudFormation },
    { StackName },
  ))
    found.push(...StackEvents);
  return found.toReversed().map((each) => `${each.LogicalResourceId} ${each.ResourceStatus}`);
}

async function queues(): Promise<string[]> {
  const { QueueUrls = [] } = await clients.sqs.send(new ListQueuesCommand({}));
  return QueueUrls.map((url) => url.split('/').at(-1) ?? '').toSorted();
}

const create = { ChangeSetType: 'CREATE' } as const;

describe('a stack is created', () => {
  test('by a change set that says what it adds, with parameters, outputs and an event for each step', async () => {
    const template = {
      Description: 'Two queues.',
      Parameters: { Name: { Type: 'String' }, Delay: { Type: 'Number', Default: 5 } },
      Resources: {
        Second: queue({
          QueueName: { 'Fn::Join': ['-', [{ 'Fn::GetAtt': ['First', 'QueueName'] }, 'too']] },
        }),
        First: queue({ QueueName: { Ref: 'Name' }, DelaySeconds: { Ref: 'Delay' } }),
      },
      Outputs: { Url: { Value: { Ref: 'First' } }, Id: { Value: { Ref: 'AWS::StackId' } } },
    };
    const { Id, StackId } = await changeSet(template, {
      ...create,
      parameters: { Name: 'one' },
      Description: 'first',
    });
    expect(await stack()).toMatchObject({ StackStatus: 'REVIEW_IN_PROGRESS', StackId });
    const described = await cloudFormation.send(new DescribeChangeSetCommand({ ChangeSetName: Id }));
    expect(described).toMatchObject({
      StackName: 'stack',
      Status: 'CREATE_COMPLETE',
      ExecutionStatus: 'AVAILABLE',
      Description: 'first',
      Changes: [
        { ResourceChange: { Action: 'Add', LogicalResourceId: 'First', ResourceType: 'AWS::SQS::Queue' } },
        { ResourceChange: { Action: 'Add', LogicalResourceId: 'Second' } },
      ],
    });
    expect(await queues()).toEqual([]);
    await cloudFormation.send(new ExecuteChangeSetCommand({ ChangeSetName: Id }));
    expect(await stack()).toMatchObject({
      StackStatus: 'CREATE_COMPLETE',
      Description: 'Two queues.',
      Parameters: [
        { ParameterKey: 'Name', ParameterValue: 'one' },
        { ParameterKey: 'Delay', ParameterValue: '5' },
      ],
      Outputs: [
        { OutputKey: 'Url', OutputValue: `${bench.endpoint}/${accountId}/one` },
        { OutputKey: 'Id', OutputValue: StackId },
      ],
    });
    expect(await queues()).toEqual(['one', 'one-too']);
    expect(await events()).toEqual([
      'stack REVIEW_IN_PROGRESS',
      'stack CREATE_IN_PROGRESS',
      'First CREATE_IN_PROGRESS',
      'First CREATE_COMPLETE',
      'Second CREATE_IN_PROGRESS',
      'Second CREATE_COMPLETE',
      'stack CREATE_COMPLETE',
    ]);
    const shown = await cloudFormation.send(new DescribeStackResourcesCommand({ StackName: 'stack' }));
    expect(shown.StackResources).toMatchObject([
      {
        LogicalResourceId: 'First',
        PhysicalResourceId: `${bench.endpoint}/${accountId}/one`,
        ResourceStatus: 'CREATE_COMPLETE',
      },
      { LogicalResourceId: 'Second' },
    ]);
    const { TemplateBody } = await cloudFormation.send(new GetTemplateCommand({ StackName: 'stack' }));
    expect(JSON.parse(TemplateBody ?? '')).toEqual(template);
    await expect(changeSet(template, create)).rejects.toThrow(
      'Stack [stack] already exists and cannot be created again with the changeSet [change].',
    );
  });

  test('not at all while its change set waits: that is deleted, and so is the stack', async () => {
    await changeSet({ Resources: { Q: queue() } }, create);
    await cloudFormation.send(new DeleteChangeSetCommand({ StackName: 'stack', ChangeSetName: 'change' }));
    await expect(
      cloudFormation.send(new ExecuteChangeSetCommand({ StackName: 'stack', ChangeSetName: 'change' })),
    ).rejects.toThrow('ChangeSet [change] does not exist');
    await cloudFormation.send(new DeleteStackCommand({ StackName: 'stack' }));
    await expect(stack()).rejects.toThrow('Stack with id stack does not exist');
    expect(await queues()).toEqual([]);
  });

  test('or rolled back whole, with the service’s reason; then it can only be deleted', async () => {
    const template = {
      Resources: {
        Kept: queue({ QueueName: 'kept' }, { DeletionPolicy: 'RetainExceptOnCreate' }),
        Bad: queue({ QueueName: 'b.d' }, { DependsOn: 'Kept' }),
      },
    };
    expect(await deploy(template, create)).toMatchObject({ StackStatus: 'ROLLBACK_COMPLETE' });
    expect(await queues()).toEqual([]);
    expect(deleted).toEqual(['Kept']);
    const { StackEvents = [] } = await cloudFormation.send(
      new DescribeStackEventsCommand({ StackName: 'stack' }),
    );
    const failed = StackEvents.find(({ ResourceStatus }) => ResourceStatus === 'CREATE_FAILED');
    expect(failed).toMatchObject({
      LogicalResourceId: 'Bad',
      ResourceStatusReason: expect.stringContaining('Can only include alphanumeric characters'),
    });
    await expect(changeSet(template)).rejects.toThrow(
      'is in ROLLBACK_COMPLETE state and can not be updated.',
    );
    await cloudFormation.send(new DeleteStackCommand({ StackName: 'stack' }));
    await expect(stack()).rejects.toThrow('does not exist');
    expect(await deploy({ Resources: { Good: queue() } }, create)).toMatchObject({
      StackStatus: 'CREATE_COMPLETE',
    });
  });
});

describe('a change set is refused', () => {
  const one = { Resources: { Q: queue() } };
  const withParameter = (definition: object) => ({ ...one, Parameters: { Name: definition } });

  test.each<[string, object | undefined, Wish, string]>([
    ['for a stack that there is not', one, {}, 'Stack [stack] does not exist'],
    [
      'for a stranger among the parameters',
      one,
      { ...create, parameters: { Name: 'x' } },
      'Parameters: [Name] do not exist in the template',
    ],
    [
      'without the value of a parameter',
      withParameter({ Type: 'String' }),
      create,
      'Parameters: [Name] must have values',
    ],
    [
      'for a value beside its pattern',
      withParameter({ Type: 'String', AllowedPattern: '[a-z]+' }),
      { ...create, parameters: { Name: 'a1' } },
      "Parameter 'Name' must match pattern [a-z]+",
    ],
    [
      'for a value beside its pattern, in the template’s words',
      withParameter({ Type: 'String', AllowedPattern: '[a-z]+', ConstraintDescription: 'must be small' }),
      { ...create, parameters: { Name: 'a1' } },
      'Parameter Name failed to satisfy constraint: must be small',
    ],
    [
      'for what is no VPC',
      withParameter({ Type: 'AWS::EC2::VPC::Id' }),
      { ...create, parameters: { Name: 'sg-0123456789abcdef0' } },
      "Parameter 'Name' must be of type AWS::EC2::VPC::Id",
    ],
    [
      'when a rule does not hold',
      {
        ...withParameter({ Type: 'String', Default: '' }),
        Rules: {
          Given: {
            Assertions: [
              {
                Assert: { 'Fn::Not': [{ 'Fn::Equals': [{ Ref: 'Name' }, ''] }] },
                AssertDescription: 'Give a name.',
              },
            ],
          },
        },
      },
      create,
      'Give a name.',
    ],
    [
      'for a role without a word of it',
      { Resources: { R: role() } },
      create,
      'Requires capabilities : [CAPABILITY_IAM]',
    ],
    [
      'for a role of a chosen name',
      { Resources: { R: role({ RoleName: 'chosen' }) } },
      { ...create, Capabilities: ['CAPABILITY_IAM'] satisfies Capability[] },
      'Requires capabilities : [CAPABILITY_NAMED_IAM]',
    ],
    [
      'for a template of more than 51,200 bytes in the request',
      { ...one, Metadata: { text: 'x'.repeat(51_200) } },
      create,
      'Member must have length less than or equal to 51200',
    ],
    [
      'for a template that is elsewhere',
      undefined,
      { ...create, TemplateURL: 'https://example.test/t' },
      'Domain name specified is not a valid S3 domain',
    ],
    [
      'for a template in a bucket that there is not',
      undefined,
      { ...create, TemplateURL: `https://s3.${region}.amazonaws.com/nowhere/t.json` },
      'The specified bucket does not exist',
    ],
    [
      'for another type of resource',
      { Resources: { M: { Type: 'AWS::Moon::Base' } } },
      create,
      'does not know AWS::Moon::Base',
    ],
  ])('%s', async (_, template, wish, words) => {
    await expect(changeSet(template, wish)).rejects.toThrow(words);
    expect(await queues()).toEqual([]);
  });

  test('as a previous value of a parameter that the stack has not', async () => {
    await deploy(one, create);
    await expect(
      changeSet(withParameter({ Type: 'String', Default: 'x' }), { previous: ['Name'] }),
    ).rejects.toThrow(
      'Cannot specify usePreviousValue as true for a parameter key not in the previous template',
    );
  });
});

test('a longer template comes from a bucket, and a megabyte is too long there, too', async () => {
  const template = { Resources: { Q: queue() }, Metadata: { text: 'x'.repeat(60_000) } };
  bench.cloud.buckets.create('templates');
  bench.cloud.buckets.put('templates', 'a/t.json', Buffer.from(JSON.stringify(template)), 'application/json');
  const virtual = `https://templates.s3.${region}.amazonaws.com/a/t.json`;
  const summary = await cloudFormation.send(new GetTemplateSummaryCommand({ TemplateURL: virtual }));
  expect(summary.ResourceTypes).toEqual(['AWS::SQS::Queue']);
  const path = `https://s3.${region}.amazonaws.com/templates/a/t.json`;
  expect(await deploy(undefined, { ...create, TemplateURL: path })).toMatchObject({
    StackStatus: 'CREATE_COMPLETE',
  });
  template.Metadata.text = 'x'.repeat(1_000_000);
  bench.cloud.buckets.put(
    'templates',
    'long.json',
    Buffer.from(JSON.stringify(template)),
    'application/json',
  );
  await expect(
    changeSet(undefined, { TemplateURL: `${bench.endpoint}/templates/long.json` }),
  ).rejects.toThrow('Template may not exceed 1000000 bytes in size.');
});

test('a summary says what a template asks for', async () => {
  const summary = await cloudFormation.send(
    new GetTemplateSummaryCommand({
      TemplateBody: JSON.stringify({
        AWSTemplateFormatVersion: '2010-09-09',
        Metadata: { made: 'here' },
        Parameters: {
          Size: { Type: 'Number', Default: 2, Description: 'How many.' },
          Mode: { Type: 'String', AllowedValues: ['on', 'off'] },
        },
        Resources: { Q: queue(), R: role({ RoleName: 'chosen' }) },
      }),
    }),
  );
  expect(summary).toMatchObject({
    Version: '2010-09-09',
    Metadata: '{"made":"here"}',
    Capabilities: ['CAPABILITY_NAMED_IAM'],
    ResourceTypes: ['AWS::SQS::Queue', 'AWS::IAM::Role'],
    Parameters: [
      {
        ParameterKey: 'Size',
        DefaultValue: '2',
        ParameterType: 'Number',
        Description: 'How many.',
        NoEcho: false,
      },
      { ParameterKey: 'Mode', ParameterConstraints: { AllowedValues: ['on', 'off'] } },
    ],
  });
});

describe('a stack is updated', () => {
  const before = {
    Parameters: { Delay: { Type: 'Number', Default: 1 } },
    Resources: {
      Same: queue({ QueueName: 'same' }),
      Changed: queue({ QueueName: 'changed', DelaySeconds: { Ref: 'Delay' } }),
      Renamed: queue({ QueueName: 'old-name' }),
      Dropped: queue({ QueueName: 'dropped' }),
      Retained: queue({ QueueName: 'retained' }, { DeletionPolicy: 'RetainExceptOnCreate' }),
    },
  };
  const after = {
    ...before,
    Resources: {
      Same: queue({ QueueName: 'same' }),
      Changed: queue({ QueueName: 'changed', DelaySeconds: { Ref: 'Delay' } }),
      Renamed: queue({ QueueName: 'new-name' }),
      Added: queue({ QueueName: 'added' }),
    },
  };

  test('only where it differs; what was replaced or dropped goes last, and what is retained stays', async () => {
    await deploy(before, create);
    await changeSet(after, { parameters: { Delay: '9' } });
    const { Changes = [] } = await cloudFormation.send(
      new DescribeChangeSetCommand({ StackName: 'stack', ChangeSetName: 'change' }),
    );
    const told = Changes.map(({ ResourceChange: each }) =>
      [each?.Action, each?.LogicalResourceId, each?.Replacement]
        .filter((word) => word !== undefined)
        .join(' '),
    );
    expect(told).toEqual([
      'Modify Changed False',
      'Modify Renamed True',
      'Add Added',
      'Remove Retained',
      'Remove Dropped',
    ]);
    await cloudFormation.send(new ExecuteChangeSetCommand({ StackName: 'stack', ChangeSetName: 'change' }));
    expect(await stack()).toMatchObject({ StackStatus: 'UPDATE_COMPLETE' });
    expect(await queues()).toEqual(['added', 'changed', 'new-name', 'retained', 'same']);
    const happened = await events();
    expect(happened.slice(happened.indexOf('stack UPDATE_IN_PROGRESS'))).toEqual([
      'stack UPDATE_IN_PROGRESS',
      'Changed UPDATE_IN_PROGRESS',
      'Changed UPDATE_COMPLETE',
      'Renamed UPDATE_IN_PROGRESS',
      'Renamed UPDATE_COMPLETE',
      'Added CREATE_IN_PROGRESS',
      'Added CREATE_COMPLETE',
      'stack UPDATE_COMPLETE_CLEANUP_IN_PROGRESS',
      'Retained DELETE_SKIPPED',
      'Dropped DELETE_IN_PROGRESS',
      'Dropped DELETE_COMPLETE',
      'Renamed DELETE_IN_PROGRESS',
      'Renamed DELETE_COMPLETE',
      'stack UPDATE_COMPLETE',
    ]);
  });

  test('not without a change', async () => {
    await deploy(before, create);
    await changeSet(undefined, { UsePreviousTemplate: true, previous: ['Delay'] });
    const at = { StackName: 'stack', ChangeSetName: 'change' };
    const described = await cloudFormation.send(new DescribeChangeSetCommand(at));
    expect(described).toMatchObject({
      Status: 'FAILED',
      ExecutionStatus: 'UNAVAILABLE',
      StatusReason: expect.stringContaining("didn't contain changes"),
    });
    await expect(cloudFormation.send(new ExecuteChangeSetCommand(at))).rejects.toThrow(
      'cannot be executed in its current status of [FAILED]',
    );
  });

  test('or, when a service refuses, is what it was before', async () => {
    await deploy(before, create);
    const bad = { ...after, Resources: { ...after.Resources, Bad: queue({ QueueName: 'b.d' }) } };
    expect(await deploy(bad, { parameters: { Delay: '9' } })).toMatchObject({
      StackStatus: 'UPDATE_ROLLBACK_COMPLETE',
      Parameters: [{ ParameterKey: 'Delay', ParameterValue: '1' }],
    });
    expect(await queues()).toEqual(['changed', 'dropped', 'old-name', 'retained', 'same']);
    await changeSet(before, { parameters: { Delay: '1' } });
    const again = await cloudFormation.send(
      new DescribeChangeSetCommand({ StackName: 'stack', ChangeSetName: 'change' }),
    );
    expect(again.Changes).toEqual([]);
  });
});

describe('a stack is deleted', () => {
  test('but for what is retained; afterwards only its ID finds it', async () => {
    const made = await deploy(
      {
        Resources: {
          Kept: queue({ QueueName: 'kept' }, { DeletionPolicy: 'RetainExceptOnCreate' }),
          Gone: queue({ QueueName: 'gone' }, { DependsOn: 'Kept' }),
        },
      },
      create,
    );
    await cloudFormation.send(new DeleteStackCommand({ StackName: 'stack' }));
    const id = made?.StackId ?? '';
    expect(await stack(id)).toMatchObject({ StackStatus: 'DELETE_COMPLETE', DeletionTime: expect.any(Date) });
    expect(await queues()).toEqual(['kept']);
    expect(await events(id)).toEqual(expect.arrayContaining(['Kept DELETE_SKIPPED', 'Gone DELETE_COMPLETE']));
    await expect(stack()).rejects.toThrow('Stack with id stack does not exist');
    // Twice is no error.
    await cloudFormation.send(new DeleteStackCommand({ StackName: 'stack' }));
  });

  test('unless a service keeps a resource: DELETE_FAILED, until that one is retained', async () => {
    const table = {
      Type: 'AWS::DynamoDB::Table',
      Properties: {
        TableName: 'protected',
        BillingMode: 'PAY_PER_REQUEST',
        KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
        AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
        DeletionProtectionEnabled: true,
      },
    };
    await deploy({ Resources: { Table: table, Other: queue({ QueueName: 'other' }) } }, create);
    const at = { StackName: 'stack' };
    await expect(
      cloudFormation.send(new DeleteStackCommand({ ...at, RetainResources: ['Table'] })),
    ).rejects.toThrow('only when the stack is in the DELETE_FAILED state');
    await cloudFormation.send(new DeleteStackCommand(at));
    expect(await stack()).toMatchObject({
      StackStatus: 'DELETE_FAILED',
      StackStatusReason: 'The following resource(s) failed to delete: [Table]. ',
    });
    expect(await queues()).toEqual([]);
    await cloudFormation.send(new DeleteStackCommand({ ...at, RetainResources: ['Table'] }));
    await expect(stack()).rejects.toThrow('does not exist');
  });
});

test('the synthesized templates are deployed, listed and updated', async () => {
  const { template } = await synthesis();
  const system: { Resources: object } = JSON.parse(template);

  bench.cloud.buckets.create('templates');
  bench.cloud.buckets.put('templates', 't', Buffer.from(template), 'application/json');
  const wish: Wish = {
    StackName: 'adjoin',
    TemplateURL: `${bench.endpoint}/templates/t`,
    Capabilities: ['CAPABILITY_NAMED_IAM'],
  };
  const parameters = {
    ...network,
    DirectoryCidr: '10.77.0.0/24',
    DirectoryCaBase64: 'QUJD'.repeat(30),
    AdministratorArns: `arn:aws:iam::${accountId}:role/adjoin-administrator`,
    BreakGlassRoleArn: `arn:aws:iam::${accountId}:role/adjoin-break-glass`,
    AgentBucket: 'sandbox-agent',
    OperatorNetworks: '127.0.0.0/8',
    WorkerCount: '0',
  };
  expect(await deploy(undefined, { ...wish, ...create, parameters })).toMatchObject({
    StackStatus: 'CREATE_COMPLETE',
  });
  const listed: string[] = [];
  for await (const { StackResourceSummaries = [] } of paginateListStackResources(
    { client: cloudFormation },
    { StackName: 'adjoin' },
  ))
    listed.push(...StackResourceSummaries.map(({ LogicalResourceId = '' }) => LogicalResourceId));
  expect(listed.length).toBeGreaterThan(90);
  expect(new Set(listed).size).toBe(listed.length);
  expect(Object.keys(system.Resources)).toEqual(expect.arrayContaining(listed));

  const updated = await deploy(undefined, {
    ...wish,
    parameters: { ...parameters, AgentKey: 'adjoin/another.mjs' },
  });
  expect(updated).toMatchObject({ StackStatus: 'UPDATE_COMPLETE' });
  const happened = await events('adjoin');
  expect(happened.filter((each) => each.endsWith('_FAILED'))).toEqual([]);
});
