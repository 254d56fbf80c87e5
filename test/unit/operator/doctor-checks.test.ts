import { describe, expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Check, runChecks, type Finding } from '../../../agent/checks/check.ts';
import { placeChecks, type PlacePorts } from '../../../agent/checks/place-checks.ts';
import { parseConfig } from '../../../agent/config.ts';
import { AdjoinError } from '../../../agent/errors.ts';
import { deploymentChecks } from '../../../agent/operator/doctor/deployment-checks.ts';
import { doctor } from '../../../agent/operator/doctor/doctor.ts';
import { groupChecks } from '../../../agent/operator/doctor/group-checks.ts';
import { nodeChecks } from '../../../agent/operator/doctor/node-checks.ts';
import type { DeskPorts } from '../../../agent/operator/doctor/ports.ts';
import { preChecks } from '../../../agent/operator/doctor/pre-checks.ts';
import { recordTerminal } from '../../support/terminal.ts';
import { createVirtualClock } from '../../support/virtual-clock.ts';

const ACCOUNT = '123456789012';
const NODE = 'i-0123456789abcdef0';
const role = (name: string): string => `arn:aws:iam::${ACCOUNT}:role/${name}`;
const pinned = { name: 'adjoin-probe', version: '1', hash: 'a'.repeat(64) };

const config = parseConfig(
  JSON.stringify({
    region: 'eu-central-1',
    accountId: ACCOUNT,
    queueUrl: `https://sqs.eu-central-1.amazonaws.com/${ACCOUNT}/adjoin-lifecycle`,
    table: 'adjoin-memberships',
    secretId: 'adjoin/service-account',
    documents: { probe: pinned, joinLinux: pinned, joinWindows: pinned, leave: pinned },
  }),
  {},
);

const deny = (condition: object, action: unknown = 'secretsmanager:GetSecretValue') => ({
  Effect: 'Deny',
  Principal: '*',
  Action: action,
  Condition: condition,
});
const policyFor = (readers: readonly string[]) => ({
  Statement: [
    deny({ ArnNotEquals: { 'aws:PrincipalArn': readers } }),
    deny({ StringNotEquals: { 'aws:SourceVpce': 'vpce-1' } }),
  ],
});
const readers = [role('adjoin-eu-central-1-worker'), role('adjoin-break-glass')];

const hook = (transition: string, defaultResult: string) => ({
  name: `adjoin-${transition}`,
  transition: `autoscaling:EC2_INSTANCE_${transition}`,
  targetArn: `arn:aws:sqs:eu-central-1:${ACCOUNT}:adjoin-lifecycle`,
  roleArn: role('adjoin-eu-central-1-hook-publisher'),
  defaultResult,
});
const hooks = [hook('LAUNCHING', 'ABANDON'), hook('TERMINATING', 'CONTINUE')];

const instance = { instanceId: NODE, lifecycleState: 'InService', isHealthy: true, template: 'lt-1:2' };
const group = {
  name: 'fleet',
  desired: 1,
  template: 'lt-1:2',
  instances: [instance],
  tags: new Map([['JoinAD', { value: 'true', propagates: true }]]),
};
const queue = { waiting: 0, inFlight: 0, deadLetterQueueArn: 'arn:aws:sqs:…:letters', isEncrypted: true };
const membership = { instanceId: NODE, autoScalingGroup: 'fleet', state: 'member', fencingToken: 1 } as const;

/** A world in which all is well. */
const desk = (change: Partial<DeskPorts> = {}): DeskPorts => ({
  config,
  identity: async () => ({ account: ACCOUNT, arn: role('me'), skewMs: 300 }),
  queue: async () => queue,
  depth: async () => 0,
  tableStatus: async () => 'ACTIVE',
  document: async () => ({ status: 'Active', sha256: pinned.hash }),
  secret: async () => ({ currentVersion: 'v1', policy: policyFor(readers) }),
  refusal: async () => undefined,
  sweepEndedAt: async () => 0,
  now: () => 60_000,
  group: async () => group,
  hooks: async () => hooks,
  instance: async () => ({ state: 'running', tags: new Map([['JoinAD', 'true']]), group: 'fleet' }),
  managed: async () =>
    new Map([[NODE, { isOnline: true, agentVersion: '3.3', platform: 'Amazon Linux 2023' }]]),
  membership: async () => membership,
  ...change,
});

const place = (change: Partial<PlacePorts> = {}): PlacePorts => ({
  services: new Map(),
  skewMs: () => 0,
  readSecret: async () => 'v1',
  controllers: async () => ['dc1:636'],
  reach: async () => undefined,
  logOn: async () => 'corp.example.test',
  trial: {
    create: async () => 'A1 on dc1',
    reset: async () => undefined,
    disable: async () => undefined,
    remove: async () => undefined,
    undo: async () => undefined,
  },
  missingDnsRights: async () => [],
  cleansDns: true,
  ...change,
});

const run = <Ports>(
  checks: readonly Check<Ports>[],
  ports: Ports,
  denied: 'skipped' | 'failed' = 'skipped',
) =>
  runChecks(checks, ports, {
    clock: createVirtualClock(),
    signal: new AbortController().signal,
    limitMs: 1_000,
    denied,
  });

const deskChecks = [...deploymentChecks, ...groupChecks('fleet'), ...nodeChecks(NODE)];
const notPassed = (findings: readonly Finding[]) => findings.filter(({ state }) => state === 'failed');

const wrong = (): Promise<never> => Promise.reject(new AdjoinError('directory-denied', 'No.'));
const withTrial = (change: Partial<PlacePorts['trial']>): Partial<PlacePorts> => ({
  trial: { ...place().trial, ...change },
});

/** For each check, a world in which it and no earlier one fails. */
const faults: Readonly<Record<string, Partial<DeskPorts>>> = {
  identity: { identity: async () => ({ account: '1', arn: 'x', skewMs: 0 }) },
  clock: { identity: async () => ({ account: ACCOUNT, arn: 'x', skewMs: -400_000 }) },
  queue: { queue: async () => ({ ...queue, isEncrypted: false }) },
  messages: { queue: async () => ({ ...queue, waiting: 3 }) },
  'dead-letters': { depth: async () => 1 },
  ledger: { tableStatus: async () => 'DELETING' },
  documents: { document: async () => ({ status: 'Active', sha256: 'b'.repeat(64) }) },
  secret: { secret: async () => ({ currentVersion: undefined, policy: policyFor(readers) }) },
  'secret-readers': {
    secret: async () => ({ currentVersion: 'v1', policy: policyFor([...readers, role('eve')]) }),
  },
  credential: {
    refusal: async () => ({ versionId: 'v1', code: 'credential-refused', message: 'Refused.' }),
  },
  workers: { group: async () => ({ ...group, desired: 2 }) },
  'worker-version': { group: async () => ({ ...group, template: 'lt-1:3' }) },
  sweep: { now: () => 4 * 3_600_000 },
  group: { group: async (name) => (name === 'fleet' ? undefined : group) },
  'group-hooks': { hooks: async () => [hook('LAUNCHING', 'CONTINUE')] },
  'group-tag': {
    group: async () => ({ ...group, tags: new Map([['JoinAD', { value: 'true', propagates: false }]]) }),
  },
  'group-managed': { managed: async () => new Map() },
  'group-members': { membership: async () => ({ ...membership, state: 'failed' }) },
  node: { instance: async () => undefined },
  'node-tag': { instance: async () => ({ state: 'running', tags: new Map(), group: undefined }) },
  'node-managed': { managed: async () => new Map() },
  'node-member': { membership: async () => undefined },
};

const placeFaults: Readonly<Record<string, Partial<PlacePorts>>> = {
  ...Object.fromEntries(
    ['sqs', 'autoscaling', 'ec2', 'ssm', 'dynamodb'].map((service) => [
      `endpoint-${service}`,
      { services: new Map([[service, wrong]]) },
    ]),
  ),
  'worker-clock': { skewMs: () => 120_000 },
  'secret-readable': { readSecret: wrong },
  controllers: { controllers: async () => [] },
  ldaps: { reach: wrong },
  'log-on': { logOn: wrong },
  'right-create': withTrial({ create: wrong }),
  'right-reset': withTrial({ reset: wrong }),
  'right-disable': withTrial({ disable: wrong }),
  'right-delete': withTrial({ remove: wrong }),
  'right-dns': { missingDnsRights: async () => ['dnsRecord'] },
};

describe('the checks', () => {
  test('all pass where all is well', async () => {
    const findings = [...(await run(deskChecks, desk())), ...(await run(placeChecks, place(), 'failed'))];
    expect(findings.filter(({ state }) => state !== 'passed')).toEqual([]);
  });

  test('each has a fault that it is tested with, and an ID of its own', () => {
    const ids = [...deskChecks, ...placeChecks].map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect([...Object.keys(faults), ...Object.keys(placeFaults)].toSorted()).toEqual(ids.toSorted());
  });

  test.each(Object.entries(faults))('%s says what is wrong and what to do', async (id, change) => {
    const found = notPassed(await run(deskChecks, desk(change))).find((each) => each.id === id);
    expect(found?.text).toMatch(/\w.*/);
    expect(found?.todo).toMatch(/\w.*/);
  });

  test.each(Object.entries(placeFaults))('%s says what is wrong, at a worker’s place', async (id, change) => {
    const found = notPassed(await run(placeChecks, place(change), 'failed'));
    expect(found.map((each) => each.id)).toEqual([id]);
  });

  test.each([...preChecks, ...deskChecks, ...placeChecks].map(({ id }) => id))(
    '%s has its section in docs/doctor.md',
    (id) => {
      const page = readFileSync(join(import.meta.dirname, '../../../docs/doctor.md'), 'utf8');
      expect(page.split('\n').filter((line) => line === `### ${id}`)).toHaveLength(1);
    },
  );

  test('one that AWS denies to a person is not looked at, and what needs it is not either', async () => {
    const denied = (): Promise<never> =>
      Promise.reject(new AdjoinError('aws-denied', 'sqs:GetQueueAttributes'));
    const findings = await run(deskChecks, desk({ queue: denied }));
    const skips = findings.filter(({ state }) => state === 'skipped').map(({ id, text }) => `${id}: ${text}`);
    expect(skips).toEqual([
      'queue: not permitted: sqs:GetQueueAttributes',
      'messages: because of queue',
      'dead-letters: because of queue',
    ]);
    expect(notPassed(findings)).toEqual([]);
  });

  test('what AWS denies to the worker is a failure', async () => {
    const denied = (): Promise<never> => Promise.reject(new AdjoinError('aws-denied', 'ssm:…'));
    const [finding] = notPassed(
      await run(placeChecks, place({ services: new Map([['ssm', denied]]) }), 'failed'),
    );
    expect(finding?.text).toContain('aws-denied');
  });
});

describe('the readers of the secret', () => {
  test.each([
    ['a policy without a denial', { Statement: [] }],
    ['no policy', undefined],
    [
      'a denial with a second condition',
      { Statement: [deny({ ArnNotEquals: { 'aws:PrincipalArn': readers }, Bool: { x: 'true' } })] },
    ],
    ['a denial that names a wildcard', policyFor([role('adjoin-eu-central-1-worker'), role('*')])],
    [
      'a policy without the endpoint',
      { Statement: [deny({ ArnNotEquals: { 'aws:PrincipalArn': readers } })] },
    ],
    ['a policy that leaves the worker out', policyFor([role('adjoin-break-glass')])],
  ])('%s is a failure', async (_, policy) => {
    const findings = await run(deskChecks, desk({ secret: async () => ({ currentVersion: 'v1', policy }) }));
    expect(notPassed(findings).map(({ id }) => id)).toEqual(['secret-readers']);
  });
});

describe('doctor', () => {
  const options = { groups: ['fleet'], nodes: [NODE], waitMs: 0, json: false, colors: false };
  const { signal } = new AbortController();

  test('shows categories, marks and what to do, in 80 columns, and ends with 70', async () => {
    const terminal = recordTerminal();
    const ports = {
      desk: desk({ depth: async () => 2, membership: async () => undefined }),
      clock: createVirtualClock(),
    };
    expect(await doctor(options, ports, terminal, signal)).toBe(70);
    const { out } = terminal.written;
    expect(out).toContain('‼ the dead-letter queue is empty\n    It has 2 messages.\n    Look at them:');
    expect(out).toContain(
      '✘ it is a member of the domain\n    The ledger knows nothing of it: nothing was tried.\n',
    );
    expect(out).toContain('    docs/doctor.md#node-member\n');
    expect(out).toMatch(/\n\ndeployment\n✔ /);
    // The reason is given once, not fifteen times.
    expect(out).toMatch(/- sqs answers the worker \(only a worker can look: [^)]+\)\n/);
    expect(out).toContain('\n- domain controllers are found\n');
    expect(out).toMatch(/\n\d+ passed, 2 failed, 1 warned, 15 not looked at\n$/);
    expect(out.split('\n').filter((line) => Array.from(line).length > 80)).toEqual([]);
  });

  test('is silent about colours without a terminal that has them, and uses them where it has', async () => {
    const seen = async (colors: boolean): Promise<string> => {
      const terminal = recordTerminal();
      await doctor({ ...options, colors }, { desk: desk(), clock: createVirtualClock() }, terminal, signal);
      return terminal.written.out;
    };
    expect(await seen(false)).not.toContain('\u001B');
    expect(await seen(true)).toContain('\u001B[32m✔');
  });

  test('shows what a worker found, and fails with it', async () => {
    const terminal = recordTerminal();
    const askWorker = () => run(placeChecks, place({ logOn: wrong }), 'failed');
    const ports = { desk: desk(), clock: createVirtualClock(), askWorker };
    expect(await doctor({ ...options, json: true }, ports, terminal, signal)).toBe(70);
    const said: { well: boolean; checks: Finding[] } = JSON.parse(terminal.written.out);
    expect(said.well).toBe(false);
    expect(said.checks.find(({ id }) => id === 'log-on')).toMatchObject({
      category: "worker's place",
      state: 'failed',
      text: 'directory-denied: No.',
    });
  });

  test('looks again for as long as it was told to, and shows the last look', async () => {
    const clock = createVirtualClock();
    let looks = 0;
    const ports = {
      clock,
      desk: desk({ tableStatus: async () => ((looks += 1) < 3 ? 'CREATING' : 'ACTIVE') }),
    };
    const terminal = recordTerminal();
    const ending = doctor({ ...options, waitMs: 60_000 }, ports, terminal, signal);
    expect(await clock.until(ending)).toBe(0);
    expect(looks).toBe(3);
    expect(terminal.written.err).toMatch(/^Not well yet: ledger/);
    expect(terminal.written.out.match(/the table of memberships is there/g)).toHaveLength(1);
  });
});
