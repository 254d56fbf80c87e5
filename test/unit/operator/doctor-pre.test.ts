import { beforeEach, describe, expect, test } from '@jest/globals';
import { type Finding, runChecks } from '../../../agent/checks/check.ts';
import { AdjoinError } from '../../../agent/errors.ts';
import type { Endpoint, Subnet } from '../../../agent/operator/deploy/ports.ts';
import { contradictions } from '../../../agent/operator/deploy/rules.ts';
import { doctorBefore } from '../../../agent/operator/doctor/doctor.ts';
import { preChecks } from '../../../agent/operator/doctor/pre-checks.ts';
import type { PrePorts } from '../../../agent/operator/doctor/pre-ports.ts';
import { recordTerminal } from '../../support/terminal.ts';
import { createVirtualClock } from '../../support/virtual-clock.ts';

const interfaces = ['AutoScaling', 'Ec2', 'Kms', 'Logs', 'Sqs', 'Ssm', 'SsmMessages'];
const subnet = (id: string, zone: string, isPublic = false): Subnet => ({
  id,
  zone,
  cidr: '10.0.0.0/24',
  isPublic,
});
const endpoint = (service: string): Endpoint => ({ service, securityGroups: ['sg-1'] });

let values: Record<string, string>;
let ports: PrePorts;

beforeEach(() => {
  values = {
    VpcId: 'vpc-1',
    SubnetA: 'subnet-a',
    SubnetB: 'subnet-b',
    S3PrefixListId: 'pl-s3',
    DynamoDbPrefixListId: 'pl-dynamodb',
    AdministratorArns:
      'arn:aws:iam::123456789012:role/path/of/adjoin-administrator, arn:aws:iam::123456789012:user/anna',
    ...Object.fromEntries([...interfaces, 'DynamoDb', 'S3'].map((name) => [`Endpoint${name}`, 'create'])),
  };
  ports = {
    missing: [],
    notes: [],
    faults: [],
    contradictions: [],
    wanted: (name) => values[name] ?? '',
    region: 'eu-central-1',
    bucket: 'artifacts',
    identity: async () => ({
      account: '123456789012',
      arn: 'arn:aws:sts::123456789012:assumed-role/adjoin-administrator/me',
      skewMs: 100,
    }),
    stackStatus: async () => undefined,
    bucketRegion: async () => 'eu-central-1',
    vpc: async () => ({ dnsSupport: true, dnsHostnames: true }),
    nameServers: async () => ['AmazonProvidedDNS'],
    subnets: async () => [subnet('subnet-a', 'a'), subnet('subnet-b', 'b'), subnet('subnet-c', 'a', true)],
    waysOut: async (_vpc, ids) => ids.map((subnetId) => ({ subnetId, gateway: undefined })),
    endpoints: async () => [],
    prefixList: async (service) => `pl-${service}`,
    domain: 'corp.example.test',
    controllers: async () => ['dc1.corp.example.test:636', 'dc2.corp.example.test:636'],
    reach: async () => undefined,
  };
});

const find = async (change: Partial<PrePorts> = {}): Promise<ReadonlyMap<string, Finding>> => {
  const clock = createVirtualClock();
  const found = await runChecks(
    preChecks,
    { ...ports, ...change },
    { clock: clock.passing, signal: new AbortController().signal, limitMs: 30_000, denied: 'skipped' },
  );
  return new Map(found.map((finding) => [finding.id, finding]));
};

test('before a deployment that can be made, all is well', async () => {
  const found = [...(await find()).values()];
  expect(found.filter(({ state }) => state !== 'passed')).toEqual([]);
  expect(found).toHaveLength(preChecks.length);
});

describe('what is wrong is said by the check that it concerns', () => {
  const denied = (): Promise<never> => Promise.reject(new AdjoinError('aws-denied', 'not yours'));
  const refused = (code: 'directory-unavailable' | 'directory-untrusted') => (): Promise<never> =>
    Promise.reject(new AdjoinError(code, `it is ${code}`));

  test.each<[string, string, Finding['state'], () => Partial<PrePorts>, string]>([
    [
      'what nobody has said',
      'settings',
      'failed',
      () => ({ missing: ['SubnetA', 'bucket'], notes: ['vpc-1 has these subnets: …'] }),
      'SubnetA, bucket. vpc-1 has these subnets: …',
    ],
    ['a value that is refused', 'values', 'failed', () => ({ faults: ['VpcId: no'] }), 'VpcId: no'],
    [
      'a contradiction',
      'contradictions',
      'failed',
      () => ({ contradictions: ['give RouteTableIds'] }),
      'give RouteTableIds',
    ],
    [
      'credentials that are not accepted',
      'caller',
      'failed',
      () => ({ identity: () => Promise.reject(new AdjoinError('aws-unauthenticated', 'expired')) }),
      'expired',
    ],
    [
      'a clock that is wrong',
      'caller-clock',
      'failed',
      () => ({ identity: async () => ({ account: '1', arn: 'a', skewMs: -400_000 }) }),
      '400 s',
    ],
    [
      'a role that is not listed',
      'administrator',
      'failed',
      () => ({
        identity: async () => ({
          account: '1',
          arn: 'arn:aws:sts::1:assumed-role/deployer/me',
          skewMs: undefined,
        }),
      }),
      'You are role/deployer',
    ],
    [
      'nobody who is listed',
      'administrator',
      'skipped',
      () => ({ wanted: () => '' }),
      'AdministratorArns is not said',
    ],
    [
      'a stack that is stuck',
      'stack',
      'failed',
      () => ({ stackStatus: async () => 'ROLLBACK_FAILED' }),
      'ROLLBACK_FAILED',
    ],
    [
      'a stack that can not be looked at',
      'stack',
      'skipped',
      () => ({ stackStatus: denied }),
      'not permitted',
    ],
    ['no bucket', 'bucket', 'failed', () => ({ bucketRegion: async () => undefined }), 'no bucket artifacts'],
    [
      'a bucket elsewhere',
      'bucket',
      'failed',
      () => ({ bucketRegion: async () => 'us-east-1' }),
      'in us-east-1',
    ],
    ['no VPC', 'vpc', 'failed', () => ({ vpc: async () => undefined }), 'no VPC vpc-1'],
    [
      'a VPC without host names',
      'vpc',
      'failed',
      () => ({ vpc: async () => ({ dnsSupport: true, dnsHostnames: false }) }),
      'enableDnsHostnames of vpc-1 is off',
    ],
    [
      'DNS servers of one’s own',
      'vpc-names',
      'failed',
      () => ({ nameServers: async () => ['10.0.0.53'] }),
      '10.0.0.53',
    ],
    [
      'a subnet of another VPC',
      'worker-subnets',
      'failed',
      () => ({ subnets: async () => [subnet('subnet-a', 'a')] }),
      'subnet-b: not in this VPC',
    ],
    [
      'one zone',
      'worker-subnets',
      'failed',
      () => ({ subnets: async () => [subnet('subnet-a', 'a'), subnet('subnet-b', 'a')] }),
      'Both are in a.',
    ],
    [
      'a way to the internet',
      'private-subnets',
      'failed',
      () => ({ waysOut: async () => [{ subnetId: 'subnet-a', gateway: 'igw-1' }] }),
      'subnet-a has a route to igw-1',
    ],
    [
      'public addresses',
      'private-subnets',
      'failed',
      () => ({ subnets: async () => [subnet('subnet-a', 'a'), subnet('subnet-b', 'b', true)] }),
      'subnet-b gives public addresses',
    ],
    [
      'an endpoint that is there already',
      'wanted-endpoints',
      'failed',
      () => ({ endpoints: async () => [endpoint('sqs')] }),
      'There is one of sqs already.',
    ],
    [
      'an endpoint that is not there',
      'wanted-endpoints',
      'failed',
      () => ({ wanted: (name) => (name === 'EndpointKms' ? 'existing' : (values[name] ?? '')) }),
      'There is none of kms.',
    ],
    [
      'endpoints of a stack that is there',
      'wanted-endpoints',
      'skipped',
      () => ({ endpoints: async () => [endpoint('sqs')], stackStatus: async () => 'CREATE_COMPLETE' }),
      'the stack is there',
    ],
    [
      'endpoints of a hub',
      'wanted-endpoints',
      'skipped',
      () => ({ wanted: (name) => (name === 'EndpointVpcId' ? 'vpc-hub' : (values[name] ?? '')) }),
      'another VPC',
    ],
    [
      'another Region’s prefix list',
      'prefix-lists',
      'failed',
      () => ({ prefixList: async () => 'pl-other' }),
      'S3PrefixListId is pl-s3, and that of s3 pl-other',
    ],
    ['no domain', 'controllers-from-here', 'skipped', () => ({ domain: undefined }), '--domain'],
    [
      'a domain that is not known here',
      'controllers-from-here',
      'skipped',
      () => ({ controllers: refused('directory-unavailable') }),
      'workers see it from the VPC',
    ],
    [
      'controllers that do not answer here',
      'ldaps-from-here',
      'skipped',
      () => ({ reach: refused('directory-unavailable') }),
      'none answers here',
    ],
    [
      'a certificate of another authority',
      'ldaps-from-here',
      'failed',
      () => ({ reach: refused('directory-untrusted') }),
      'it is directory-untrusted',
    ],
  ])('%s', async (_what, id, state, change, words) => {
    const found = (await find(change())).get(id);
    expect([found?.state, found?.text]).toEqual([state, expect.stringContaining(words)]);
  });

  test('a user is listed by name, and no one else’s name is taken for it', async () => {
    const as = async (arn: string) =>
      (await find({ identity: async () => ({ account: '1', arn, skewMs: 0 }) })).get('administrator')?.state;
    expect(await as('arn:aws:iam::123456789012:user/anna')).toBe('passed');
    expect(await as('arn:aws:iam::123456789012:user/ann')).toBe('failed');
    expect(await as('arn:aws:sts::123456789012:assumed-role/anna/me')).toBe('failed');
  });

  test('what follows from a failure is not looked at', async () => {
    const found = await find({
      identity: () => Promise.reject(new AdjoinError('aws-unauthenticated', 'expired')),
    });
    expect(found.get('vpc')).toMatchObject({ state: 'skipped', text: 'because of caller' });
  });
});

test('the doctor looks again while something fatal is wrong, with what is said by then', async () => {
  const clock = createVirtualClock();
  const terminal = recordTerminal();
  let rounds = 0;
  const prepare = async (): Promise<PrePorts> => {
    rounds += 1;
    return { ...ports, faults: rounds < 3 ? ['VpcId: no'] : [] };
  };
  const code = await clock.until(
    doctorBefore(
      { waitMs: 60_000, json: false, colors: false },
      prepare,
      clock,
      terminal,
      new AbortController().signal,
    ),
  );
  expect([code, rounds]).toEqual([0, 3]);
  expect(terminal.written.err).toBe('Not well yet: values.\n'.repeat(2));
  expect(terminal.written.out.split('\n').filter((line) => line.length > 80)).toEqual([]);
});

const rule = (condition: unknown, assert: unknown) =>
  JSON.stringify({
    Rules: {
      One: { RuleCondition: condition, Assertions: [{ Assert: assert, AssertDescription: 'so it is' }] },
    },
  });

describe('rules of the template', () => {
  const of = (text: string) => contradictions(text, (name) => (name === 'List' ? 'a, a' : name));
  const isA = { 'Fn::Equals': [{ Ref: 'A' }, 'A'] };
  const isB = { 'Fn::Equals': [{ Ref: 'A' }, 'B'] };

  test.each<[unknown, unknown, string[]]>([
    [isA, isA, []],
    [isA, isB, ['so it is']],
    [isB, isB, []],
    [undefined, isB, ['so it is']],
    [isA, { 'Fn::Not': [isB] }, []],
    [isA, { 'Fn::And': [isA, isB] }, ['so it is']],
    [isA, { 'Fn::Or': [isA, isB] }, []],
    [isA, { 'Fn::EachMemberEquals': [{ Ref: 'List' }, 'a'] }, []],
    [isA, { 'Fn::EachMemberEquals': [{ Ref: 'List' }, 'b'] }, ['so it is']],
  ])('hold or do not: %j, %j', (condition, assert, expected) => {
    expect(of(rule(condition, assert))).toEqual(expected);
  });

  test('with what is not known are no rules that hold', () => {
    expect(() => of(rule(isA, { 'Fn::Contains': [['a'], 'a'] }))).toThrow('Fn::Contains');
    expect(contradictions('{}', () => '')).toEqual([]);
  });
});
