/** One violation of each limit of a service is planted, and the deployment refuses it; what is just within the limit passes. */
import { describe, expect, test } from '@jest/globals';
import { beyond, type Limit } from '../../../../infra/sandbox/cloud/limits/limit.ts';
import { serviceControlPolicy } from '../../../../infra/sandbox/cloud/limits/iam.ts';
import { checkServices, serviceLimits } from '../../../../infra/sandbox/stack/limits/check-services.ts';
import { templateQuotas } from '../../../../infra/sandbox/stack/limits/template-quotas.ts';
import type { JsonMap } from '../../../../infra/sandbox/stack/template.ts';
import { deployNothing } from '../../../support/nothing-made.ts';

type Resources = Record<string, { Type: string; Properties: Record<string, unknown>; DependsOn?: string }>;

const one = (Type: string, Properties: Record<string, unknown>): Resources => ({
  Subject: { Type, Properties },
});
const many = <Value>(count: number, make: (index: number) => Value): Value[] =>
  Array.from({ length: count }, (_, index) => make(index));

function policyAbout(Resource: string): object {
  return {
    Version: '2012-10-17',
    Statement: [{ Sid: 'S', Effect: 'Allow', Principal: '*', Action: 'a:*', Resource }],
  };
}

/** A policy whose shortest JSON has exactly so many characters. */
function policyOf(length: number): object {
  return policyAbout('x'.repeat(length - JSON.stringify(policyAbout('')).length));
}

const statements = (parts: readonly object[]) => ({
  Version: '2012-10-17',
  Statement: parts.map((part, index) => ({
    Sid: `S${index}`,
    Effect: 'Deny',
    Principal: '*',
    Action: 'sqs:*',
    Resource: '*',
    ...part,
  })),
});
const keysOf = (count: number) => ({
  Condition: { Bool: Object.fromEntries(many(count, (index) => [`k${index}`, 'true'])) },
});
const queuePolicy = (PolicyDocument: object) =>
  one('AWS::SQS::QueuePolicy', { Queues: ['q'], PolicyDocument });
const topicPolicy = (PolicyDocument: object) =>
  one('AWS::SNS::TopicPolicy', { Topics: ['t'], PolicyDocument });
const rule = (more: object) =>
  one('AWS::Events::Rule', { Name: 'rule', EventPattern: { source: ['s'] }, Targets: [], ...more });
const transformer = (InputTransformer: object) =>
  rule({ Targets: [{ Id: 't', Arn: 'arn', InputTransformer: { InputTemplate: 'x', ...InputTransformer } }] });
const hook = (more: object) => one('AWS::AutoScaling::LifecycleHook', { AutoScalingGroupName: 'g', ...more });
const tagged = (Tags: object[]) => one('AWS::SNS::Topic', { TopicName: 't', Tags });
const document = (length: number) => one('AWS::SSM::Document', { Name: 'name', Content: 'x'.repeat(length) });
const groupWithHooks = (count: number) =>
  one('AWS::AutoScaling::AutoScalingGroup', { LifecycleHookSpecificationList: many(count, () => ({})) });
const userData = (bytes: number) =>
  one('AWS::EC2::LaunchTemplate', { LaunchTemplateData: { UserData: { 'Fn::Base64': 'x'.repeat(bytes) } } });
const stepped = (StepAdjustments: readonly (readonly (number | undefined)[])[], more: object = {}) =>
  one('AWS::AutoScaling::ScalingPolicy', {
    PolicyType: 'StepScaling',
    AdjustmentType: 'ChangeInCapacity',
    StepAdjustments: StepAdjustments.map(([lower, upper]) => ({
      ...(lower !== undefined && { MetricIntervalLowerBound: lower }),
      ...(upper !== undefined && { MetricIntervalUpperBound: upper }),
      ScalingAdjustment: 1,
    })),
    ...more,
  });
/** So many steps upwards, the last one without an end. */
const stairs = (count: number) =>
  stepped(many(count, (index) => (index < count - 1 ? [index, index + 1] : [index])));
const tracking = (...returned: boolean[]) =>
  one('AWS::AutoScaling::ScalingPolicy', {
    PolicyType: 'TargetTrackingScaling',
    TargetTrackingConfiguration: {
      CustomizedMetricSpecification: {
        Metrics: returned.map((ReturnData, index) => ({ Id: `m${index}`, ReturnData })),
      },
    },
  });
const bucket = (BucketName: string) => one('AWS::S3::Bucket', { BucketName });
const queue = (more: Record<string, unknown>) => one('AWS::SQS::Queue', more);

/** A role, and so many managed policies that are attached to it. */
const attached = (count: number): Resources => ({
  Role: { Type: 'AWS::IAM::Role', Properties: { RoleName: 'role', AssumeRolePolicyDocument: policyOf(500) } },
  ...Object.fromEntries(
    many(count, (index) => [
      `Policy${index}`,
      {
        Type: 'AWS::IAM::ManagedPolicy',
        Properties: {
          ManagedPolicyName: `policy${index}`,
          PolicyDocument: policyOf(500),
          Roles: [{ Ref: 'Role' }],
        },
      },
    ]),
  ),
});

/** A group with rules of its own, and rules beside it. */
const ruled = (inside: number, beside: number): Resources => ({
  Group: {
    Type: 'AWS::EC2::SecurityGroup',
    Properties: { GroupDescription: 'g', VpcId: 'vpc-1', SecurityGroupEgress: many(inside, () => ({})) },
  },
  ...Object.fromEntries(
    many(beside, (index) => [
      `Rule${index}`,
      {
        Type: 'AWS::EC2::SecurityGroupEgress',
        Properties: { GroupId: { 'Fn::GetAtt': ['Group', 'GroupId'] } },
      },
    ]),
  ),
});

/** By what is limited: a violation, and what is just within. */
const plants: Readonly<Record<string, readonly [over: Resources, within: Resources]>> = {
  "a lifecycle hook's name": [hook({ LifecycleHookName: 'a b' }), hook({ LifecycleHookName: 'a/b' })],
  "seconds of a lifecycle hook's heartbeat timeout": [
    hook({ HeartbeatTimeout: 29 }),
    hook({ HeartbeatTimeout: '7200' }),
  ],
  "characters of a lifecycle hook's notification metadata": [
    hook({ NotificationMetadata: 'x'.repeat(1024) }),
    hook({ NotificationMetadata: 'x'.repeat(1023) }),
  ],
  'lifecycle hooks of a group': [groupWithHooks(51), groupWithHooks(50)],
  "an Auto Scaling group's name": [
    one('AWS::AutoScaling::AutoScalingGroup', { AutoScalingGroupName: 'a:b' }),
    one('AWS::AutoScaling::AutoScalingGroup', { AutoScalingGroupName: 'x'.repeat(255) }),
  ],
  'characters of an event pattern': [
    rule({ EventPattern: { source: ['x'.repeat(2034)] } }),
    rule({ EventPattern: { source: ['x'.repeat(2033)] } }),
  ],
  'targets of a rule': [
    rule({ Targets: many(6, (index) => ({ Id: `t${index}`, Arn: 'arn' })) }),
    rule({ Targets: many(5, (index) => ({ Id: `t${index}`, Arn: 'arn' })) }),
  ],
  "paths of a target's input transformer": [
    transformer({ InputPathsMap: Object.fromEntries(many(101, (index) => [`p${index}`, '$.a'])) }),
    transformer({ InputPathsMap: Object.fromEntries(many(100, (index) => [`p${index}`, '$.a'])) }),
  ],
  "characters of a target's input template": [
    transformer({ InputTemplate: 'x'.repeat(8193) }),
    transformer({ InputTemplate: 'x'.repeat(8192) }),
  ],
  'characters of a managed policy': [
    one('AWS::IAM::ManagedPolicy', { PolicyDocument: policyOf(6145) }),
    one('AWS::IAM::ManagedPolicy', { PolicyDocument: policyOf(6144) }),
  ],
  "characters of a role's trust policy": [
    one('AWS::IAM::Role', { AssumeRolePolicyDocument: policyOf(2049) }),
    one('AWS::IAM::Role', { AssumeRolePolicyDocument: policyOf(2048) }),
  ],
  "characters of all of a role's inline policies": [
    one('AWS::IAM::Role', { Policies: many(2, () => ({ PolicyDocument: policyOf(5121) })) }),
    one('AWS::IAM::Role', { Policies: many(2, () => ({ PolicyDocument: policyOf(5120) })) }),
  ],
  'managed policies of a role': [attached(11), attached(10)],
  'characters that may stand in a policy of IAM': [
    one('AWS::IAM::ManagedPolicy', { PolicyDocument: { Statement: [{ Sid: 'Łukasz' }] } }),
    one('AWS::IAM::ManagedPolicy', { PolicyDocument: { Statement: [{ Sid: 'Müller' }] } }),
  ],
  "bytes of a topic's policy": [topicPolicy(policyOf(30_721)), topicPolicy(policyOf(30_720))],
  "statements of a topic's policy": [
    topicPolicy(statements(many(101, () => ({})))),
    topicPolicy(statements(many(100, () => ({})))),
  ],
  "principals of a topic's policy": [
    topicPolicy(statements([{ Principal: { AWS: many(201, String) } }])),
    topicPolicy(statements([{ Principal: { AWS: many(200, String) } }])),
  ],
  'step adjustments of a scaling policy for steps': [stairs(21), stairs(20)],
  'adjustment types of a scaling policy for steps': [
    one('AWS::AutoScaling::ScalingPolicy', {
      PolicyType: 'StepScaling',
      StepAdjustments: [{ MetricIntervalLowerBound: 0, ScalingAdjustment: 1 }],
    }),
    stepped([[0]]),
  ],
  'gaps and overlaps between step adjustments': [stepped([[0, 1], [2]]), stepped([[1], [0, 1]])],
  'step adjustments without any bound': [stepped([[]]), stepped([[0]])],
  'step adjustments that leave what is below a negative bound open': [
    stepped([[-2, 0]]),
    stepped([
      [-2, 0],
      [undefined, -2],
    ]),
  ],
  'step adjustments that leave what is above a positive bound open': [
    stepped([[0, 2]]),
    stepped([[0, 2], [2]]),
  ],
  'metrics that a target tracking policy returns': [tracking(true, true), tracking(false, true)],
  "bytes of a queue's policy": [queuePolicy(policyOf(8193)), queuePolicy(policyOf(8192))],
  "statements of a queue's policy": [
    queuePolicy(statements(many(21, () => ({})))),
    queuePolicy(statements(many(20, () => ({})))),
  ],
  "actions in a statement of a queue's policy": [
    queuePolicy(statements([{ Action: many(8, String) }])),
    queuePolicy(statements([{ Action: many(7, String) }, { NotAction: many(6, String) }])),
  ],
  "principals of a queue's policy": [
    queuePolicy(statements([{ Principal: { AWS: many(51, String) } }])),
    queuePolicy(statements([{ Principal: { AWS: many(50, String) } }])),
  ],
  "conditions of a queue's policy": [
    queuePolicy(statements([keysOf(6), keysOf(5)])),
    queuePolicy(statements([keysOf(5), keysOf(5)])),
  ],
  "a table's name": [
    one('AWS::DynamoDB::Table', { TableName: 'ab' }),
    one('AWS::DynamoDB::Table', { TableName: 'abc' }),
  ],
  "bytes of a table's policy": [
    one('AWS::DynamoDB::Table', { ResourcePolicy: { PolicyDocument: policyOf(20_481) } }),
    one('AWS::DynamoDB::Table', { ResourcePolicy: { PolicyDocument: policyOf(20_480) } }),
  ],
  'bytes of user data, before base64': [userData(16_385), userData(16_384)],
  'rules of a security group in one direction': [ruled(30, 31), ruled(30, 30)],
  "characters of a VPC endpoint's policy": [
    one('AWS::EC2::VPCEndpoint', { PolicyDocument: policyOf(20_481) }),
    one('AWS::EC2::VPCEndpoint', { PolicyDocument: policyOf(20_480) }),
  ],
  "bytes of a key's policy": [
    one('AWS::KMS::Key', { KeyPolicy: policyOf(32_769) }),
    one('AWS::KMS::Key', { KeyPolicy: policyOf(32_768) }),
  ],
  "a bucket's name": [bucket('192.168.0.1'), bucket('records-of-a-year')],
  "bytes of a bucket's policy": [
    one('AWS::S3::BucketPolicy', { Bucket: 'b', PolicyDocument: policyOf(20_481) }),
    one('AWS::S3::BucketPolicy', { Bucket: 'b', PolicyDocument: policyOf(20_480) }),
  ],
  "a queue's name": [queue({ QueueName: 'a.b' }), queue({ QueueName: 'x'.repeat(80) })],
  "a document's name": [
    one('AWS::SSM::Document', { Name: 'ab', Content: 'x' }),
    one('AWS::SSM::Document', { Name: 'abc', Content: 'x' }),
  ],
  "the beginning of a document's name": [
    one('AWS::SSM::Document', { Name: 'AmazonLinux', Content: 'x' }),
    one('AWS::SSM::Document', { Name: 'my-amazon', Content: 'x' }),
  ],
  'bytes of a document, with the parameters of a command': [document(65_537), document(65_536)],
  "characters of a secret's policy": [
    one('AWS::SecretsManager::ResourcePolicy', { SecretId: 's', ResourcePolicy: policyOf(20_481) }),
    one('AWS::SecretsManager::ResourcePolicy', { SecretId: 's', ResourcePolicy: policyOf(20_480) }),
  ],
  "a secret's name": [
    one('AWS::SecretsManager::Secret', { Name: 'a b' }),
    one('AWS::SecretsManager::Secret', { Name: 'a/b' }),
  ],
  'tags of a resource': [
    tagged(many(51, (index) => ({ Key: `k${index}`, Value: '' }))),
    tagged(many(50, (index) => ({ Key: `k${index}`, Value: '' }))),
  ],
  "a tag's key": [tagged([{ Key: 'aws:owner', Value: '' }]), tagged([{ Key: 'x'.repeat(128), Value: '' }])],
  "a tag's value": [
    tagged([{ Key: 'k', Value: 'x'.repeat(257) }]),
    tagged([{ Key: 'k', Value: 'x'.repeat(256) }]),
  ],
  ...Object.fromEntries(
    (
      [
        ['DelaySeconds', 901, 900],
        ['KmsDataKeyReusePeriodSeconds', 59, 60],
        ['MaximumMessageSize', 1_048_577, 1_048_576],
        ['MessageRetentionPeriod', 1_209_601, 1_209_600],
        ['ReceiveMessageWaitTimeSeconds', 21, 20],
        ['VisibilityTimeout', 43_201, 43_200],
      ] as const
    ).map(([name, over, within]) => [
      `a queue's ${name}`,
      [queue({ [name]: over }), queue({ [name]: within })],
    ]),
  ),
};

/** What CloudFormation's own schema of the type says as well, and sooner. */
const schemaRefuses = [
  "a lifecycle hook's name",
  "a document's name",
  "a queue's DelaySeconds",
  "a queue's KmsDataKeyReusePeriodSeconds",
  "a queue's MaximumMessageSize",
  "a queue's MessageRetentionPeriod",
  "a queue's ReceiveMessageWaitTimeSeconds",
  "a queue's VisibilityTimeout",
];

const refusal = async (Resources: Resources): Promise<string> => {
  try {
    await deployNothing({ Resources });
    return '';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
};

test('there is a plant for each limit, and each limit has its own name', () => {
  expect(Object.keys(plants).toSorted()).toEqual(serviceLimits.map(({ what }) => what).toSorted());
});

describe.each(Object.entries(plants))('%s', (what, [over, within]) => {
  const limit: Limit | undefined = serviceLimits.find((each) => each.what === what);

  const words = limit?.refusal.words('GIVEN').split('GIVEN') ?? ['no such limit'];

  test('beyond the limit, a deployment is refused', async () => {
    const message = await refusal(over);
    const expected = schemaRefuses.includes(what) ? ['Properties validation failed for resource'] : words;
    expect(expected.filter((part) => !message.includes(part))).toEqual([]);
    expect(message).not.toBe('');
  });

  test('within the limit, it is not', async () => {
    expect(await refusal(within)).toBe('');
  });
});

test.each(schemaRefuses)('without the schema, the service refuses %s', (what) => {
  const [over] = plants[what] ?? [];
  const { Type: type = '', Properties = {} } = over?.['Subject'] ?? {};
  const properties: JsonMap = JSON.parse(JSON.stringify(Properties));
  const words =
    serviceLimits
      .find((each) => each.what === what)
      ?.refusal.words('GIVEN')
      .split('GIVEN') ?? [];
  expect(() => checkServices({ type, properties })).toThrow(words[0]);
});

test('every limit says where it is documented, and where its words were read unless they are the sandbox’s', () => {
  const all: readonly Limit[] = [...serviceLimits, ...Object.values(templateQuotas), serviceControlPolicy];
  for (const {
    what,
    source,
    refusal: { seen },
  } of all) {
    for (const { title, url } of [source, ...(seen ? [seen] : [])]) {
      expect([what, title, url]).toEqual([
        what,
        expect.stringMatching(/\w{3}/),
        expect.stringMatching(/^https:\/\/\S+$/),
      ]);
    }
  }
});

test.each(
  [
    'ab',
    'x'.repeat(64),
    'Upper',
    'under_score',
    '-begins',
    'ends-',
    'two..dots',
    'xn--name',
    'sthree-name',
    'amzn-s3-demo-name',
    'name-s3alias',
    'name--ol-s3',
    'name.mrap',
    'name--x-s3',
    'name--table-s3',
  ].map((name) => [name]),
)('a bucket is not called %s', async (name) => {
  expect(await refusal(bucket(name))).toMatch(
    /The specified bucket is not valid|Properties validation failed/,
  );
});

test('a service control policy has 5,120 characters at most', () => {
  expect(beyond(serviceControlPolicy, 'x'.repeat(5120))).toBeUndefined();
  expect(beyond(serviceControlPolicy, 'x'.repeat(5121))?.message).toBe(
    'You have exceeded the maximum policy size.',
  );
});
