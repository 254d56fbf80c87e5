import { describe, expect, test } from '@jest/globals';
import {
  complaintOfJoin,
  complaintOfRemoval,
  createAnswerWatch,
  type JoinLook,
  type RemovalLook,
} from '../../../infra/sandbox/chaos/answers.ts';
import type { StoredAccount } from '../../../infra/sandbox/chaos/directory.ts';
import { createRecord } from '../../../infra/sandbox/chaos/record.ts';

const member: StoredAccount = {
  name: 'A1',
  objectGuid: 'guid of A1',
  distinguishedName: 'CN=A1,OU=Fleet,DC=corp',
  stamp: 'ours',
  enabled: true,
  passwordLastSet: '200',
  fingerprint: '',
};

describe('a CONTINUE for a launch', () => {
  const look: JoinLook = {
    accounts: [member],
    organizationalUnit: 'OU=Fleet,DC=corp',
    stagedPasswordLastSet: '100',
    keytab: true,
    resolves: true,
  };

  test('is right once a controller shows a password that was changed after staging', () => {
    expect(complaintOfJoin(look)).toBeUndefined();
    expect(
      complaintOfJoin({ ...look, accounts: [{ ...member, passwordLastSet: '100' }, member] }),
    ).toBeUndefined();
  });

  test.each<[string, Partial<JoinLook>]>([
    ['there is no account', { accounts: [] }],
    ['the password is the staged one', { stagedPasswordLastSet: '200' }],
    ['the account was never staged', { stagedPasswordLastSet: undefined }],
    ['the account is elsewhere', { organizationalUnit: 'OU=Others,DC=corp' }],
    ['the account is disabled', { accounts: [{ ...member, enabled: false }] }],
    ['the machine never joined', { keytab: false }],
    ['the machine knows no account of the domain', { resolves: false }],
  ])('is wrong while %s', (_, change) => {
    expect(complaintOfJoin({ ...look, ...change })).toBeDefined();
  });
});

describe('a CONTINUE for a termination', () => {
  test.each<[string, RemovalLook]>([
    ['the account is gone', { state: 'removed', accounts: [] }],
    ['the ledger owes the removal', { state: 'owed', accounts: [member] }],
  ])('is right once %s', (_, look) => {
    expect(complaintOfRemoval(look)).toBeUndefined();
  });

  test.each<[string, RemovalLook]>([
    ['the account is there', { state: 'removed', accounts: [member] }],
    ['nobody knows where the removal was done', { state: 'removed', accounts: undefined }],
    ['the ledger does not say so', { state: 'leaving', accounts: [] }],
    ['the ledger has no record', { state: undefined, accounts: undefined }],
  ])('is wrong while %s', (_, look) => {
    expect(complaintOfRemoval(look)).toBeDefined();
  });
});

describe('the watch over the answers', () => {
  const begin = () => {
    const record = createRecord(() => 7);
    record.note({
      kind: 'action-begun',
      group: 'fleet',
      transition: 'autoscaling:EC2_INSTANCE_LAUNCHING',
      destination: 'AutoScalingGroup',
      instanceId: 'i-1',
      token: 't',
    });
    const looked = Promise.withResolvers<void>();
    const watch = createAnswerWatch(record, async () => {
      await looked.promise;
      return { complaint: 'no account carries its stamp', owed: false };
    });
    return { record, watch, lookEnds: looked.resolve };
  };
  const call = { LifecycleActionToken: 't', LifecycleActionResult: 'CONTINUE' };

  test('judges an answer that takes effect', async () => {
    const { watch, lookEnds } = begin();
    lookEnds();
    (await watch.before(call))?.();
    expect(watch.answers).toEqual([
      {
        instanceId: 'i-1',
        token: 't',
        transition: 'launch',
        complaint: 'no account carries its stamp',
        owed: false,
      },
    ]);
  });

  test('does not judge one whose action ended during the look: the answer is refused', async () => {
    const { record, watch, lookEnds } = begin();
    const looking = watch.before(call);
    record.note({ kind: 'action-ended', token: 't', end: 'void' });
    lookEnds();
    await looking;
    // Nobody calls back for a call that was refused.
    expect(watch.answers).toEqual([]);
  });

  test.each([
    ['an ABANDON', { ...call, LifecycleActionResult: 'ABANDON' }],
    ['an unknown action', { ...call, LifecycleActionToken: 'other' }],
    ['garbage', null],
  ])('does not look at %s', async (_, input) => {
    expect(await begin().watch.before(input)).toBeUndefined();
  });
});
