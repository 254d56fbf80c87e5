/** The resource control policy, decided as an organization has it decided: on this account's resources, whoever calls. */
import { describe, expect, test } from '@jest/globals';
import { defaultExemptions, resourceControlPolicy } from '../../../infra/service-control.ts';
import { Authorizer, type Question } from '../../../infra/sandbox/iam/authorizer.ts';
import { policy } from '../../../infra/sandbox/iam/policies.ts';

const region = 'eu-central-1';
const accountId = '123456789012';
const here = `${region}:${accountId}`;
const agentFile = { bucketName: 'agents', objectKey: 'adjoin/agent.mjs' };
const { document, leftOut } = resourceControlPolicy({
  deployment: 'adjoin',
  exempt: defaultExemptions('adjoin'),
  agentFile,
});

const everything = (Principal?: unknown) =>
  policy('everything', {
    Version: '2012-10-17',
    Statement: [
      {
        Sid: 'All',
        Effect: 'Allow',
        ...(Principal !== undefined && { Principal }),
        Action: '*',
        Resource: '*',
      },
    ],
  });

const secret = `arn:aws:secretsmanager:${here}:secret:adjoin/service-account-AbCdEf`;
const queue = `arn:aws:sqs:${here}:adjoin-lifecycle`;
const key = `arn:aws:kms:${here}:key/0a1b2c3d-0000-4000-8000-000000000000`;
const records = 'arn:aws:s3:::adjoin-sessions-123456789012-eu-central-1';
const agent = `arn:aws:s3:::${agentFile.bucketName}/${agentFile.objectKey}`;

const user = `arn:aws:iam::${accountId}:user/somebody`;
const stranger = 'arn:aws:iam::999999999999:user/stranger';
const root = `arn:aws:iam::${accountId}:root`;
const linked = `arn:aws:iam::${accountId}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling`;
const session = (role: string) => `arn:aws:sts::${accountId}:assumed-role/${role}/somebody`;
const roles = [
  'adjoin-eu-central-1-worker',
  'adjoin-eu-central-1-dead-letter-operator',
  'adjoin-administrator',
  'adjoin-break-glass',
];

/** Everybody may do everything, by policies of identities and of resources that were widened: so only this policy denies. */
const widened = [secret, queue, key, records, records.replace(/$/, '/record'), agent].map(
  (arn) => [arn.startsWith('arn:aws:s3:::') ? (arn.split('/')[0] ?? '') : arn, everything('*')] as const,
);
const policies = {
  accountId,
  identities: new Map(
    [user, stranger, linked, ...roles.map((role) => `arn:aws:iam::${accountId}:role/${role}`)].map((arn) => [
      arn,
      { policies: [everything()] },
    ]),
  ),
  resourcePolicies: new Map(widened),
  endpoints: new Map(),
  serviceControlPolicies: [],
};
const without = new Authorizer(policies);
const bound = new Authorizer({
  ...policies,
  resourceControlPolicies: [policy('resource-control', document)],
});

const tagged = { 'aws:ResourceTag/adjoin:deployment': 'adjoin' };
/** What each statement of the policy is there for. */
const acts: readonly (readonly [
  sid: string,
  action: string,
  resource: string,
  context: NonNullable<Question['context']>,
])[] = [
  ['TheSecretIsTheWorkers', 'secretsmanager:GetSecretValue', secret, {}],
  ['TheSecretIsTheWorkers', 'secretsmanager:PutResourcePolicy', secret, {}],
  ['TheQueuesAreTheSystems', 'sqs:ReceiveMessage', queue, {}],
  ['TheQueuesAreTheSystems', 'sqs:SendMessage', queue, {}],
  ['TheQueuesAreTheSystems', 'sqs:PurgeQueue', `${queue}-dead-letters`, {}],
  ['TheKeysStayAsTheyAre', 'kms:ScheduleKeyDeletion', key, tagged],
  ['TheKeysStayAsTheyAre', 'kms:PutKeyPolicy', key, tagged],
  ['TheRecordsStay', 's3:DeleteObject', `${records}/record`, {}],
  ['TheRecordsStay', 's3:PutBucketPolicy', records, {}],
  ['TheAgentStaysAsItIs', 's3:PutObject', agent, {}],
  ['TheAgentStaysAsItIs', 's3:DeleteObjectVersion', agent, {}],
];

describe('the resource control policy', () => {
  test('has an act here for each of its statements', () => {
    expect(leftOut).toEqual([]);
    expect([...new Set(acts.map(([sid]) => sid))]).toEqual(document.Statement.map(({ Sid }) => Sid));
  });

  test.each(acts)(
    '%s denies %s on %s to everybody: another account, this one and its root, whatever their own policies say',
    async (sid, action, resource, context) => {
      for (const principal of [user, stranger, root]) {
        // Another account's user needs the resource's own policy; the queue of dead letters was not widened.
        const question = { principal, action, resource, context };
        const before = await without.decide(question);
        const isWidened = policies.resourcePolicies.has(
          resource.startsWith('arn:aws:s3') ? (resource.split('/')[0] ?? '') : resource,
        );
        expect([principal, before.allowed]).toEqual([principal, isWidened || principal !== stranger]);
        expect(await bound.decide(question)).toMatchObject({
          allowed: false,
          reason: 'with an explicit deny in a resource control policy',
          denies: [{ kind: 'resource-control', sid }],
        });
      }
    },
  );

  test.each(acts)(
    '%s spares, for %s on %s, the exempt roles and Auto Scaling’s own',
    async (_, action, resource, context) => {
      for (const principal of [...roles, 'AWSServiceRoleForAutoScaling'].map(session)) {
        const { allowed } = await bound.decide({ principal, action, resource, context });
        expect([principal, allowed]).toEqual([principal, true]);
      }
    },
  );

  test('lets an AWS service send to the queue, and reads of what it does not name pass', async () => {
    const sends = { principal: 'events.amazonaws.com', action: 'sqs:SendMessage', resource: queue };
    expect((await bound.decide({ ...sends, context: { 'aws:PrincipalIsAWSService': 'true' } })).allowed).toBe(
      true,
    );
    for (const [action, resource] of [
      ['s3:GetObject', agent],
      ['kms:DescribeKey', key],
      ['sqs:GetQueueAttributes', queue],
    ] as const)
      expect((await bound.decide({ principal: user, action, resource, context: tagged })).allowed).toBe(true);
  });

  test('binds no other deployment, no key without the tag, and no resource of another account', async () => {
    for (const [action, resource] of [
      ['sqs:PurgeQueue', `arn:aws:sqs:${here}:payroll`],
      ['kms:ScheduleKeyDeletion', key],
      ['secretsmanager:GetSecretValue', `arn:aws:secretsmanager:${here}:secret:payroll-AbCdEf`],
    ] as const)
      expect((await bound.decide({ principal: user, action, resource })).allowed).toBe(true);
    const theirs = secret.replace(accountId, '999999999999');
    const { denies } = await bound.decide({
      principal: user,
      action: 'secretsmanager:GetSecretValue',
      resource: theirs,
    });
    expect(denies).toEqual([]);
  });
});
