import { beforeEach, describe, expect, test } from '@jest/globals';
import { createSweepLeases, type SweepLeases, type SweepLease } from '../../../agent/sweep/lease.ts';
import { createMemorySweepLease, type MemorySweepLease } from '../../support/memory-table.ts';
import { createVirtualClock, type VirtualClock } from '../../support/virtual-clock.ts';

const LEASE_MS = 90_000;
const HOUR = 3_600_000;

let clock: VirtualClock;
let memory: MemorySweepLease;
let leases: SweepLeases;
let beforeWrite: () => void;

beforeEach(() => {
  clock = createVirtualClock();
  memory = createMemorySweepLease();
  beforeWrite = () => undefined;
  let owners = 0;
  leases = createSweepLeases({
    store: {
      ...memory,
      async write(record, expected) {
        beforeWrite();
        return memory.put(record, expected);
      },
    },
    clock,
    nextOwner: () => `worker/${(owners += 1)}`,
    leaseMs: LEASE_MS,
  });
});

async function taken(intervalMs = HOUR): Promise<SweepLease> {
  const lease = await leases.take(intervalMs);
  if (!lease.taken) throw new Error(lease.reason);
  return lease;
}

describe("the sweep's lease", () => {
  test('is one worker’s at a time', async () => {
    await taken();
    const until = clock.now() + LEASE_MS;
    await expect(leases.take(0)).resolves.toMatchObject({
      taken: false,
      reason: 'worker/1 sweeps',
      notBefore: until,
    });
    await clock.advance(LEASE_MS - 1);
    await expect(leases.take(0)).resolves.toMatchObject({ taken: false });
  });

  test('falls to the next one when its holder is gone', async () => {
    await taken();
    await clock.advance(LEASE_MS);
    await expect(leases.take(HOUR)).resolves.toMatchObject({ taken: true });
    expect(memory.record?.fencingToken).toBe(2);
  });

  test('lasts as long as it is renewed', async () => {
    const lease = await taken();
    await clock.advance(LEASE_MS - 1);
    await lease.renew();
    await clock.advance(LEASE_MS - 1);
    await expect(leases.take(0)).resolves.toMatchObject({ taken: false });
  });

  test('is given once per interval, counted from the end of the last sweep', async () => {
    const lease = await taken();
    await clock.advance(1_000);
    await lease.release(true);
    await expect(leases.take(HOUR)).resolves.toMatchObject({ taken: false, notBefore: clock.now() + HOUR });
    await clock.advance(HOUR);
    await taken();
  });

  test('is given at once to a person, and to the next worker after a sweep that did not end', async () => {
    await (await taken()).release(true);
    await (await taken(0)).release(false);
    await expect(leases.take(HOUR)).resolves.toMatchObject({ taken: false });
    await clock.advance(HOUR);
    await (await taken()).release(false);
    await taken();
  });

  test("can't be renewed or given back by a worker that slept through it", async () => {
    const paused = await taken();
    await clock.advance(LEASE_MS);
    await taken();
    const theirs = memory.get();
    await expect(paused.renew()).rejects.toMatchObject({ code: 'lease-lost' });
    await paused.release(true);
    expect(memory.record).toEqual(theirs);
  });

  test('goes to one of two that ask at once', async () => {
    const [one, other] = await Promise.all([leases.take(HOUR), leases.take(HOUR)]);
    expect(one.taken).not.toBe(other.taken);
  });

  test('that is in doubt is not ours', async () => {
    beforeWrite = () => {
      throw new Error('lost');
    };
    await expect(leases.take(HOUR)).rejects.toThrow('lost');
  });
});
