import { describe, expect, test } from '@jest/globals';
import {
  createLedgerWatch,
  type LedgerWrite,
  sleptThrough,
  staleWrites,
} from '../../../infra/sandbox/chaos/ledger.ts';

const key = 'i-0aaaaaaaaaaaaaaaa';
const [one, two] = ['host/11/a', 'host/22/b'] as const;

const write = (fencingToken: number, owner?: string): LedgerWrite => ({
  key,
  fencingToken,
  owner,
  leaseExpiresAt: owner === undefined ? undefined : 100,
});
const put = (fencingToken: number, owner?: string, instanceId = key) => ({
  TableName: 'memberships',
  Item: {
    instanceId: { S: instanceId },
    fencingToken: { N: String(fencingToken) },
    ...(owner === undefined ? {} : { leaseOwner: { S: owner }, leaseExpiresAt: { N: '100' } }),
  },
});

describe('the watch over the ledger', () => {
  test('keeps who wrote under which token, and nothing of items that nobody holds', () => {
    const ledger = createLedgerWatch();
    ledger.note('PutItem', put(1, one));
    ledger.note('PutItem', put(1));
    ledger.note('PutItem', {
      Item: { instanceId: { S: 'refused-credential/1' }, code: { S: 'credential-refused' } },
    });
    ledger.note('PutItem', null);
    expect(ledger.writes).toEqual([write(1, one), write(1)]);
  });

  test('sees what a transaction writes, once however often it is sent, and no read', () => {
    const ledger = createLedgerWatch();
    const other = 'i-0bbbbbbbbbbbbbbbb';
    const transaction = {
      TransactItems: [{ Put: put(1, one) }, { Put: put(4, two, other) }],
      ClientRequestToken: 'a',
    };
    ledger.note('TransactWriteItems', transaction);
    ledger.note('TransactWriteItems', transaction);
    ledger.note('TransactGetItems', { TransactItems: [{ Get: { Key: { instanceId: { S: key } } } }] });
    ledger.note('GetItem', put(1, one));
    expect(ledger.writes).toEqual([write(1, one), { ...write(4, two), key: other }]);
    ledger.note('TransactWriteItems', { TransactItems: [{ Put: put(1) }], ClientRequestToken: 'b' });
    expect(ledger.writes.at(-1)).toEqual(write(1));
  });

  test('knows what a process holds: memberships only, while the lease lasts and is its own', () => {
    const ledger = createLedgerWatch();
    const held = (pid: number, now = 50) => ledger.heldBy(pid, now).map((each) => each.key);
    ledger.note('PutItem', put(1, 'host/11/c', 'sweep-lease'));
    expect(held(11)).toEqual([]);
    ledger.note('PutItem', put(1, one));
    expect([held(11), held(1), held(11, 100)]).toEqual([[key], [], []]);
    ledger.note('PutItem', put(2, two));
    expect([held(11), held(22)]).toEqual([[], [key]]);
    ledger.note('PutItem', put(2));
    expect(held(22)).toEqual([]);
  });
});

describe('stale writes', () => {
  test('renewals, a return, and others that take over are none', () => {
    const sound = [write(1, one), write(1, one), write(1), write(2, two), write(3, one), write(3), write(3)];
    expect(staleWrites(sound)).toEqual([]);
  });

  test.each([
    ['a holder that was overtaken writes on', [write(1, one), write(2, two), write(1, one)]],
    ['it gives back what is no longer its own', [write(1, one), write(2, two), write(1)]],
    ['two hold under one token', [write(1, one), write(1, two)]],
    ['another takes what was given back, under the old token', [write(1, one), write(1), write(1, two)]],
  ])('%s: it is one', (_, writes) => {
    expect(staleWrites(writes)).toHaveLength(1);
  });
});

describe('what a worker slept through', () => {
  const ends = (writes: readonly LedgerWrite[], died = false): string[] => {
    const before = [write(1, one)];
    const sleep = { worker: 'worker 1', held: before, after: before.length, died };
    return sleptThrough(sleep, [...before, ...writes]).map(({ end }) => end);
  };

  test.each<[string, readonly LedgerWrite[], string]>([
    ['another took over', [write(2, two), write(2)], 'taken over'],
    ['it gave back', [write(1)], 'given back'],
    ['it took the record again, as everybody may', [write(2, 'host/11/z')], 'taken over'],
    ['it wrote after another had taken over', [write(2, two), write(1, one)], 'written'],
    ['it goes on holding', [write(1, one)], 'still held'],
    ['nothing more was heard of it', [], 'still held'],
  ])('%s', (_, writes, end) => {
    expect(ends(writes)).toEqual([end]);
  });

  test('a worker that died in its sleep gives nothing back', () => {
    expect(ends([], true)).toEqual(['died']);
  });
});
