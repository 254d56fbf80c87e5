import { beforeAll, describe, expect, test } from '@jest/globals';
import { parseConfig } from '../../../agent/config.ts';
import {
  filled,
  flat,
  mfaDemands,
  ofType,
  only,
  propertiesOf,
  userDataOf,
  type Json,
  type Template,
} from '../templates.ts';
import type { CaseName } from './cases.ts';
import { agentSettings, badDeployments } from './given.ts';
import { makeConstructs, type MadeConstructs } from './made.ts';

let made: MadeConstructs;
beforeAll(async () => {
  made = await makeConstructs();
  // Milliseconds, for twenty stacks: seconds on a machine that does nothing else.
}, 300_000);

const launch = {
  LifecycleHookName: 'adjoin-launch',
  LifecycleTransition: 'autoscaling:EC2_INSTANCE_LAUNCHING',
  DefaultResult: 'ABANDON',
};
const terminate = {
  LifecycleHookName: 'adjoin-terminate',
  LifecycleTransition: 'autoscaling:EC2_INSTANCE_TERMINATING',
  DefaultResult: 'CONTINUE',
};
const tag = { Key: 'JoinAD', Value: 'true', PropagateAtLaunch: true };

/** The groups that `attach` gave hooks. */
const fleets = (template: Template) =>
  ofType(template, 'AWS::AutoScaling::AutoScalingGroup').filter(
    ({ Properties }) => Properties['LifecycleHookSpecificationList'] !== undefined,
  );

describe('attach', () => {
  test.each<[string, CaseName, object[]]>([
    ['join and unjoin', 'attached', [launch, terminate]],
    ['unjoin only', 'attached, unjoin only', [terminate]],
    ['join only', 'attached, join only', [launch]],
  ])('%s: the hooks are part of the group, so that its first instances meet them', (_, name, hooks) => {
    const [fleet, ...more] = fleets(made.template(name));
    const target = {
      NotificationTargetARN: { 'Fn::GetAtt': [expect.stringMatching(/^MembershipLifecycleQueue/), 'Arn'] },
      RoleARN: { 'Fn::GetAtt': [expect.stringMatching(/^MembershipHookPublisher/), 'Arn'] },
      HeartbeatTimeout: 300,
    };
    expect(more).toEqual([]);
    expect(fleet).toMatchObject({
      Properties: { LifecycleHookSpecificationList: hooks.map((hook) => ({ ...hook, ...target })) },
    });
    expect(fleet?.Properties['Tags']).toEqual(expect.arrayContaining([tag]));
  });

  test('the group waits for whatever lets its hooks send', () => {
    const [fleet] = fleets(made.template('attached'));
    expect(fleet?.DependsOn).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^MembershipLifecyclePolicy/),
        expect.stringMatching(/^MembershipHookPublisherPolicy/),
      ]),
    );
  });

  test('a group of another copy of the library gets its hooks, its tag and its policy like any other', () => {
    const template = made.template('attached, of another copy of the library');
    const [fleet] = fleets(template);
    expect(fleet?.Properties['LifecycleHookSpecificationList']).toHaveLength(2);
    expect(fleet?.Properties['Tags']).toContainEqual({
      Key: 'JoinAD',
      Value: 'true',
      PropagateAtLaunch: true,
    });
    expect(JSON.stringify(propertiesOf(template, 'AWS::IAM::Role'))).toContain(
      'MembershipSessionsNodePolicy',
    );
    expect(ofType(template, 'AWS::AutoScaling::LifecycleHook')).toEqual([]);
  });

  test.each([
    'attached with a role that is not made here',
    'attached with a launch template that is not made here',
    'attached with a launch template without a role',
    'attached, a resource of its own, whose role is not told',
  ] as const)('%s: the policy would reach nobody, and that is said', (name) => {
    expect(made.errorOf(name)).toContain("the node policy can't be attached to it");
  });

  test('a role that is not made here is left to its owner, if that is said', () => {
    const template = made.template('attached with a role that is not made here, whose owner is told');
    expect(fleets(template)[0]?.Properties['LifecycleHookSpecificationList']).toHaveLength(2);
  });

  test('a group that is a resource without a construct around it has hooks and tags in it, too', () => {
    const template = made.template('attached, a resource of its own');
    expect(ofType(template, 'AWS::AutoScaling::LifecycleHook')).toEqual([]);
    const [fleet] = fleets(template);
    expect(fleet?.Properties['LifecycleHookSpecificationList']).toHaveLength(2);
    expect(fleet?.Properties['Tags']).toEqual(
      expect.arrayContaining([tag, { Key: 'Operating_System', Value: 'RHEL', PropagateAtLaunch: true }]),
    );
  });

  test('what would be set nowhere is refused: tags of a group of others, and what is no group', () => {
    expect(made.errorOf('attached, imported, with tags')).toContain(
      "it can't be tagged here. Its owner sets adjoin:OnJoinFailure, adjoin:SudoGroups",
    );
    expect(made.errorOf('attached, no group at all')).toContain('is no Auto Scaling group');
  });

  test('a heartbeat that is known at deployment only is passed on', () => {
    const [fleet] = fleets(made.template('attached with a heartbeat that is known at deployment'));
    expect(JSON.stringify(fleet?.Properties['LifecycleHookSpecificationList'])).toContain(
      '"HeartbeatTimeout":{"Ref":"Heartbeat"}',
    );
  });

  test('instances get what a managed node needs, and nothing of the worker', () => {
    const roles = propertiesOf(made.template('attached'), 'AWS::IAM::Role').filter(
      (role) => role['RoleName'] === undefined,
    );
    expect(roles.map((role) => role['ManagedPolicyArns'])).toContainEqual([
      { 'Fn::GetAtt': [expect.stringMatching(/^MembershipSessionsNodePolicy/), 'PolicyArn'] },
    ]);
  });

  test('the answer to a failed join is the tag that the agent reads', () => {
    const [fleet] = fleets(made.template('attached, a failed launch is held'));
    expect(fleet?.Properties['Tags']).toContainEqual({
      Key: 'adjoin:OnJoinFailure',
      Value: 'HOLD',
      PropagateAtLaunch: true,
    });
  });

  test('a group that others join has the terminate hook alone, and the tag that the agent reads', () => {
    const [fleet] = fleets(made.template('attached, others join'));
    expect(fleet?.Properties['LifecycleHookSpecificationList']).toEqual([
      expect.objectContaining({ LifecycleHookName: 'adjoin-terminate' }),
    ]);
    expect(fleet?.Properties['Tags']).toContainEqual({
      Key: 'adjoin:UnjoinOnly',
      Value: 'true',
      PropagateAtLaunch: true,
    });
    expect(made.errorOf('attached, others join and so do we')).toContain('unjoinOnly is without join');
  });

  test('what a group says of its nodes are the tags that the agent reads', () => {
    const [fleet] = fleets(made.template('attached, with people who log in'));
    const tags = [
      ['Operating_System', 'RHEL'],
      ['adjoin:LogInGroups', 'Fleet Users:ops'],
      ['adjoin:SudoGroups', 'ops'],
      ['adjoin:JoinDocument', 'adjoin-own-join'],
      ['adjoin:LeaveDocument', 'adjoin-own-leave'],
      ['adjoin:PostJoinDocument', 'adjoin-own-harden'],
      ['adjoin:OnPostJoinFailure', 'ABANDON'],
    ].map(([Key, Value]) => ({ Key, Value, PropagateAtLaunch: true }));
    expect(fleet?.Properties['Tags']).toEqual(expect.arrayContaining(tags));
  });

  test("a group's own hooks stay", () => {
    const hooks = propertiesOf(
      made.template('attached beside a hook of theirs'),
      'AWS::AutoScaling::LifecycleHook',
    );
    expect(hooks).toHaveLength(2);
    expect(hooks).toContainEqual(
      expect.objectContaining({ ...launch, AutoScalingGroupName: 'fleet', HeartbeatTimeout: 120 }),
    );
  });

  test('neither join nor unjoin is a mistake, and so is a heartbeat that Auto Scaling refuses', () => {
    expect(made.errorOf('attached for nothing')).toContain('nothing to attach');
    for (const name of [
      'attached with too short a heartbeat',
      'attached with too long a heartbeat',
      'attached with half a second',
    ] as const) {
      expect(made.errorOf(name)).toMatch(
        /from 30 seconds to 2 hours, in whole seconds: Auto Scaling takes no/,
      );
    }
  });

  test('a visibility that the agent refuses is refused when the template is made', () => {
    for (const name of ['with too short a visibility', 'with too long a visibility'] as const) {
      expect(made.errorOf(name)).toContain('receive.visibilitySeconds must be from 10 seconds to an hour');
    }
  });

  test('opens nothing in the security groups of a group', () => {
    const rules = (name: CaseName) =>
      Object.fromEntries(
        Object.entries(made.template(name).Resources).filter(([, { Type }]) =>
          Type.startsWith('AWS::EC2::SecurityGroup'),
        ),
      );
    const attached = rules('a group with a security group, attached');
    expect(Object.keys(attached).some((id) => id.startsWith('FleetGroup'))).toBe(true);
    expect(attached).toEqual(rules('a group with a security group, not attached'));
  });
});

test("the agent's configuration takes every setting that does not follow from the stack, and the alarm follows its patience", () => {
  const template = made.template('with settings');
  const script = userDataOf(template);
  const text = script.match(/AGENT_CONFIG_END'\n([^]*?)\nAGENT_CONFIG_END/)?.[1];
  const config = parseConfig(filled(text ?? ''), {});
  expect(config).toMatchObject(agentSettings);
  // All the others come from the stack.
  const free = Object.entries(config).filter(([name]) => name in agentSettings || name === 'directory');
  expect(Object.keys(config).toSorted()).toEqual(
    [
      ...Object.keys(agentSettings),
      'deployment',
      'region',
      'accountId',
      'queueUrl',
      'table',
      'secretId',
      'documents',
      'standaloneInstances',
      'operatorRoleId',
    ].toSorted(),
  );
  expect(Object.fromEntries(free)).toEqual({
    ...agentSettings,
    directory: { ...agentSettings.directory, caFile: '/etc/adjoin/directory-ca.pem' },
  });
  const alarm = ofType(template, 'AWS::CloudWatch::Alarm').find(
    ({ Properties }) => Properties['AlarmName'] === 'adjoin-oldest-message',
  );
  expect(alarm?.Properties['Threshold']).toBe(7800);
  expect(script).toContain('\nTimeoutStopSec=230\n');
});

test('a deployment has a name that every resource can have', () => {
  expect(made.badDeployments).toEqual(badDeployments.map(() => expect.stringContaining('deployment: ')));
  const bucket = only(made.template('with the longest name'), 'AWS::S3::Bucket');
  const name = flat(bucket.Properties['BucketName'])
    .replace('<AWS::AccountId>', '123456789012')
    .replace('<AWS::Region>', 'ap-southeast-1');
  expect(name).toMatch(/^[a-z0-9-]{3,63}$/);
});

test('clusters record what operators do in tasks, under the key of sessions, in log and bucket', () => {
  const template = made.template('with two clusters that record');
  const [one, two] = propertiesOf(template, 'AWS::ECS::Cluster').map(({ Configuration }) => Configuration);
  expect(one).toEqual(two);
  expect(one).toEqual({
    ExecuteCommandConfiguration: {
      KmsKeyId: { 'Fn::GetAtt': [expect.stringMatching(/^MembershipSessionsKey/), 'Arn'] },
      Logging: 'OVERRIDE',
      LogConfiguration: {
        CloudWatchLogGroupName: { Ref: expect.stringMatching(/^MembershipSessionsLogGroup/) },
        CloudWatchEncryptionEnabled: true,
        S3BucketName: { Ref: expect.stringMatching(/^MembershipSessionsRecords/) },
        S3EncryptionEnabled: true,
        S3KeyPrefix: 'ecs',
      },
    },
  });
});

describe('records that are locked', () => {
  test('cannot be deleted by anyone, and tasks are recorded in the log alone, since their agent can not write there', () => {
    const template = made.template('with clusters that record, and a lock');
    expect(only(template, 'AWS::S3::Bucket').Properties['ObjectLockConfiguration']).toEqual({
      ObjectLockEnabled: 'Enabled',
      Rule: { DefaultRetention: { Mode: 'COMPLIANCE', Days: 90 } },
    });
    expect(only(template, 'AWS::S3::Bucket').Properties).not.toHaveProperty('ObjectLockEnabled');
    const cluster = JSON.stringify(only(template, 'AWS::ECS::Cluster').Properties);
    expect(cluster).toContain('"CloudWatchEncryptionEnabled":true');
    expect(cluster).not.toContain('S3BucketName');
  });

  test('are not locked for longer than they are kept, and not without being asked for', () => {
    expect(made.errorOf('with a lock that outlives its records')).toContain('sessionRecordLock: 366 days');
    expect(only(made.template('plain'), 'AWS::S3::Bucket').Properties).not.toHaveProperty(
      'ObjectLockConfiguration',
    );
  });
});

test('the deny policies protect the trail that is named', () => {
  const trails = (name: CaseName) => JSON.stringify(made.template(name)).match(/:trail\/[^"]*/g);
  expect(trails('with clusters that record, and a lock')).toEqual([':trail/organization']);
  expect(trails('plain')).toEqual([':trail/*']);
});

test('workers have no SSM agent unless a shell was asked for', () => {
  const closed = made.template('plain');
  expect(userDataOf(closed)).toContain("SHELL_ALLOWED='false'");
  expect(JSON.stringify(closed.Resources)).not.toContain('worker-shell');
});

test('the stack waits for a worker anew when anything of what a worker is made of changes', () => {
  const waits = (name: CaseName) =>
    Object.entries(made.template(name).Resources).flatMap(([id, { Type, Condition }]) =>
      Type === 'AWS::CloudFormation::WaitCondition' ? [[id, Condition]] : [],
    );
  expect(waits('plain')).toEqual([[expect.stringMatching(/^MembershipWorkerWorks[0-9a-f]{8}/), undefined]]);
  expect(waits('with settings')).not.toEqual(waits('plain'));
  expect(waits('with endpoints of its own')).not.toEqual(waits('plain'));
  // The same workers: nothing to wait for.
  expect(waits('with a user for sessions')).toEqual(waits('plain'));
});

test('VPC endpoints are not made for a VPC that has its own', () => {
  const template = made.template('with endpoints of its own');
  expect(ofType(template, 'AWS::EC2::VPCEndpoint')).toEqual([]);
  expect(JSON.stringify(only(template, 'AWS::SecretsManager::ResourcePolicy'))).toContain(
    '"aws:SourceVpce":"vpce-0abc"',
  );
});

test('endpoints that are made are in the subnets of the workers, and gateways in every private route table', () => {
  const template = made.template('with endpoints that are made');
  const endpoints = propertiesOf(template, 'AWS::EC2::VPCEndpoint');
  const of = (service: string) =>
    endpoints.find(({ ServiceName }) => flat(ServiceName) === `com.amazonaws.<AWS::Region>.${service}`);
  expect(of('sqs')).toMatchObject({ SubnetIds: ['subnet-0123456789abcdef0', 'subnet-0123456789abcdef1'] });
  expect(of('s3')).toMatchObject({ RouteTableIds: ['rtb-0123456789abcdef0', 'rtb-0123456789abcdef1'] });
  expect(endpoints).toHaveLength(3);
  expect(JSON.stringify(ofType(template, 'AWS::EC2::SecurityGroupIngress'))).toContain(
    'sg-0123456789abcdef1',
  );
});

describe('what a CDK app says in its own terms', () => {
  test('comes out where the parts of the system take it', () => {
    const template = made.template('in terms of the construct library');
    const config = JSON.parse(
      filled(userDataOf(template).match(/AGENT_CONFIG_END'\n([^]*?)\nAGENT_CONFIG_END/)?.[1] ?? ''),
    );
    expect(config).toMatchObject({
      concurrency: 8,
      // A property of the construct goes before the setting; the rest of the setting stays.
      patience: { joinSeconds: 1200, joinAttempts: 4, unjoinSeconds: 7200 },
      drainSeconds: 180,
      sweep: { enabled: true, intervalSeconds: 1800, quarantineDays: 7 },
      directory: { site: 'Branch', controllers: ['dc1.corp.example.test'] },
    });
    const [group] = propertiesOf(template, 'AWS::AutoScaling::AutoScalingGroup');
    expect(group).toMatchObject({ MinSize: '3', MaxSize: '9' });
    const text = JSON.stringify(template.Resources);
    expect(text).toContain('"InstanceType":"m7g.large"');
    expect(text).toMatch(/"ImageId":\{"Ref":"SsmParameterValue\w*al2023\w*"\}/);
    expect(text).toContain('"PermissionsBoundary":"arn:aws:iam::123456789012:policy/bound"');
    expect(text).toContain('"Endpoint":"ops@example.com"');
    expect(propertiesOf(template, 'AWS::IAM::InstanceProfile')).toMatchObject([{ Path: '/team/' }]);
    const named = propertiesOf(template, 'AWS::IAM::Role').filter(({ RoleName }) => RoleName !== undefined);
    expect(named.map(({ Path }) => Path)).toEqual(Array(4).fill('/team/'));
    // Whatever names these roles names them with their path.
    for (const type of ['AWS::SecretsManager::ResourcePolicy', 'AWS::SQS::QueuePolicy', 'AWS::KMS::Key'])
      expect(JSON.stringify(ofType(template, type))).toContain(':role/team/adjoin-');
    expect(text).toContain('"CidrIpv6":"fd00:10:77::/64"');
    expect(text).toContain('"aws:SourceVpc":["vpc-0123456789abcdef0","vpc-0123456789abcdef9"]');
    expect(text).toContain('"DateGreaterThan":{"aws:CurrentTime":"2030-01-01T00:00:00Z"}');
    expect(text).toContain('"portNumber":"1433"');
    expect(text).toContain(
      '"arn:aws:iam::123456789012:role/adjoin-administrator","arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/*Admin*"',
    );
  });

  const given = (template: Template, name: string) =>
    propertiesOf(template, 'AWS::IAM::ManagedPolicy').find(
      ({ ManagedPolicyName }) => flat(ManagedPolicyName) === `adjoin-<AWS::Region>-${name}`,
    );

  test('grants reach roles that are made here and roles that are not, once each', () => {
    const template = made.template('granted and measured');
    const ops = { Ref: expect.stringMatching(/^Ops/) };
    expect(given(template, 'node')?.['Roles']).toEqual(['ops-of-others', ops]);
    expect(given(template, 'operator-session')).toMatchObject({
      Roles: [ops],
      Users: [{ Ref: expect.stringMatching(/^Person/) }],
    });
    for (const name of [
      'deny-worker-access',
      'deny-tampering',
      'deny-bypassing',
      'deny-disarming',
      'deny-rerouting',
    ]) {
      expect([name, given(template, name)?.['Roles']]).toEqual([name, ['ops-of-others']]);
    }
  });

  test("whom an operators' role is granted to is trusted by it beside the administrators, and may assume it", () => {
    const template = made.template('granted and measured');
    const arn = { 'Fn::GetAtt': [expect.stringMatching(/^Ops/), 'Arn'] };
    for (const name of ['membership-operator', 'dead-letter-operator']) {
      const role = propertiesOf(template, 'AWS::IAM::Role').find(
        ({ RoleName }) => RoleName !== undefined && flat(RoleName) === `adjoin-<AWS::Region>-${name}`,
      );
      expect(role).toMatchObject({
        AssumeRolePolicyDocument: {
          Statement: [
            {
              Condition: {
                ArnLike: {
                  'aws:PrincipalArn': ['arn:aws:iam::123456789012:role/adjoin-administrator', arn],
                },
              },
            },
          ],
        },
      });
    }
    const [policy] = propertiesOf(template, 'AWS::IAM::Policy');
    expect(JSON.stringify(policy)).toMatch(
      /sts:AssumeRole.*(MembershipMembershipOperator|MembershipDeadLetterOperator)/,
    );
    // Without a grant, the administrators alone.
    expect(JSON.stringify(made.template('plain').Resources)).not.toContain('Ops');
  });

  test('a rule that lets workers in changes the other side only', () => {
    const template = made.template('granted and measured');
    expect(propertiesOf(template, 'AWS::EC2::SecurityGroupIngress')).toContainEqual(
      expect.objectContaining({
        FromPort: 636,
        GroupId: { 'Fn::GetAtt': [expect.stringMatching(/^Controllers/), 'GroupId'] },
      }),
    );
    const egress = (name: CaseName) => ofType(made.template(name), 'AWS::EC2::SecurityGroupEgress').length;
    expect(egress('granted and measured')).toBe(egress('plain'));
  });

  test('metrics are those that the alarms watch', () => {
    const template = made.template('granted and measured');
    const alarms = propertiesOf(template, 'AWS::CloudWatch::Alarm');
    expect(alarms).toContainEqual(
      expect.objectContaining({
        Namespace: 'adjoin/adjoin',
        MetricName: 'AbandonedLaunches',
        Period: 3600,
        Statistic: 'Sum',
      }),
    );
    expect(alarms).toContainEqual(
      expect.objectContaining({
        MetricName: 'ApproximateAgeOfOldestMessage',
        Dimensions: [
          {
            Name: 'QueueName',
            Value: { 'Fn::GetAtt': [expect.stringMatching(/^MembershipLifecycleQueue/), 'QueueName'] },
          },
        ],
      }),
    );
    const filters = propertiesOf(template, 'AWS::Logs::MetricFilter').flatMap(({ MetricTransformations }) =>
      JSON.stringify(MetricTransformations),
    );
    expect(filters.join('')).toContain('"MetricName":"AbandonedLaunches","MetricNamespace":"adjoin/adjoin"');
  });

  test.each<[CaseName, string]>([
    ['without an administrator', 'administrators: give one at least'],
    ['with a CA that is none', 'directoryCa: it must be the text of a PEM file'],
    ['with a CA that is too long', 'directoryCa: it has 5055 characters; workers get it in their user data'],
    ['in one zone', 'vpcSubnets: the workers need one subnet for each zone'],
    ['in no known Region, without prefix lists', "prefixLists: they are looked up in the stack's Region"],
    ['with half of a path', 'rolePath: "team" must begin and end with a slash'],
    ['with half of a hub', 'endpointCidr: endpoints in another VPC need both'],
    ['in a clone, without an agent', 'in a clone, `npm run synth` makes it'],
  ])('%s: that is said', (name, words) => {
    expect(made.errorOf(name)).toContain(words);
  });
});

test('sessions run as a user that was made for them, if one is named', () => {
  const contents = propertiesOf(made.template('with a user for sessions'), 'AWS::SSM::Document').map(
    (document): Json | undefined => document['Content'],
  );
  expect(contents).toContainEqual(
    expect.objectContaining({
      inputs: expect.objectContaining({ runAsEnabled: true, runAsDefaultUser: 'reader' }),
    }),
  );
});

test('MFA is demanded by a construct, unless told otherwise', () => {
  const demandsIn = (name: CaseName) =>
    JSON.stringify(made.template(name).Resources).match(/"Bool":{"aws:MultiFactorAuthPresent":"true"}/g)
      ?.length ?? 0;
  expect(demandsIn('plain')).toBe(mfaDemands);
  expect(demandsIn('with MFA')).toBe(mfaDemands);
  expect(demandsIn('without MFA')).toBe(0);
});

test("cdk-nag's rules are heard: a bucket that has no justification is found", () => {
  const { error, rules } = made.unjustified;
  expect(error).toContain('validation-report.json');
  expect(rules).toEqual(expect.arrayContaining(['AwsSolutions-S1', 'AwsSolutions-S10']));
});

test('what an account has once for all Regions has the Region in its name, so that a second one can be deployed', () => {
  const names = {
    'AWS::IAM::Role': 'RoleName',
    'AWS::IAM::ManagedPolicy': 'ManagedPolicyName',
    'AWS::IAM::InstanceProfile': 'InstanceProfileName',
    'AWS::CloudWatch::Dashboard': 'DashboardName',
    'AWS::S3::Bucket': 'BucketName',
  };
  const template = made.template('plain');
  for (const [type, property] of Object.entries(names)) {
    const given = propertiesOf(template, type).map((properties) => flat(properties[property]));
    expect([type, given]).not.toEqual([type, []]);
    for (const name of given) expect(name).toMatch(/^adjoin-.*<AWS::Region>/);
  }
});
