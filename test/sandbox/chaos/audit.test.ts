import { describe, expect, test } from '@jest/globals';
import type { Answer } from '../../../infra/sandbox/chaos/answers.ts';
import { audit, type Evidence } from '../../../infra/sandbox/chaos/audit.ts';
import type { StoredAccount } from '../../../infra/sandbox/chaos/directory.ts';
import type { LedgerWrite, Sleep } from '../../../infra/sandbox/chaos/ledger.ts';
import type { ActionRecord, MessageRecord } from '../../../infra/sandbox/chaos/record.ts';
import type { Life } from '../../../infra/sandbox/story/lives.ts';

const living = 'i-0aaaaaaaaaaaaaaaa';
const gone = 'i-0bbbbbbbbbbbbbbbb';
const stampOf = (instanceId: string) => `stamp of ${instanceId}`;

const account = (name: string, stamp: string): StoredAccount => ({
  name,
  objectGuid: `guid of ${name}`,
  distinguishedName: `CN=${name},OU=Fleet,DC=corp`,
  stamp,
  enabled: true,
  passwordLastSet: '200',
  fingerprint: `${name} ${stamp}`,
});
const stranger = account('PRINTSERVER', '');
const member = account('A1', stampOf(living));

const action = (token: string, instanceId: string, transition: ActionRecord['transition']): ActionRecord => ({
  token,
  group: 'fleet',
  instanceId,
  transition,
  destination: transition === 'launch' ? 'AutoScalingGroup' : 'EC2',
  begunAt: 1_000,
  ends: [{ end: 'answer', result: 'CONTINUE', at: 2_000 }],
});
const launch = action('t1', living, 'launch');
const termination = action('t2', gone, 'terminate');

const message = (body: string, change: Partial<MessageRecord> = {}): MessageRecord => ({
  messageId: body,
  queue: 'actions',
  body,
  sentAt: 1_000,
  receives: 1,
  end: 'deleted',
  endedAt: 3_000,
  ...change,
});
const told = (token: string): string => JSON.stringify({ LifecycleActionToken: token });
const garbage = message('not JSON', { end: 'dead', receives: 5 });
const good = message(told('t1'));

const alive: Life = { instanceId: living, group: 'fleet', launchedAt: 1, inServiceAt: 2 };
const serviceAccount = { locked: false, badPasswords: 0 };
const view = (accounts: readonly StoredAccount[], change: Partial<typeof serviceAccount> = {}) => ({
  name: 'dc1',
  accounts,
  identifiers: accounts.map(({ objectGuid }) => objectGuid),
  serviceAccount: { ...serviceAccount, ...change },
});
const worker = { name: 'worker 1', deaths: 1, kills: 1, exitCode: 0 };
const seen = { complaint: undefined, owed: false };
const answer: Answer = { instanceId: living, token: 't1', transition: 'launch', ...seen };
const farewell: Answer = { instanceId: gone, token: 't2', transition: 'terminate', ...seen };

const hold = (fencingToken: number, owner?: string): LedgerWrite => ({
  key: gone,
  fencingToken,
  owner,
  leaseExpiresAt: undefined,
});
const asleep: Sleep = { worker: 'worker 1', held: [hold(1, 'one')], after: 1, died: false };
const swept = (found = '0 removed, 0 kept', accounts = 1) => ({
  code: 0,
  text: `${accounts} account and 2 memberships examined: ${found}, 0 reported,\n0 errors.\n`,
});
const searched = { searched: 3, places: [], records: 2, invocations: 4 };

const sound: Evidence = {
  actions: [launch, termination],
  instances: [
    alive,
    { instanceId: gone, group: 'fleet', launchedAt: 1, inServiceAt: 2, leavingAt: 3, goneAt: 4 },
  ],
  messages: [good, message(told('t2')), garbage, message(told('forged'))],
  answers: [answer, farewell],
  writes: [hold(1, 'one'), hold(2, 'two'), hold(2)],
  sleeps: [asleep],
  memberships: [
    { instanceId: living, state: 'member' },
    { instanceId: gone, state: 'removed', objectGuid: 'guid of B1' },
  ],
  controllers: [view([member, stranger]), { ...view([member, stranger]), name: 'dc2' }],
  dnsNames: ['a1'],
  testjoin: new Map(),
  unresolved: [],
  strangers: [stranger],
  unrest: [],
  sweeps: [swept('1 removed, 2 kept'), swept()],
  workers: [worker],
  refusedVersions: 0,
  secrets: searched,
  leftovers: [],
  stampOf,
};

const broken = (change: Partial<Evidence>): string[] =>
  audit({ ...sound, ...change })
    .filter((proof) => !proof.proven)
    .map((proof) => proof.claim);

describe('the audit', () => {
  test('finds nothing where there is nothing', () => {
    expect(broken({})).toEqual([]);
  });

  test('takes a logon of each worker with a version that was refused for what it is', () => {
    const controllers = [view([member, stranger], { badPasswords: 5 })];
    expect(broken({ controllers, refusedVersions: 2 })).toEqual([]);
  });

  const breaches: readonly [string, Partial<Evidence>, RegExp][] = [
    ['something hangs', { unrest: ['fleet has 1 of 2 in service'] }, /^all came to rest/],
    [
      'an action was never ended',
      { actions: [{ ...launch, ends: [] }], messages: [] },
      /^every lifecycle action ended once/,
    ],
    [
      'an action was ended twice',
      { actions: [{ ...launch, ends: [...launch.ends, ...launch.ends] }] },
      /^every lifecycle action ended once/,
    ],
    [
      'an action was left to its time-out',
      { actions: [{ ...launch, ends: [{ end: 'deadline', result: 'ABANDON', at: 2_000 }] }, termination] },
      /^every lifecycle action ended once/,
    ],
    [
      'a launch was continued unjoined',
      { answers: [{ ...answer, complaint: 'no account carries its stamp' }, farewell] },
      /^CONTINUE only/,
    ],
    ['a launch was continued by a stranger', { answers: [farewell] }, /^CONTINUE only/],
    [
      'a termination was continued with the account still there',
      { answers: [answer, { ...farewell, complaint: 'B1 is still there' }] },
      /^a termination is answered only/,
    ],
    ['a termination was continued by a stranger', { answers: [answer] }, /^a termination is answered only/],
    ['a member has no account', { controllers: [view([stranger])], dnsNames: [] }, /^accounts in the OU/],
    [
      'a member has two accounts',
      { controllers: [view([member, stranger, { ...member, name: 'A2' }])] },
      /^accounts in the OU/,
    ],
    [
      'the account of a member is disabled',
      { controllers: [view([{ ...member, enabled: false }, stranger])] },
      /^accounts in the OU/,
    ],
    [
      'an account is left of an instance that is gone',
      { controllers: [view([member, stranger, account('A9', stampOf(gone))])] },
      /^accounts in the OU/,
    ],
    [
      'an account without a stamp appeared',
      { controllers: [view([member, stranger, account('A9', '')])] },
      /^accounts in the OU/,
    ],
    [
      'only one of the controllers shows an orphan',
      { controllers: [view([member, stranger]), view([member, stranger, account('A9', stampOf(gone))])] },
      /^accounts in the OU/,
    ],
    ['a machine is no member', { testjoin: new Map([[living, 'not joined']]) }, /^machines: adcli/],
    ['a machine in service knows no user', { unresolved: [living] }, /^machines: getent/],
    ['a DNS record is left', { dnsNames: ['a1', 'a9'] }, /^DNS/],
    [
      'a debt is left',
      {
        memberships: [
          { instanceId: living, state: 'member' },
          { instanceId: gone, state: 'owed' },
        ],
      },
      /^ledger/,
    ],
    ['the ledger forgot a member', { memberships: [] }, /^ledger/],
    [
      'the ledger takes the dead for a member',
      {
        memberships: [
          { instanceId: living, state: 'member' },
          { instanceId: gone, state: 'member' },
        ],
      },
      /^ledger/,
    ],
    [
      'an account that was moved outlives its record',
      { controllers: [{ ...view([member, stranger]), identifiers: ['guid of B1'] }] },
      /^no account in the ledger outlives/,
    ],
    [
      'a holder that was overtaken wrote on',
      { writes: [hold(1, 'one'), hold(2, 'two'), hold(1, 'one')], sleeps: [] },
      /^ledger: each write/,
    ],
    [
      'two held one record under one token',
      { writes: [hold(1, 'one'), hold(1, 'two')], sleeps: [] },
      /^ledger: each write/,
    ],
    ['a sleeper holds on', { writes: [hold(1, 'one'), hold(1, 'one')] }, /^whoever slept/],
    ['a message is still there', { messages: [message(told('t1'), { end: undefined })] }, /^every message/],
    ['a message expired', { messages: [message(told('t1'), { end: 'expired' })] }, /^every message/],
    [
      'a real message is a dead letter',
      { messages: [message(told('t1'), { end: 'dead' })] },
      /^every message/,
    ],
    [
      'a message was deleted before its action ended',
      { messages: [message(told('t1'), { endedAt: 1_500 })] },
      /^every message/,
    ],
    ['garbage was deleted', { messages: [{ ...garbage, end: 'deleted' }] }, /^every message/],
    ["another's account was removed", { controllers: [view([member])] }, /^accounts of others/],
    [
      "another's account was changed",
      { controllers: [view([member, { ...stranger, fingerprint: 'other' }])] },
      /^accounts of others/,
    ],
    [
      'the service account is locked',
      { controllers: [view([member, stranger], { locked: true })] },
      /^service account/,
    ],
    [
      'wrong passwords were tried',
      { controllers: [view([member, stranger], { badPasswords: 4 })] },
      /^service account/,
    ],
    [
      'a wrong version was tried again and again',
      { controllers: [view([member, stranger], { badPasswords: 6 })], refusedVersions: 2 },
      /^service account/,
    ],
    ['a worker died by itself', { workers: [{ ...worker, deaths: 2 }] }, /^workers/],
    ['a worker did not end by itself', { workers: [{ ...worker, exitCode: null }] }, /^workers/],
    ['a sweep failed', { sweeps: [{ code: 70, text: 'failed' }, swept()] }, /^a sweep/],
    ['a sweep was not run again', { sweeps: [swept()] }, /^a sweep/],
    [
      'a sweep after the sweep removed something',
      { sweeps: [swept(), swept('1 removed, 0 kept')] },
      /^a sweep/,
    ],
    ['a sweep after the sweep left something', { sweeps: [swept(), swept('0 removed, 1 kept')] }, /^a sweep/],
    ['a sweep after the sweep saw no account', { sweeps: [swept(), swept(undefined, 0)] }, /^a sweep/],
    ['a sweep after the sweep said nothing', { sweeps: [swept(), { code: 0, text: '' }] }, /^a sweep/],
    ['a log holds a secret', { secrets: { ...searched, places: ['agent.log'] } }, /secrets/],
    ['no secret was there to search for', { secrets: { ...searched, searched: 1 } }, /secrets/],
    ['the ledger was not searched', { secrets: { ...searched, records: 0 } }, /secrets/],
    ['the commands were not searched', { secrets: { ...searched, invocations: 0 } }, /secrets/],
    ['a machine was left', { leftovers: ['disk of i-0'] }, /^machines: nothing left/],
  ];

  test.each(breaches)('%s: it says so, and nothing else', (_, change, claim) => {
    const claims = broken(change);
    expect(claims).toHaveLength(1);
    expect(claims[0]).toMatch(claim);
  });
});
