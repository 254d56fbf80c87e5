import { beforeEach, describe, expect, test } from '@jest/globals';
import { createLedger, type Lease } from '../../../agent/ledger/ledger.ts';
import { beforeRemoval, rememberedOf } from '../../../agent/ledger/remembered.ts';
import { endedAt, type Membership } from '../../../agent/ledger/membership.ts';
import { createMemoryTable, type MemoryTable } from '../../support/memory-table.ts';
import { createVirtualClock } from '../../support/virtual-clock.ts';

const INSTANCE = 'i-0123456789abcdef0';

let table: MemoryTable;
let lease: Lease;
let writes: number;
/** What the ledger knew when the work asked whether it may go on. */
let known: (readonly string[])[];
let tell: (computerName: string, objectSid?: string) => Promise<void>;

const foundNames = (): readonly string[] => table.get(INSTANCE)?.foundNames ?? [];

beforeEach(async () => {
  const clock = createVirtualClock();
  table = createMemoryTable();
  const ledger = createLedger({
    table: {
      ...table,
      async write(...write) {
        writes += 1;
        return table.put(...write);
      },
    },
    clock,
    nextOwner: () => 'worker/1',
    leaseMs: 96_000,
  });
  lease = await ledger.claim(INSTANCE);
  writes = 0;
  known = [];
  const before = beforeRemoval(lease, () => void known.push(foundNames()));
  tell = (computerName, objectSid) => before({ computerName, objectSid });
});

describe('before an account is deleted', () => {
  test('its name is added to the names that the ledger knows', async () => {
    await lease.update({ foundNames: ['WEB01'] });
    await tell('WEB02');
    await tell('WEB03');
    expect(foundNames()).toEqual(['WEB01', 'WEB02', 'WEB03']);
  });

  test('its name is in the ledger by the time that the work is asked whether it may go on', async () => {
    await tell('WEB01');
    expect(known).toEqual([['WEB01']]);
  });

  test('a name that the ledger knows is not written again, and the work is asked all the same', async () => {
    await tell('WEB01');
    await tell('WEB01');
    expect(writes).toBe(1);
    expect(known).toHaveLength(2);
  });

  test('its security identifier is added to those that the ledger knows, and stays for the time after', async () => {
    await tell('WEB01', 'S-1-5-21-1');
    await tell('WEB01', 'S-1-5-21-2');
    await tell('WEB01', 'S-1-5-21-2');
    await tell('WEB01');
    expect(writes).toBe(2);
    expect(table.get(INSTANCE)?.objectSids).toEqual(['S-1-5-21-1', 'S-1-5-21-2']);
    await lease.update(endedAt(0));
    expect(table.get(INSTANCE)?.objectSids).toEqual(['S-1-5-21-1', 'S-1-5-21-2']);
  });

  test('a work that may not go on is stopped', async () => {
    const refused = beforeRemoval(lease, () => {
      throw new Error('lost');
    });
    await expect(refused({ computerName: 'WEB01' })).rejects.toThrow('lost');
  });
});

describe('what is remembered of the accounts of an instance', () => {
  test('are all names, each once, and the domain controller', async () => {
    await lease.update({
      computerName: 'A1',
      foundNames: ['WEB01'],
      domainController: 'dc1',
      objectGuid: 'g1',
      objectSids: ['S-1-5-21-1'],
    });
    expect(rememberedOf(lease.membership, ['B1', 'A1', 'B1'])).toEqual({
      names: ['B1', 'A1'],
      foundNames: ['WEB01'],
      domainController: 'dc1',
      objectGuid: 'g1',
      objectSids: ['S-1-5-21-1'],
    });
    expect(rememberedOf(lease.membership).names).toEqual(['A1']);
  });

  test('is nothing when the ledger knows nothing', () => {
    expect(rememberedOf(lease.membership)).toStrictEqual({
      names: [],
      foundNames: [],
      domainController: undefined,
      objectGuid: undefined,
      objectSids: [],
      staged: undefined,
    });
  });

  test('is the last staging, at its latest time, while its account may exist', async () => {
    const computerName = 'A0123456789ABCD';
    const launch = { actionToken: 't', hook: 'join', times: { received: 1_000, stage: 2_000 } };
    const staged = (change: Partial<Membership>) =>
      rememberedOf({ ...lease.membership, state: 'member', computerName, launch, objectGuid: 'g', ...change })
        .staged;
    expect(staged({})).toEqual({ computerName, at: 2_000 });
    expect(staged({ stagingBegan: 3_000 })).toEqual({ computerName, at: 3_000 });
    expect(staged({ launch: { ...launch, times: { received: 1_000 } } })).toEqual({
      computerName,
      at: 1_000,
    });
    expect(staged({ objectGuid: undefined })).toBeUndefined();
    expect(staged({ state: 'removed' })).toBeUndefined();
  });
});
