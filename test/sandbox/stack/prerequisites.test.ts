/** Roles and bucket come first; with the rights of these roles, and no others, the system is deployed, kept and repaired. */
import {
  CloudFormationClient,
  CreateChangeSetCommand,
  DescribeStackEventsCommand,
  DescribeStacksCommand,
  ExecuteChangeSetCommand,
  paginateListStackResources,
} from '@aws-sdk/client-cloudformation';
import {
  GetSecretValueCommand,
  PutResourcePolicyCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { AssumeRoleCommand, STSClient } from '@aws-sdk/client-sts';
import {
  GetQueueUrlCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Authorizer } from '../../../infra/sandbox/iam/authorizer.ts';
import type { ClientConfig } from '../../../infra/sandbox/stack/client-config.ts';
import { network } from '../../../infra/sandbox/stack/network.ts';
import { synthesis } from '../../../infra/sandbox/stack/synthesis.ts';
import { emptyAccount, place, somePem, type EmptyAccount } from './deployed.ts';

let account: EmptyAccount;
let prerequisites: string[];
const bucket = `adjoin-agent-${place.accountId}-${place.region}`;
const roleArn = (name: string) => `arn:aws:iam::${place.accountId}:role/adjoin-${name}`;
const as = (name: string): ClientConfig => account.session(roleArn(name), 'internet');

beforeAll(async () => {
  account = await emptyAccount();
  const { prerequisitesTemplate, template } = await synthesis();
  const people = { Administrators: account.account.developerArn, BreakGlass: account.account.developerArn };
  prerequisites = await put(
    'adjoin-prerequisites',
    { TemplateBody: prerequisitesTemplate },
    account.developer,
    {
      ...people,
      WorkerAdministrators: `arn:aws:iam::${place.accountId}:root`,
      RequireMfa: 'false',
    },
  );
  account.cloud.buckets.put(bucket, 'adjoin/template', Buffer.from(template), 'application/json');
  account.cloud.buckets.put(bucket, 'adjoin/agent-0.mjs', Buffer.from('// an agent'), 'text/javascript');
}, 120_000);
afterAll(async () => {
  await account[Symbol.asyncDispose]();
});

/** Makes a stack; what came of it, with what failed. */
async function put(
  StackName: string,
  template: { TemplateBody: string } | { TemplateURL: string },
  who: ClientConfig,
  parameters: Record<string, string>,
): Promise<string[]> {
  const client = new CloudFormationClient({ ...who, maxAttempts: 1 });
  const at = { StackName, ChangeSetName: 'first' };
  try {
    await client.send(
      new CreateChangeSetCommand({
        ...at,
        ...template,
        ChangeSetType: 'CREATE',
        Capabilities: ['CAPABILITY_NAMED_IAM'],
        Parameters: Object.entries(parameters).map(([ParameterKey, ParameterValue]) => ({
          ParameterKey,
          ParameterValue,
        })),
      }),
    );
    await client.send(new ExecuteChangeSetCommand(at));
    for (;;) {
      const { Stacks } = await client.send(new DescribeStacksCommand({ StackName }));
      const status = Stacks?.[0]?.StackStatus ?? '';
      if (status.endsWith('_IN_PROGRESS')) continue;
      const { StackEvents = [] } = await client.send(new DescribeStackEventsCommand({ StackName }));
      const failed = StackEvents.filter((each) => each.ResourceStatus?.endsWith('_FAILED'));
      return [status, ...failed.map((each) => `${each.LogicalResourceId}: ${each.ResourceStatusReason}`)];
    }
  } finally {
    client.destroy();
  }
}

const outcome = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'allowed',
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );

test('the prerequisites are made, by whoever may make roles', () => {
  expect(prerequisites).toEqual(['CREATE_COMPLETE']);
});

describe('the administrator of the prerequisites', () => {
  test('deploys the system from its bucket, and puts the secret, which it can’t read', async () => {
    expect(
      await put(
        'adjoin',
        { TemplateURL: `https://s3.${place.region}.amazonaws.com/${bucket}/adjoin/template` },
        as('administrator'),
        {
          ...network,
          AdministratorArns: roleArn('administrator'),
          BreakGlassRoleArn: roleArn('break-glass'),
          WorkerAdministratorRole: 'adjoin-worker-administrator',
          AgentBucket: bucket,
          AgentKey: 'adjoin/agent-0.mjs',
          DirectoryCidr: '10.77.0.0/24',
          DirectoryCaBase64: Buffer.from(somePem()).toString('base64'),
          OperatorNetworks: '127.0.0.0/8',
        },
      ),
    ).toEqual(['CREATE_COMPLETE']);
    const secrets = new SecretsManagerClient({ ...as('administrator'), maxAttempts: 1 });
    const SecretId = 'adjoin/service-account';
    expect(await outcome(secrets.send(new PutSecretValueCommand({ SecretId, SecretString: '{}' })))).toBe(
      'allowed',
    );
    expect(await outcome(secrets.send(new GetSecretValueCommand({ SecretId })))).toContain('explicit deny');
    secrets.destroy();
  });

  test('takes dead letters, and sends none back', async () => {
    const sqs = new SQSClient({ ...as('administrator'), maxAttempts: 1 });
    const { QueueUrl } = await sqs.send(
      new GetQueueUrlCommand({ QueueName: 'adjoin-lifecycle-dead-letters' }),
    );
    const { QueueUrl: main } = await sqs.send(new GetQueueUrlCommand({ QueueName: 'adjoin-lifecycle' }));
    expect([
      await outcome(sqs.send(new ReceiveMessageCommand({ QueueUrl }))),
      await outcome(sqs.send(new ReceiveMessageCommand({ QueueUrl: main }))),
      await outcome(sqs.send(new SendMessageCommand({ QueueUrl: main, MessageBody: '{}' }))),
    ]).toEqual([
      'allowed',
      expect.stringContaining('explicit deny'),
      expect.stringContaining('explicit deny'),
    ]);
    sqs.destroy();
  });

  /** What CloudFormation's handlers call for what has no operations in the sandbox, by the schemas of the types. */
  const calls: Readonly<
    Record<string, (physicalId: string) => readonly (readonly [actions: string, arn: string])[]>
  > = {
    'AWS::IAM::ManagedPolicy': (arn) => [
      ['iam:CreatePolicy iam:GetPolicy iam:DeletePolicy iam:CreatePolicyVersion', arn],
    ],
    'AWS::IAM::Role': (name) => [
      [
        'iam:CreateRole iam:GetRole iam:DeleteRole iam:TagRole iam:AttachRolePolicy iam:DetachRolePolicy',
        `arn:aws:iam::${place.accountId}:role/${name}`,
      ],
    ],
    'AWS::IAM::InstanceProfile': (name) => [
      [
        'iam:CreateInstanceProfile iam:AddRoleToInstanceProfile iam:RemoveRoleFromInstanceProfile iam:DeleteInstanceProfile',
        `arn:aws:iam::${place.accountId}:instance-profile/${name}`,
      ],
    ],
    'AWS::SNS::Topic': (arn) => [
      ['sns:CreateTopic sns:SetTopicAttributes sns:GetTopicAttributes sns:DeleteTopic sns:TagResource', arn],
    ],
    'AWS::Events::Rule': (name) => [
      [
        'events:PutRule events:PutTargets events:RemoveTargets events:DeleteRule events:DescribeRule',
        `arn:aws:events:${place.region}:${place.accountId}:rule/${name}`,
      ],
    ],
    'AWS::Logs::LogGroup': (name) => [
      [
        'logs:CreateLogGroup logs:PutRetentionPolicy logs:AssociateKmsKey logs:TagResource',
        `arn:aws:logs:${place.region}:${place.accountId}:log-group:${name}`,
      ],
    ],
    'AWS::CloudWatch::Alarm': (name) => [
      [
        'cloudwatch:PutMetricAlarm cloudwatch:DeleteAlarms',
        `arn:aws:cloudwatch:${place.region}:${place.accountId}:alarm:${name}`,
      ],
    ],
    'AWS::CloudWatch::Dashboard': (name) => [
      [
        'cloudwatch:PutDashboard cloudwatch:GetDashboard cloudwatch:DeleteDashboards',
        `arn:aws:cloudwatch::${place.accountId}:dashboard/${name}`,
      ],
    ],
    'AWS::S3::Bucket': (name) => [
      [
        's3:CreateBucket s3:PutBucketVersioning s3:PutEncryptionConfiguration s3:PutBucketPublicAccessBlock s3:PutLifecycleConfiguration',
        `arn:aws:s3:::${name}`,
      ],
    ],
    'AWS::S3::BucketPolicy': (name) => [['s3:PutBucketPolicy s3:GetBucketPolicy', `arn:aws:s3:::${name}`]],
    'AWS::KMS::Key': (id) => [
      [
        'kms:PutKeyPolicy kms:EnableKeyRotation kms:DescribeKey kms:ScheduleKeyDeletion kms:CreateAlias',
        `arn:aws:kms:${place.region}:${place.accountId}:key/${id}`,
      ],
    ],
    'AWS::EC2::SecurityGroup': (id) => [
      [
        'ec2:CreateSecurityGroup ec2:AuthorizeSecurityGroupEgress ec2:DeleteSecurityGroup',
        `arn:aws:ec2:${place.region}:${place.accountId}:security-group/${id}`,
      ],
    ],
    'AWS::EC2::VPCEndpoint': (id) => [
      [
        'ec2:CreateVpcEndpoint ec2:ModifyVpcEndpoint ec2:DeleteVpcEndpoints',
        `arn:aws:ec2:${place.region}:${place.accountId}:vpc-endpoint/${id}`,
      ],
    ],
    'AWS::EC2::LaunchTemplate': (id) => [
      [
        'ec2:CreateLaunchTemplate ec2:CreateLaunchTemplateVersion ec2:DeleteLaunchTemplate ec2:RunInstances',
        `arn:aws:ec2:${place.region}:${place.accountId}:launch-template/${id}`,
      ],
    ],
  };

  test('may do what the rest of the stack needs, by name or by tag, and nothing of it to what is not adjoin’s', async () => {
    const client = new CloudFormationClient(as('administrator'));
    const authorizer = new Authorizer(account.permissions.policies());
    const may = async (action: string, resource: string, tag?: string) => {
      const { allowed } = await authorizer.decide({
        principal: `arn:aws:sts::${place.accountId}:assumed-role/adjoin-administrator/somebody`,
        action,
        resource,
        context: {
          'aws:SecureTransport': 'true',
          ...(tag !== undefined && { 'aws:ResourceTag/adjoin:deployment': tag }),
        },
      });
      return allowed;
    };
    const denied: string[] = [];
    const seen = new Set<string>();
    const others: string[] = [];
    for await (const { StackResourceSummaries = [] } of paginateListStackResources(
      { client },
      { StackName: 'adjoin' },
    ))
      for (const { ResourceType = '', PhysicalResourceId = '' } of StackResourceSummaries)
        for (const [actions, arn] of calls[ResourceType]?.(PhysicalResourceId) ?? []) {
          seen.add(ResourceType);
          for (const action of actions.split(' ')) {
            if (!(await may(action, arn, 'adjoin'))) denied.push(`${action} ${arn}`);
            // Of another deployment, and of no deployment.
            const elsewhere = arn.replace(/([:/])adjoin-/, '$1payroll-').replace('/adjoin/', '/payroll/');
            const isNew = /ec2:(Create|Authorize|Run)/.test(action);
            if (!isNew && (await may(action, elsewhere, 'payroll'))) others.push(`${action} ${elsewhere}`);
          }
        }
    client.destroy();
    expect(denied).toEqual([]);
    expect(others).toEqual([]);
    expect(Object.keys(calls).filter((type) => !seen.has(type))).toEqual([]);
  }, 60_000);

  test('is taken by the people whom the parameter names, and by nobody else', async () => {
    const sts = new STSClient({ ...account.developer, maxAttempts: 1 });
    const take = (name: string) =>
      outcome(sts.send(new AssumeRoleCommand({ RoleArn: roleArn(name), RoleSessionName: 'somebody' })));
    expect(await take('administrator')).toBe('allowed');
    expect(await take('break-glass')).toBe('allowed');
    sts.destroy();
    const worker = new STSClient({ ...as('break-glass'), maxAttempts: 1 });
    expect(
      await outcome(
        worker.send(new AssumeRoleCommand({ RoleArn: roleArn('administrator'), RoleSessionName: 'x' })),
      ),
    ).toContain('not authorized');
    worker.destroy();
  });
});

test('break-glass repairs the secret’s policy, and has no way to its value', async () => {
  const secrets = new SecretsManagerClient({ ...as('break-glass'), maxAttempts: 1 });
  const SecretId = 'adjoin/service-account';
  expect(await outcome(secrets.send(new GetSecretValueCommand({ SecretId })))).toMatch(
    /deny|no identity-based/,
  );
  const policy = {
    Version: '2012-10-17',
    Statement: [
      {
        Sid: 'Nobody',
        Effect: 'Deny',
        Principal: '*',
        Action: 'secretsmanager:GetSecretValue',
        Resource: '*',
      },
    ],
  };
  expect(
    await outcome(
      secrets.send(new PutResourcePolicyCommand({ SecretId, ResourcePolicy: JSON.stringify(policy) })),
    ),
  ).toBe('allowed');
  secrets.destroy();
});

describe('the agent’s file', () => {
  const agent = `arn:aws:s3:::${bucket}/adjoin/agent-0.mjs`;
  const may = async (principal: string, action: string, resource = agent, secure = 'true') =>
    (
      await new Authorizer(account.permissions.policies()).decide({
        principal,
        action,
        resource,
        context: { 'aws:SecureTransport': secure },
      })
    ).allowed;
  const session = (name: string) => `arn:aws:sts::${place.accountId}:assumed-role/adjoin-${name}/somebody`;
  const root = `arn:aws:iam::${place.accountId}:root`;

  test('is put by the administrator, and deleted by break-glass alone: not by the administrator, the developer or the account’s root', async () => {
    const { developerArn } = account.account;
    expect(await may(session('administrator'), 's3:PutObject')).toBe(true);
    expect(
      await may(session('administrator'), 's3:DeleteObject', `arn:aws:s3:::${bucket}/adjoin/template-1.json`),
    ).toBe(true);
    for (const action of ['s3:DeleteObject', 's3:DeleteObjectVersion']) {
      expect(await may(session('break-glass'), action)).toBe(true);
      for (const who of [session('administrator'), developerArn, root])
        expect([who, action, await may(who, action)]).toEqual([who, action, false]);
    }
    for (const action of [
      's3:PutObject',
      's3:PutBucketPolicy',
      's3:PutBucketVersioning',
      's3:DeleteBucket',
      's3:PutLifecycleConfiguration',
    ])
      for (const who of [developerArn, root]) {
        const resource = action.endsWith('Object') ? agent : `arn:aws:s3:::${bucket}`;
        expect([who, action, await may(who, action, resource)]).toEqual([who, action, false]);
      }
    expect(await may(session('administrator'), 's3:PutObject', agent, 'false')).toBe(false);
  });
});
