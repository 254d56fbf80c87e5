/** The audit rules' patterns as they are deployed, against events of this deployment and of the rest of the account. */
import { describe, expect, test } from '@jest/globals';
import { fits } from '../../../infra/sandbox/cloud/events/pattern.ts';
import { synthesis } from '../../../infra/sandbox/stack/synthesis.ts';
import { resolved } from '../matrix/synthesized.ts';

const { template } = await synthesis();
const accountId = '123456789012';
const region = 'eu-central-1';
const parameters = {
  VpcId: 'vpc-0123456789abcdef0',
  SubnetA: 'subnet-0123456789abcdefa',
  SubnetB: 'subnet-0123456789abcdefb',
  DirectoryCidr: '10.0.0.0/24',
  DirectoryCaBase64: 'A'.repeat(100),
  AdministratorArns: `arn:aws:iam::${accountId}:role/adjoin-administrator`,
  BreakGlassRoleArn: `arn:aws:iam::${accountId}:role/adjoin-break-glass`,
  AgentBucket: 'agent-files',
  EndpointSecurityGroupId: 'sg-0123456789abcdefc',
  S3PrefixListId: 'pl-0123456789abcdefa',
  DynamoDbPrefixListId: 'pl-0123456789abcdefb',
  OperatorNetworks: '198.51.100.0/24',
};
const resources = resolved(template, parameters, { region, accountId });
const find = (type: string, like: RegExp) => {
  const found = resources.find((each) => each.type === type && like.test(each.logicalId));
  if (!found) throw new Error(`no ${type} like ${like.source}`);
  return found;
};
const rules = resources.flatMap(({ type, properties }) => {
  const name = String(properties['Name']);
  if (type !== 'AWS::Events::Rule' || !name.startsWith('adjoin-audit-')) return [];
  return [{ name: name.slice('adjoin-audit-'.length), pattern: properties['EventPattern'] }];
});

/** Names of the rules that an event reaches. */
const heardBy = (service: string, eventName: string, over: object) => {
  const detail = { eventSource: `${service}.amazonaws.com`, eventName, ...over };
  return rules
    .filter(({ pattern }) => fits(pattern, { 'detail-type': 'AWS API Call via CloudTrail', detail }))
    .map(({ name }) => name);
};
const arn = (service: string, resource: string) => `arn:aws:${service}:${region}:${accountId}:${resource}`;
const policyArn = (name: string) => `arn:aws:iam::${accountId}:policy/${name}`;
const key = find('AWS::KMS::Key', /Credential/).ref;
const workers = find('AWS::EC2::SecurityGroup', /Worker/).attributes['GroupId'];
const atTheSecret = find('AWS::EC2::SecurityGroup', /SecretEndpoint/).attributes['GroupId'];
const secretEndpoint = find('AWS::EC2::VPCEndpoint', /SecretEndpoint/).ref;
const launchTemplate = find('AWS::EC2::LaunchTemplate', /Worker/).ref;
const anotherKey = '00000000-1111-2222-3333-444444444444';
const tag = (key: string) => ({
  tags: [{ key: 'Owner' }, { resourceId: 'web', resourceType: 'auto-scaling-group', key, value: 'x' }],
});

/** Rule, service, call, the parameters where the call is about this deployment, and where it is about something else. */
const calls: readonly (readonly [string, string, string, object, object])[] = [
  ['policy', 'iam', 'PutRolePolicy', { roleName: 'adjoin-worker' }, { roleName: 'web' }],
  [
    'policy',
    'iam',
    'UpdateAssumeRolePolicy',
    { roleName: 'adjoin-administrator' },
    { roleName: 'my-adjoin' },
  ],
  [
    'policy',
    'iam',
    'CreatePolicyVersion',
    { policyArn: policyArn('adjoin-deny-tampering') },
    { policyArn: policyArn('web') },
  ],
  [
    'policy',
    'iam',
    'DetachUserPolicy',
    { userName: 'one', policyArn: policyArn('a/path/adjoin-deny-tampering') },
    { userName: 'one', policyArn: 'arn:aws:iam::aws:policy/ReadOnlyAccess' },
  ],
  [
    'policy',
    'secretsmanager',
    'PutResourcePolicy',
    { secretId: 'adjoin/service-account' },
    { secretId: 'web/database' },
  ],
  [
    'policy',
    'secretsmanager',
    'PutSecretValue',
    { secretId: arn('secretsmanager', 'secret:adjoin/service-account-AbCdEf') },
    { secretId: arn('secretsmanager', 'secret:adjoin-web/service-account-AbCdEf') },
  ],
  ['policy', 'kms', 'PutKeyPolicy', { keyId: key }, { keyId: anotherKey }],
  [
    'policy',
    'kms',
    'ScheduleKeyDeletion',
    { keyId: arn('kms', `key/${key}`) },
    { keyId: arn('kms', `key/${anotherKey}`) },
  ],
  [
    'parts',
    'sqs',
    'SetQueueAttributes',
    { queueUrl: `https://sqs.${region}.amazonaws.com/${accountId}/adjoin-lifecycle-dead-letters` },
    { queueUrl: `https://sqs.${region}.amazonaws.com/${accountId}/orders` },
  ],
  ['parts', 'dynamodb', 'DeleteTable', { tableName: 'adjoin-memberships' }, { tableName: 'orders' }],
  [
    'parts',
    'dynamodb',
    'UpdateTable',
    { tableName: arn('dynamodb', 'table/adjoin-memberships') },
    { tableName: arn('dynamodb', 'table/orders') },
  ],
  ['parts', 'ssm', 'UpdateDocument', { name: 'adjoin-join-linux-0' }, { name: 'web-install' }],
  [
    'parts',
    'autoscaling',
    'DeleteLifecycleHook',
    { lifecycleHookName: 'adjoin-launch' },
    { lifecycleHookName: 'drain' },
  ],
  [
    'parts',
    'autoscaling',
    'UpdateAutoScalingGroup',
    { autoScalingGroupName: 'adjoin-worker' },
    { autoScalingGroupName: 'web' },
  ],
  ['parts', 'autoscaling', 'CreateOrUpdateTags', tag('joinad'), tag('CostCentre')],
  ['parts', 'autoscaling', 'DeleteTags', tag('adjoin:SudoGroups'), tag('CostCentre')],
  ['parts', 'ec2', 'AuthorizeSecurityGroupIngress', { groupId: workers }, { groupId: 'sg-0d' }],
  ['parts', 'ec2', 'AuthorizeSecurityGroupIngress', { groupId: atTheSecret }, { groupId: 'sg-0d' }],
  [
    'parts',
    'ec2',
    'CreateLaunchTemplateVersion',
    { CreateLaunchTemplateVersionRequest: { LaunchTemplateId: launchTemplate } },
    { CreateLaunchTemplateVersionRequest: { LaunchTemplateId: 'lt-0a' } },
  ],
  [
    'parts',
    'ec2',
    'ModifyVpcEndpoint',
    { ModifyVpcEndpointRequest: { VpcEndpointId: secretEndpoint } },
    { ModifyVpcEndpointRequest: { VpcEndpointId: 'vpce-0a' } },
  ],
  [
    'parts',
    'ec2',
    'DeleteVpcEndpoints',
    { DeleteVpcEndpointsRequest: { VpcEndpointId: { tag: 1, content: secretEndpoint } } },
    { DeleteVpcEndpointsRequest: { VpcEndpointId: { tag: 1, content: 'vpce-0a' } } },
  ],
  [
    'records',
    'sns',
    'SetTopicAttributes',
    { topicArn: arn('sns', 'adjoin-audit') },
    { topicArn: arn('sns', 'orders') },
  ],
  [
    'records',
    'sns',
    'Unsubscribe',
    { subscriptionArn: arn('sns', `adjoin-alarm:${anotherKey}`) },
    { subscriptionArn: arn('sns', `orders:${anotherKey}`) },
  ],
  [
    'records',
    's3',
    'PutBucketPolicy',
    { bucketName: `adjoin-sessions-${accountId}-${region}` },
    { bucketName: 'web' },
  ],
  ['records', 's3', 'DeleteBucketPolicy', { bucketName: 'agent-files' }, { bucketName: 'agent-files-2' }],
  ['records', 'logs', 'DeleteLogGroup', { logGroupName: '/adjoin/adjoin/worker' }, { logGroupName: '/web' }],
  ['records', 'events', 'DisableRule', { name: 'adjoin-audit-session' }, { name: 'nightly' }],
  ['records', 'events', 'RemoveTargets', { rule: 'adjoin-audit-session' }, { rule: 'nightly' }],
  [
    'records',
    'monitoring',
    'DeleteAlarms',
    { alarmNames: ['a', 'adjoin-no-worker'] },
    { alarmNames: ['a', 'b'] },
  ],
  ['records', 'monitoring', 'PutMetricAlarm', { alarmName: 'adjoin-no-worker' }, { alarmName: 'web-5xx' }],
];

const refusal = (of: string) => ({
  errorCode: 'AccessDenied',
  errorMessage: `User: u is not authorized to perform: x on resource: ${of} with an explicit deny`,
  requestParameters: null,
});

describe('changes', () => {
  test.each(calls)(
    'are heard by the rule %s if they are ours: %s %s %j, not %j',
    (rule, service, call, ours, theirs) => {
      expect(heardBy(service, call, { requestParameters: ours })).toEqual([rule]);
      expect(heardBy(service, call, { requestParameters: theirs })).toEqual([]);
    },
  );

  test.each([
    ['policy', 'iam', 'PutRolePolicy', `arn:aws:iam::${accountId}:role/adjoin-worker`],
    [
      'policy',
      'secretsmanager',
      'DeleteSecret',
      arn('secretsmanager', 'secret:adjoin/service-account-AbCdEf'),
    ],
    ['policy', 'kms', 'PutKeyPolicy', arn('kms', `key/${key}`)],
    ['parts', 'sqs', 'PurgeQueue', arn('sqs', 'adjoin-lifecycle')],
    ['records', 'logs', 'DeleteLogGroup', arn('logs', 'log-group:/adjoin/adjoin/sessions:log-stream:')],
  ])(
    'that are denied are heard by %s by their message, which has the resource: %s %s',
    (rule, service, call, resource) => {
      expect(heardBy(service, call, refusal(resource))).toEqual([rule]);
      expect(heardBy(service, call, refusal(resource.replaceAll(/adjoin|[0-9a-f]{8}-/g, 'web')))).toEqual([]);
    },
  );

  test('of any trail are heard, since no rule sees anything without one', () => {
    expect(heardBy('cloudtrail', 'StopLogging', { requestParameters: { name: 'organization' } })).toEqual([
      'trail',
    ]);
  });
});

test('a read of a session record is heard, and no other read or write of objects', () => {
  const heard = (call: string, bucketName: string) =>
    heardBy('s3', call, { requestParameters: { bucketName, key: 'one.log' } });
  const records = `adjoin-sessions-${accountId}-${region}`;
  expect(heard('GetObject', records)).toEqual(['record-read']);
  expect(heard('GetObject', `web-adjoin-sessions-${accountId}`)).toEqual([]);
  expect(heard('PutObject', records)).toEqual([]);
});

const role = `adjoin-${region}-worker`;
const profile = { arn: `arn:aws:iam::${accountId}:instance-profile/team/${role}` };
const other = { arn: `arn:aws:iam::${accountId}:instance-profile/web` };
const by = (name: string) => ({
  userIdentity: { sessionContext: { sessionIssuer: { arn: `arn:aws:iam::${accountId}:role/${name}` } } },
});
const user = { userIdentity: { arn: `arn:aws:iam::${accountId}:user/one` } };
const autoScaling = by('aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling');
const started = (given: object) => ({
  requestParameters: { launchTemplate: { launchTemplateId: 'lt-0a' } },
  responseElements: { instancesSet: { items: [{ instanceId: 'i-0a', iamInstanceProfile: given }] } },
});
const asked = (given: object) => ({ requestParameters: { iamInstanceProfile: given } });
const made = (call: string, given: object) => ({
  requestParameters: { [`${call}Request`]: { LaunchTemplateData: { IamInstanceProfile: given } } },
});

describe('the role of the workers', () => {
  test.each([
    ['RunInstances with the profile', 'ec2', 'RunInstances', { ...asked(profile), ...by('developer') }],
    ['its name, by a user', 'ec2', 'RunInstances', { ...asked({ name: role }), ...user }],
    [
      'a launch template that has the profile',
      'ec2',
      'RunInstances',
      { ...started(profile), ...by('developer') },
    ],
    ['a launch template, by a user', 'ec2', 'RunInstances', { ...started(profile), ...user }],
    ['a new template', 'ec2', 'CreateLaunchTemplate', made('CreateLaunchTemplate', { Name: role })],
    [
      'a new version',
      'ec2',
      'CreateLaunchTemplateVersion',
      made('CreateLaunchTemplateVersion', { Arn: profile.arn }),
    ],
    [
      'a launch configuration',
      'autoscaling',
      'CreateLaunchConfiguration',
      { requestParameters: { iamInstanceProfile: role } },
    ],
    [
      'another profile that gets the role',
      'iam',
      'AddRoleToInstanceProfile',
      { requestParameters: { roleName: role } },
    ],
    ['an association, whose parameters differ', 'ec2', 'AssociateIamInstanceProfile', {}],
    ['a replaced association', 'ec2', 'ReplaceIamInstanceProfileAssociation', {}],
  ])('is heard of: %s', (_, service, call, event) => {
    expect(heardBy(service, call, event)).toContainEqual(expect.stringMatching(/^worker-(role|template)$/));
  });

  test.each([
    ['a worker that Auto Scaling starts', 'ec2', 'RunInstances', { ...started(profile), ...autoScaling }],
    ['another profile', 'ec2', 'RunInstances', { ...asked(other), ...started(other), ...by('developer') }],
    [
      'a template with another profile',
      'ec2',
      'CreateLaunchTemplate',
      made('CreateLaunchTemplate', { Name: 'web' }),
    ],
    [
      'a profile with another role',
      'iam',
      'AddRoleToInstanceProfile',
      { requestParameters: { roleName: 'web' } },
    ],
  ])('is not heard of: %s', (_, service, call, event) => {
    expect(heardBy(service, call, event)).toEqual([]);
  });

  test.each(['AttachRolePolicy', 'AttachUserPolicy', 'AttachGroupPolicy'])(
    'is not the only way: %s of its policy to others is heard of, too',
    (call) => {
      const requestParameters = { policyArn: policyArn(`adjoin-${region}-worker`), roleName: 'web' };
      expect(heardBy('iam', call, { requestParameters })).toEqual(['policy']);
    },
  );
});

test("with the longest name and Region, patterns stay below EventBridge's 2,048 characters", () => {
  const longest = resolved(
    template,
    { ...parameters, Deployment: 'twenty-one-characters', AgentBucket: 'b'.repeat(63) },
    { region: 'ap-southeast-1', accountId },
  );
  const lengths = longest
    .filter(({ type }) => type === 'AWS::Events::Rule')
    .map(({ properties }): [unknown, number] => [
      properties['Name'],
      JSON.stringify(properties['EventPattern']).length,
    ]);
  expect(lengths.filter(([, length]) => length > 2048)).toEqual([]);
});

test('no pattern has a path both beside $or and inside of it, nor more than 1,000 combinations', () => {
  for (const { name, pattern } of rules) {
    const { $or = [], ...beside } = Object(Object(pattern)['detail']);
    const inside = $or.flatMap((each: object) => Object.keys(each));
    expect([name, Object.keys(beside).filter((path) => inside.includes(path))]).toEqual([name, []]);
    expect($or.length).toBeLessThan(1000);
  }
});
