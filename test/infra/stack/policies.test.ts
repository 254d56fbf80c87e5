import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { fillPolicy, policyFolder, type PolicyStatement } from '../../../infra/policy-file.ts';
import {
  defaultExemptions,
  denyPolicies,
  resourceControlPolicy,
  serviceControlPolicy,
} from '../../../infra/service-control.ts';
import {
  iamPolicies,
  resourceControl,
  serviceControlPolicy as scpSize,
} from '../../../infra/sandbox/cloud/limits/iam.ts';
import { beyond, type Limit } from '../../../infra/sandbox/cloud/limits/limit.ts';
import {
  bucketPolicy,
  endpointPolicy,
  keyPolicy,
  secretPolicy,
  tablePolicy,
  topicPolicy,
} from '../../../infra/sandbox/cloud/limits/resource-policies.ts';
import { checkQueuePolicy, sqsPolicy } from '../../../infra/sandbox/cloud/limits/sqs.ts';

const files = readdirSync(policyFolder)
  .filter((name) => name.endsWith('.json'))
  .map((name) => name.slice(0, -'.json'.length));

/** Values as long as they get: a long Region, a long name, three administrators by their sign-on roles. */
const arn = (service: string, rest: string) =>
  `arn:aws-us-gov:${service}:ap-southeast-1:123456789012:${rest}`;
const values = new Proxy<Record<string, string | string[]>>(
  {
    Partition: 'aws-us-gov',
    Region: 'ap-southeast-1',
    AccountId: '123456789012',
    Deployment: 'twenty-one-characters',
    AdministratorArns: Array.from(
      { length: 3 },
      () => `arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/*/AWSReservedSSO_PlatformAdmins_*`,
    ),
    OperatorNetworks: Array.from({ length: 10 }, () => '192.0.2.128/25'),
  },
  {
    get: (known, name) =>
      typeof name === 'string' ? (known[name] ?? arn('service', 'x'.repeat(60))) : undefined,
  },
);

/** Allows more than it names, or names principals in the way that breaks. */
const loose = (statement: PolicyStatement) =>
  'NotPrincipal' in statement ||
  (statement.Effect === 'Allow' &&
    ('NotAction' in statement || JSON.stringify(statement['Action']).includes('*')));

/** These say which account's calls an endpoint lets through. What the caller may do is for the caller's own policies to say. */
const bounds = new Set(['endpoint ThisAccount', 'endpoint-s3 ThisAccount']);

describe.each(files)('policies/%s.json', (name) => {
  const { Statement: statements } = fillPolicy(name, values);

  test('has a Sid for each statement, and no two alike', () => {
    const sids = statements.map(({ Sid }) => Sid);
    expect(sids).not.toContain(undefined);
    expect(new Set(sids).size).toBe(sids.length);
    expect(sids.every((sid) => /^[A-Za-z0-9]+$/.test(sid))).toBe(true);
  });

  test('never says NotPrincipal, and allows no action by a bare wildcard', () => {
    expect(statements.filter(loose).filter(({ Sid }) => !bounds.has(`${name} ${Sid}`))).toEqual([]);
  });
});

test('every statement of every file has its line in policies/README.md, and nothing else has', () => {
  const readme = readFileSync(join(policyFolder, 'README.md'), 'utf8');
  const documented = readme
    .split(/^### /m)
    .slice(1)
    .map((chapter) => {
      const rows = [...chapter.matchAll(/^\| (\w+) +\| (.+?) +\|$/gm)].filter(([, sid]) => sid !== 'Sid');
      return [
        chapter.slice(0, chapter.indexOf('.json')),
        rows.map(([, sid, why]) => ({ sid, why })),
      ] as const;
    });
  expect(Object.fromEntries(documented.map(([file, rows]) => [file, rows.map(({ sid }) => sid)]))).toEqual(
    Object.fromEntries(files.map((file) => [file, fillPolicy(file, values).Statement.map(({ Sid }) => Sid)])),
  );
  expect(documented.flatMap(([, rows]) => rows).filter(({ why }) => (why ?? '').length < 10)).toEqual([]);
});

test('every file is given to somebody', () => {
  const readme = readFileSync(join(policyFolder, 'README.md'), 'utf8');
  const table = readme.slice(readme.indexOf('## Who gets which'), readme.indexOf('## Allowed and not used'));
  const named = [...table.matchAll(/`([a-z][a-z0-9-]+\*?)`/g)].map(([, name]) => name ?? '');
  const covers = (file: string) =>
    named.some((name) => (name.endsWith('*') ? file.startsWith(name.slice(0, -1)) : file === name));
  expect(files.filter((file) => !covers(file))).toEqual([]);
});

test("policies stay below AWS's limits even with long names", () => {
  const limits: [RegExp, Limit][] = [
    [/^secret$/, secretPolicy],
    [/-key$/, keyPolicy],
    [/^(queue|dead-letter-queue)$/, sqsPolicy.bytes],
    [/^memberships$/, tablePolicy],
    [/-topic$/, topicPolicy.bytes],
    [/-bucket$/, bucketPolicy],
    [/^endpoint-/, endpointPolicy],
    [/^trust-/, iamPolicies.trust],
    [/^/, iamPolicies.managed],
  ];
  const beyondLimit = files.filter((file) => {
    const limit = limits.find(([pattern]) => pattern.test(file))?.[1];
    return limit === undefined || beyond(limit, JSON.stringify(fillPolicy(file, values))) !== undefined;
  });
  expect(beyondLimit).toEqual([]);
});

test.each(['queue', 'dead-letter-queue'])('%s has no more of anything than SQS takes', (name) => {
  expect(() => checkQueuePolicy(JSON.stringify(fillPolicy(name, values)))).not.toThrow();
});

describe('as service control policies', () => {
  const exempt = defaultExemptions('twenty-one-characters');
  const named = { deployment: 'twenty-one-characters', exempt };
  const placed = {
    ...named,
    vpcId: 'vpc-0123456789abcdef0',
    trailName: 't'.repeat(128),
    agentFile: { bucketName: 'b'.repeat(63), objectKey: `adjoin/${'0'.repeat(64)}.mjs` },
  };

  test.each(denyPolicies)('%s denies the same, spares those named, and fits', (name) => {
    const { document, leftOut } = serviceControlPolicy(name, placed);
    expect(leftOut).toEqual([]);
    expect(document.Statement.map(({ Sid }) => Sid)).toEqual(
      fillPolicy(name, values).Statement.map(({ Sid }) => Sid),
    );
    for (const statement of document.Statement) {
      expect(statement.Effect).toBe('Deny');
      expect(statement.Condition?.['ArnNotLike']).toEqual({ 'aws:PrincipalArn': exempt });
    }
    expect(beyond(scpSize, JSON.stringify(document))).toBeUndefined();
  });

  // A * for what is not known would deny these actions on every VPC and every bucket of every account.
  test('what nobody named is left out and said, and nothing takes its place', () => {
    const written = denyPolicies.map((name) => ({ name, ...serviceControlPolicy(name, named) }));
    expect(written.flatMap(({ name, leftOut }) => leftOut.map((sid) => `${name} ${sid}`))).toEqual([
      'deny-worker-access NoOtherAgent',
      'deny-disarming LeaveTheTrail',
      'deny-rerouting LeaveTheVpc',
      'deny-rerouting LeaveTheRoutes',
      'deny-rerouting LeaveTheZones',
    ]);
    for (const { name, document, leftOut } of written) {
      const whole = serviceControlPolicy(name, placed).document.Statement;
      expect(document.Statement).toEqual(whole.filter(({ Sid }) => !leftOut.includes(Sid)));
    }
  });

  test('the resource control policy spares them and the services of AWS, and has nothing that Organizations refuses', () => {
    const { document, leftOut } = resourceControlPolicy(placed);
    expect(leftOut).toEqual([]);
    expect(beyond(resourceControl.size, JSON.stringify(document))).toBeUndefined();
    for (const statement of document.Statement) {
      for (const element of Object.keys(statement)) expect(resourceControl.elements).toContain(element);
      expect(statement).toMatchObject({ Effect: 'Deny', Principal: '*' });
      for (const action of [statement['Action']].flat())
        expect(resourceControl.services).toContain(String(action).split(':')[0]);
      expect(statement.Condition).toMatchObject({
        ArnNotLike: { 'aws:PrincipalArn': exempt },
        BoolIfExists: { 'aws:PrincipalIsAWSService': 'false' },
      });
    }
    expect(resourceControlPolicy(named).leftOut).toEqual(['TheAgentStaysAsItIs']);
  });

  test('a statement keeps its own conditions beside the exemption', () => {
    const [shell] = serviceControlPolicy('deny-worker-access', { deployment: 'd', exempt }).document
      .Statement;
    expect(Object.keys(shell?.Condition ?? {})).toEqual(['StringEquals', 'ArnNotLike']);
  });
});

test('a placeholder without a value is an error that names file and placeholder', () => {
  expect(() => fillPolicy('worker', {})).toThrow(/policies\/worker\.json: nothing was given for \$\{\w+\}/);
});

test('a list fills a whole value, and is refused inside of text', () => {
  const [first] = fillPolicy('hook-publisher', { ...flatValues(), QueueArn: ['a', 'b'] }).Statement;
  expect(first?.['Resource']).toEqual(['a', 'b']);
  expect(() => fillPolicy('worker', { ...flatValues(), Region: ['a'] })).toThrow('is a list');
});

function flatValues(): Record<string, string> {
  const text = files.map((file) => readFileSync(join(policyFolder, `${file}.json`), 'utf8')).join('');
  return Object.fromEntries([...text.matchAll(/\$\{([A-Z]\w*)\}/g)].map(([, name]) => [name ?? '', 'x']));
}
