import { beforeEach, describe, expect, test } from '@jest/globals';
import { createLedger, type Lease } from '../../../agent/ledger/ledger.ts';
import { awaitStraggler, intendToStage } from '../../../agent/ledger/staging.ts';
import { createMemoryTable, type MemoryTable } from '../../support/memory-table.ts';
import { createVirtualClock, type VirtualClock } from '../../support/virtual-clock.ts';

const INSTANCE = 'i-0123456789abcdef0';
const INTENTION_MS = 10_000;
const OPERATION_MS = 7_000;
/** The intention, a search and a write, and five seconds on top. */
const STRAGGLE_MS = INTENTION_MS + 2 * OPERATION_MS + 5_000;

let clock: VirtualClock;
let table: MemoryTable;
let lease: Lease;
/** Milliseconds that the table takes for a write. */
let writeMs: number;

beforeEach(async () => {
  clock = createVirtualClock();
  table = createMemoryTable();
  writeMs = 0;
  const ledger = createLedger({
    table: {
      ...table,
      async write(...write) {
        if (writeMs > 0) await clock.sleep(writeMs);
        return table.put(...write);
      },
    },
    clock,
    nextOwner: () => 'worker/1',
    leaseMs: 96_000,
  });
  lease = await ledger.claim(INSTANCE);
});

const intend = (): Promise<void> =>
  clock.until(intendToStage(lease, clock, { computerName: 'A1', domainController: 'dc1' }));

describe('an intention to stage', () => {
  test('says which account may exist from now on, and nothing of an earlier staging', async () => {
    await lease.update({ state: 'removed', expiresAt: 7, stagedPasswordLastSet: '9', computerName: 'A0' });
    await clock.advance(1_000);
    await intend();
    const record = table.get(INSTANCE);
    expect(record).toMatchObject({
      state: 'joining',
      stagingBegan: clock.now(),
      computerName: 'A1',
      domainController: 'dc1',
    });
    expect([record?.expiresAt, record?.stagedPasswordLastSet]).toEqual([undefined, undefined]);
  });

  test('counts from before it was written', async () => {
    const began = clock.now();
    writeMs = 3_000;
    await intend();
    expect(table.get(INSTANCE)?.stagingBegan).toBe(began);
  });

  test('is valid when writing it took 10 s, and not a millisecond longer', async () => {
    writeMs = INTENTION_MS;
    await expect(intend()).resolves.toBeUndefined();
    writeMs = INTENTION_MS + 1;
    await expect(intend()).rejects.toMatchObject({ code: 'aws-unavailable' });
  });
});

describe('a staging that may still arrive', () => {
  test('is waited for until it was carried out or never will be', async () => {
    const began = clock.now();
    await lease.update({ stagingBegan: began });
    await clock.advance(1_000);
    await clock.until(awaitStraggler(lease, clock, OPERATION_MS, new AbortController().signal));
    expect(clock.now() - began).toBe(STRAGGLE_MS);
  });

  test.each([
    ['was never begun', undefined],
    ['was begun that long ago', STRAGGLE_MS],
  ])('is not waited for when it %s', async (_what, ago) => {
    await lease.update({ stagingBegan: ago === undefined ? undefined : clock.now() - ago });
    let slept = 0;
    const watched = {
      ...clock,
      async sleep() {
        slept += 1;
      },
    };
    await awaitStraggler(lease, watched, OPERATION_MS, new AbortController().signal);
    expect(slept).toBe(0);
  });

  test('is waited for no longer than until the work stops', async () => {
    await lease.update({ stagingBegan: clock.now() });
    const stop = new AbortController();
    const waited = awaitStraggler(lease, clock, OPERATION_MS, stop.signal);
    stop.abort(new Error('stopped'));
    await expect(waited).rejects.toThrow('stopped');
  });
});
