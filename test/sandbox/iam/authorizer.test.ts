import { describe, expect, test } from '@jest/globals';
import { Authorizer } from '../../../infra/sandbox/iam/authorizer.ts';
import type { DeployedPolicies } from '../../../infra/sandbox/iam/policies.ts';
import {
  accountId,
  allow,
  deny,
  deployed,
  identity,
  key,
  named,
  queue,
  secret,
  worker,
  workerRole,
} from './fixtures.ts';

const read = { principal: worker, action: 'secretsmanager:GetSecretValue', resource: secret };
const mayRead = new Map([[workerRole, identity(allow('Read', 'secretsmanager:GetSecretValue'))]]);

function decide(
  parts: Partial<DeployedPolicies>,
  question: Partial<Parameters<Authorizer['decide']>[0]> = {},
) {
  return new Authorizer(deployed(parts)).decide({ ...read, ...question });
}

describe('who is asked', () => {
  test('a session has the policies of its role, whose path its ARN leaves out, and the statement is named', async () => {
    expect(await decide({ identities: mayRead })).toEqual({
      allowed: true,
      reason: '',
      allows: [{ kind: 'identity', policy: 'own', sid: 'Read' }],
      denies: [],
    });
  });

  test('a session is to conditions what its role is, whatever the caller says', async () => {
    const resourcePolicies = new Map([
      [
        secret,
        named(
          'secret',
          deny('OnlyTheWorker', 'secretsmanager:*', {
            Principal: '*',
            Condition: { ArnNotLike: { 'aws:PrincipalArn': workerRole } },
          }),
        ),
      ],
    ]);
    const other = `arn:aws:sts::${accountId}:assumed-role/admin/eve`;
    const identities = new Map([
      ...mayRead,
      [`arn:aws:iam::${accountId}:role/admin`, identity(allow('All', '*'))],
    ]);
    expect((await decide({ identities, resourcePolicies })).allowed).toBe(true);
    const forged = { principal: other, context: { 'aws:PrincipalArn': workerRole } };
    expect(await decide({ identities, resourcePolicies }, forged)).toMatchObject({
      allowed: false,
      reason: 'with an explicit deny in a resource-based policy',
      denies: [{ kind: 'resource', policy: 'secret', sid: 'OnlyTheWorker' }],
    });
  });

  test('a role that nobody deployed may do nothing', async () => {
    expect((await decide({ identities: new Map() })).reason).toBe(
      'because no identity-based policy allows the secretsmanager:GetSecretValue action',
    );
  });

  test('the root user needs no policy, and a Deny on the resource binds it all the same', async () => {
    const principal = `arn:aws:iam::${accountId}:root`;
    expect((await decide({}, { principal })).allowed).toBe(true);
    const resourcePolicies = new Map([[secret, named('secret', deny('Nobody', '*', { Principal: '*' }))]]);
    expect((await decide({ resourcePolicies }, { principal })).allowed).toBe(false);
  });

  test('the root user of another account needs the resource to trust it', async () => {
    const principal = 'arn:aws:iam::999999999999:root';
    expect((await decide({}, { principal })).reason).toBe(
      'because no resource-based policy allows the secretsmanager:GetSecretValue action',
    );
    const trusting = named('secret', allow('Them', '*', { Principal: { AWS: principal } }));
    expect((await decide({ resourcePolicies: new Map([[secret, trusting]]) }, { principal })).allowed).toBe(
      true,
    );
  });

  test('a service gets what the resource grants it, and nobody gets what is granted to a service', async () => {
    const resourcePolicies = new Map([
      [
        queue,
        named('queue', allow('Rules', 'sqs:SendMessage', { Principal: { Service: 'events.amazonaws.com' } })),
      ],
    ]);
    const send = { action: 'sqs:SendMessage', resource: queue };
    const answers = await Promise.all(
      ['events.amazonaws.com', 'sns.amazonaws.com', 'anonymous'].map((principal) =>
        decide({ resourcePolicies }, { ...send, principal }),
      ),
    );
    expect(answers.map(({ allowed }) => allowed)).toEqual([true, false, false]);
  });

  test('a service is no role, whatever its request says', async () => {
    const theWorker = { ArnEquals: { 'aws:PrincipalArn': workerRole } };
    const resourcePolicies = new Map([
      [queue, named('queue', allow('Worker', 'sqs:SendMessage', { Principal: '*', Condition: theWorker }))],
    ]);
    const context = { 'AWS:principalarn': workerRole };
    const send = { action: 'sqs:SendMessage', resource: queue, context };
    expect((await decide({ resourcePolicies }, { ...send, principal: 'sns.amazonaws.com' })).allowed).toBe(
      false,
    );
    expect((await decide({ identities: mayRead, resourcePolicies }, send)).allowed).toBe(true);
  });

  test('a principal that could not have signed is an error, not a denial', async () => {
    await expect(decide({}, { principal: workerRole })).rejects.toThrow('no principal that can sign');
  });
});

describe('which policies bind', () => {
  test('a request through an endpoint needs its policy and carries its VPC; one from elsewhere has neither', async () => {
    const policy = named('endpoint', allow('Queue', 'sqs:*', { Principal: '*' }));
    const identities = new Map([
      [
        workerRole,
        identity(allow('InVpc', '*', { Condition: { StringEquals: { 'aws:SourceVpc': 'vpc-1' } } })),
      ],
    ]);
    const endpoints = new Map([
      ['vpce-1', { vpcId: 'vpc-1', policy }],
      ['vpce-2', { vpcId: 'vpc-1' }],
    ]);
    const through = async (id: string | undefined) =>
      decide({ identities, endpoints }, id === undefined ? {} : { context: { 'aws:SourceVpce': id } });
    expect((await through('vpce-2')).allowed).toBe(true);
    expect((await through('vpce-1')).reason).toBe(
      'because no VPC endpoint policy allows the secretsmanager:GetSecretValue action',
    );
    expect((await through(undefined)).allowed).toBe(false);
  });

  test('a boundary and an organization only take away, and the message blames them', async () => {
    const boundary = named('boundary', allow('Queue', 'sqs:*'));
    const bounded = new Map([[workerRole, { ...identity(allow('All', '*')), boundary }]]);
    expect((await decide({ identities: bounded })).reason).toBe(
      'because no permissions boundary allows the secretsmanager:GetSecretValue action',
    );
    const serviceControlPolicies = [named('guard', deny('NoReading', 'secretsmanager:*'))];
    const everybody = new Map([[workerRole, identity(allow('All', '*'))]]);
    expect(await decide({ identities: everybody, serviceControlPolicies })).toMatchObject({
      reason: 'with an explicit deny in a service control policy',
      denies: [{ kind: 'service-control', policy: 'guard', sid: 'NoReading' }],
    });
    const receive = { action: 'sqs:ReceiveMessage', resource: queue };
    expect((await decide({ identities: everybody, serviceControlPolicies }, receive)).allowed).toBe(true);
  });

  test('a key belongs to its key policy alone', async () => {
    const decrypt = { action: 'kms:Decrypt', resource: key };
    const identities = new Map([[workerRole, identity(allow('All', '*'))]]);
    expect((await decide({ identities }, decrypt)).allowed).toBe(false);
    const account = allow('Account', 'kms:*', { Principal: { AWS: `arn:aws:iam::${accountId}:root` } });
    const resourcePolicies = new Map([[key, named('key', account)]]);
    expect((await decide({ identities, resourcePolicies }, decrypt)).allowed).toBe(true);
  });

  test('a bucket, whose ARN names no account, is of this account', async () => {
    const identities = new Map([[workerRole, identity(allow('Fetch', 's3:GetObject'))]]);
    const fetch = { action: 's3:GetObject', resource: 'arn:aws:s3:::agent-files/agent.mjs' };
    expect((await decide({ identities }, fetch)).allowed).toBe(true);
    const resourcePolicies = new Map([
      ['arn:aws:s3:::agent-files', named('bucket', deny('No', 's3:*', { Principal: '*' }))],
    ]);
    expect((await decide({ identities, resourcePolicies }, fetch)).allowed).toBe(false);
  });

  test('a trust policy speaks about assuming a role, not about changing it', async () => {
    const admin = `arn:aws:sts::${accountId}:assumed-role/admin/eve`;
    const identities = new Map([[`arn:aws:iam::${accountId}:role/admin`, identity(allow('All', '*'))]]);
    const trust = {
      Sid: 'Ec2',
      Effect: 'Allow',
      Action: 'sts:AssumeRole',
      Principal: { Service: 'ec2.amazonaws.com' },
    };
    const resourcePolicies = new Map([[workerRole, named('trust', trust)]]);
    const on = (action: string) =>
      decide({ identities, resourcePolicies }, { principal: admin, action, resource: workerRole });
    expect((await on('sts:AssumeRole')).allowed).toBe(false);
    expect((await on('iam:PutRolePolicy')).allowed).toBe(true);
  });

  test('nobody assumes a role that trusts nobody, whatever he may', async () => {
    const identities = new Map([[workerRole, identity(allow('All', '*'))]]);
    const assume = { action: 'sts:AssumeRole', resource: `arn:aws:iam::${accountId}:role/unknown` };
    expect((await decide({ identities }, assume)).allowed).toBe(false);
  });
});

describe('where the simulator alone would be wrong', () => {
  test('a Deny on the encryption context applies', async () => {
    const context = { 'kms:EncryptionContext:SecretARN': 'other' };
    const mine = { Condition: { StringNotEquals: { 'kms:EncryptionContext:SecretARN': 'mine' } } };
    const resourcePolicies = new Map([
      [
        key,
        named(
          'key',
          allow('All', 'kms:*', { Principal: '*' }),
          deny('Mine', 'kms:*', { Principal: '*', ...mine }),
        ),
      ],
    ]);
    const on = (value: string) =>
      decide(
        { resourcePolicies },
        {
          action: 'kms:Decrypt',
          resource: key,
          context: { ...context, 'kms:EncryptionContext:SecretARN': value },
        },
      );
    expect((await on('other')).allowed).toBe(false);
    expect((await on('mine')).allowed).toBe(true);
  });

  test('the tag keys of a request are compared with their case, and without it only where the operator says so', async () => {
    const on = (operator: string) =>
      decide(
        {
          identities: new Map([
            [
              workerRole,
              identity(
                allow('All', '*'),
                deny('Tags', 'ec2:CreateTags', { Condition: { [operator]: { 'aws:TagKeys': ['JoinAD'] } } }),
              ),
            ],
          ]),
        },
        {
          action: 'ec2:CreateTags',
          resource: `arn:aws:ec2:eu-central-1:${accountId}:instance/i-0123456789abcdef0`,
          context: { 'aws:TagKeys': ['team', 'joinad'] },
        },
      );
    expect((await on('ForAnyValue:StringEquals')).allowed).toBe(true);
    expect((await on('ForAnyValue:StringLike')).allowed).toBe(true);
    expect((await on('ForAnyValue:StringEqualsIgnoreCase')).allowed).toBe(false);
  });

  test("a document of AWS's own, which has no account, is a document", async () => {
    const ours = `arn:aws:ssm:eu-central-1:${accountId}:document/AWS-StartSession`;
    const theirs = 'arn:aws:ssm:eu-central-1::document/AWS-StartSession';
    const on = (granted: string, resource: string) =>
      decide(
        {
          identities: new Map([
            [workerRole, identity(allow('Doc', 'ssm:SendCommand', { Resource: granted }))],
          ]),
        },
        { action: 'ssm:SendCommand', resource },
      );
    expect((await on(theirs, theirs)).allowed).toBe(true);
    expect((await on(ours, theirs)).allowed).toBe(false);
    expect((await on(theirs, ours)).allowed).toBe(false);
  });

  test('a question that IAM would never be asked is an error, not a decision', async () => {
    await expect(decide({}, { resource: '*' })).rejects.toThrow('cannot be decided');
    await expect(decide({}, { action: 'ec2:DescribeTags', resource: secret })).rejects.toThrow(
      'must.use.wildcard',
    );
    await expect(decide({}, { action: 'ssm:SendComand', resource: secret })).rejects.toThrow(
      'invalid.action',
    );
  });
});
