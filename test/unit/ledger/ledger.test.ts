import { beforeEach, describe, expect, jest, test } from '@jest/globals';
import { AdjoinError } from '../../../agent/errors.ts';
import { createLedger, type Ledger } from '../../../agent/ledger/ledger.ts';
import type { Membership } from '../../../agent/ledger/membership.ts';
import { createMemoryTable, type MemoryTable } from '../../support/memory-table.ts';
import { createVirtualClock, type VirtualClock } from '../../support/virtual-clock.ts';
import type { LifecycleAction } from '../../../agent/terms.ts';

const NODE = 'i-0123456789abcdef0';
const LEASE_MS = 96_000;

const launch: LifecycleAction = {
  token: 'launch-token',
  hook: 'join',
  group: 'fleet',
  instanceId: NODE,
  transition: 'launching',
  origin: 'EC2',
  destination: 'AutoScalingGroup',
  startedAt: 0,
};
const terminate: LifecycleAction = {
  ...launch,
  token: 'terminate-token',
  hook: 'unjoin',
  transition: 'terminating',
};

let clock: VirtualClock;
let memory: MemoryTable;
/** What the next write does, instead of working. */
let fault: ((write: () => boolean) => boolean | Promise<boolean>) | undefined;
let owners: number;
let ledger: Ledger;

beforeEach(() => {
  clock = createVirtualClock();
  memory = createMemoryTable();
  fault = undefined;
  owners = 0;
  ledger = createLedger({
    table: {
      ...memory,
      async write(...record) {
        const write = (): boolean => memory.put(...record);
        const now = fault;
        fault = undefined;
        return now ? now(write) : write();
      },
    },
    clock,
    nextOwner: () => {
      owners += 1;
      return `worker/${owners}`;
    },
    leaseMs: LEASE_MS,
  });
});

const record = (): Membership => {
  const found = memory.get(NODE);
  if (!found) throw new Error('There is no record.');
  return found;
};

describe('taking an action', () => {
  test('never writes over what its holder wrote after it was read', async () => {
    const lease = await ledger.take(launch);
    await clock.advance(LEASE_MS - 1);
    const written = Promise.withResolvers<void>();
    fault = async (write) => {
      await written.promise;
      return write();
    };
    await clock.advance(1);
    const taken = ledger.take(terminate);
    // The holder's last write arrives between the other's read and write.
    await clock.advance(0);
    memory.memberships.set(NODE, { ...record(), stagingBegan: 7, leaseExpiresAt: clock.now() + LEASE_MS });
    written.resolve();
    await expect(taken).rejects.toMatchObject({ code: 'action-owned-elsewhere' });
    expect(record()).toMatchObject({ stagingBegan: 7, fencingToken: lease.membership.fencingToken });
  });

  test('learns that its lease ran out from an answer that comes too late', async () => {
    const lease = await ledger.take(launch);
    fault = async (write) => {
      await clock.sleep(LEASE_MS);
      return write();
    };
    await expect(clock.until(lease.update({ state: 'staged' }))).rejects.toMatchObject({
      code: 'lease-lost',
    });
  });

  test('opens its record, under a lease', async () => {
    await ledger.take(launch);
    expect(record()).toEqual({
      instanceId: NODE,
      autoScalingGroup: 'fleet',
      state: 'joining',
      fencingToken: 1,
      leaseOwner: 'worker/1',
      leaseExpiresAt: clock.now() + LEASE_MS,
      launch: { actionToken: 'launch-token', hook: 'join', times: { received: clock.now() } },
      terminate: undefined,
      expiresAt: undefined,
    });
  });

  test('is refused while another holds it, and goes through when that lease has run out', async () => {
    await ledger.take(launch);
    await clock.advance(LEASE_MS - 1);
    await expect(ledger.take(launch)).rejects.toMatchObject({ code: 'action-owned-elsewhere' });
    await clock.advance(1);
    await ledger.take(launch);
    expect(record()).toMatchObject({ fencingToken: 2, leaseOwner: 'worker/3' });
  });

  test('goes through at once after a release', async () => {
    const lease = await ledger.take(launch);
    await lease.release();
    expect(record().leaseOwner).toBeUndefined();
    await ledger.take(launch);
    expect(record().fencingToken).toBe(2);
  });

  test('whose write arrived although its answer was lost holds', async () => {
    // The client asks again by itself, and finds the condition failed by its own first write.
    fault = (write) => {
      write();
      return false;
    };
    const lease = await ledger.take(launch);
    await lease.renew();
    expect(record()).toMatchObject({ fencingToken: 1, leaseOwner: 'worker/1' });
  });

  test.each([1_000, LEASE_MS - 1])(
    'again, %d ms after a write whose every answer was lost, knows its own lease, and renews it',
    async (afterMs) => {
      const request = { owner: ledger.newOwner(), lastsMs: LEASE_MS };
      fault = (write) => {
        write();
        throw new AdjoinError('aws-unavailable', 'The answer was lost.');
      };
      await expect(ledger.take(launch, request)).rejects.toMatchObject({ code: 'aws-unavailable' });
      await clock.advance(afterMs);
      const lease = await ledger.take(launch, request);
      expect(record()).toMatchObject({
        fencingToken: 1,
        leaseOwner: request.owner,
        leaseExpiresAt: clock.now() + LEASE_MS,
      });
      await lease.update({ state: 'staged' });
      expect(record().state).toBe('staged');
    },
  );

  test('again, when the lease of a lost answer has run out, is a new lease', async () => {
    const request = { owner: ledger.newOwner(), lastsMs: LEASE_MS };
    fault = (write) => {
      write();
      throw new AdjoinError('aws-unavailable', 'The answer was lost.');
    };
    await expect(ledger.take(launch, request)).rejects.toThrow('lost');
    await clock.advance(LEASE_MS);
    await ledger.take(launch, request);
    expect(record()).toMatchObject({ fencingToken: 2, leaseOwner: request.owner });
  });

  test('lasts for as long as was asked for, and says to others when it ends', async () => {
    const lease = await ledger.take(launch, { owner: ledger.newOwner(), lastsMs: 9_600 });
    await clock.advance(9_599);
    await expect(ledger.take(launch)).rejects.toMatchObject({
      code: 'action-owned-elsewhere',
      until: clock.now() + 1,
    });
    await lease.renew();
    expect([lease.lastsMs, record().leaseExpiresAt]).toEqual([9_600, clock.now() + 9_600]);
  });

  test('that another took in the same moment is refused', async () => {
    fault = async () => {
      await ledger.take(launch);
      return false;
    };
    await expect(ledger.take(launch)).rejects.toMatchObject({ code: 'action-owned-elsewhere' });
    expect(record().leaseOwner).toBe('worker/2');
  });

  test('that keeps changing hands is left to the others', async () => {
    const refuse = (): boolean => {
      fault = refuse;
      return false;
    };
    fault = refuse;
    await expect(ledger.take(launch)).rejects.toThrow('keeps changing hands');
  });

  test('of a new instance is one write and no look', async () => {
    const read = jest.spyOn(memory, 'get');
    const lease = await ledger.take(launch, { owner: 'worker/1', lastsMs: LEASE_MS, isNew: true });
    expect(read).not.toHaveBeenCalled();
    expect(lease.membership).toMatchObject({ state: 'joining', fencingToken: 1, leaseOwner: 'worker/1' });
    expect(record()).toEqual(lease.membership);
  });

  test('of an instance that is known after all changes nothing before its record is read', async () => {
    const earlier = await ledger.take(launch);
    await earlier.update({ state: 'member', objectGuid: 'guid' }, 'verify');
    const asked = { owner: 'worker/2', lastsMs: LEASE_MS, isNew: true };
    await expect(ledger.take(launch, asked)).rejects.toMatchObject({ code: 'action-owned-elsewhere' });
    expect(record()).toEqual(JSON.parse(JSON.stringify(earlier.membership)));
    await earlier.release();
    const lease = await ledger.take(launch, asked);
    expect(lease.membership).toMatchObject({ state: 'member', objectGuid: 'guid', fencingToken: 2 });
  });

  test('of a new instance, whose write has lost its answer, holds when it is asked for again', async () => {
    fault = (write) => {
      write();
      throw new AdjoinError('aws-unavailable', 'no answer');
    };
    const asked = { owner: 'worker/1', lastsMs: LEASE_MS };
    await expect(ledger.take(launch, { ...asked, isNew: true })).rejects.toMatchObject({
      code: 'aws-unavailable',
    });
    const lease = await ledger.take(launch, asked);
    expect(lease.membership).toMatchObject({ fencingToken: 1, leaseOwner: 'worker/1' });
  });

  test('takes the time at which its message was received for the time of its receive', async () => {
    const receivedAt = clock.now() - 40_000;
    await ledger.take(launch, { owner: 'worker/1', lastsMs: LEASE_MS, receivedAt });
    expect(record().launch?.times.received).toBe(receivedAt);
    expect(record().leaseExpiresAt).toBe(clock.now() + LEASE_MS);
  });

  test('by two at once is won by one', async () => {
    const results = await Promise.allSettled([ledger.take(launch), ledger.take(launch), ledger.take(launch)]);
    expect(results.map((result) => result.status).toSorted()).toEqual(['fulfilled', 'rejected', 'rejected']);
  });

  test('again with the same token keeps its times and its state', async () => {
    const first = await ledger.take(launch);
    const received = clock.now();
    await clock.advance(5_000);
    await first.update({ state: 'staged', objectGuid: 'guid' }, 'stage');
    await first.release();
    await clock.advance(60_000);
    const second = await ledger.take(launch);
    expect(second.membership).toMatchObject({
      state: 'staged',
      objectGuid: 'guid',
      launch: { times: { received, stage: received + 5_000 } },
    });
  });

  test('of a new launch starts over, but keeps what is known of an account', async () => {
    const first = await ledger.take(launch);
    await first.update(
      { state: 'member', objectGuid: 'guid', computerName: 'A1', stagingBegan: 7 },
      'verify',
    );
    await first.release();
    const leaving = await ledger.take(terminate);
    await leaving.update({ state: 'owed', expiresAt: 99 }, 'remove');
    await leaving.release();
    await clock.advance(1_000);
    const again = await ledger.take({ ...launch, token: 'another-token' });
    expect(again.membership).toMatchObject({
      state: 'joining',
      fencingToken: 3,
      objectGuid: 'guid',
      computerName: 'A1',
      stagingBegan: 7,
      launch: { actionToken: 'another-token', times: { received: clock.now() } },
    });
    expect(again.membership.launch?.times).toEqual({ received: clock.now() });
    expect(again.membership.terminate).toBeUndefined();
    expect(again.membership.expiresAt).toBeUndefined();
  });

  test('of a termination keeps the launch, and its own times when it comes again', async () => {
    const first = await ledger.take(launch);
    await first.update({ state: 'member' }, 'verify');
    await first.release();
    const leaving = await ledger.take(terminate);
    const received = clock.now();
    expect(leaving.membership.state).toBe('leaving');
    await leaving.update({ state: 'removed' }, 'remove');
    await leaving.release();
    await clock.advance(1_000);
    const again = await ledger.take(terminate);
    expect(again.membership).toMatchObject({
      state: 'removed',
      launch: { actionToken: 'launch-token' },
      terminate: { actionToken: 'terminate-token', times: { received, remove: received } },
    });
  });

  test('of a new launch forgets why an earlier one failed', async () => {
    const first = await ledger.take(launch);
    await first.update({ state: 'failed', lastError: { code: 'join-exhausted', message: 'no', at: 7 } });
    await first.release();
    await ledger.take({ ...launch, token: 'another-token' });
    expect(record().lastError).toBeUndefined();
  });

  test('of a termination keeps a membership that had ended', async () => {
    const first = await ledger.take(launch);
    await first.update({ state: 'failed', expiresAt: 7 });
    await first.release();
    await ledger.take(terminate);
    expect(record().state).toBe('leaving');
    expect(record().expiresAt).toBeUndefined();
  });

  test('of an instance that the ledger never saw works, too', async () => {
    const leaving = await ledger.take(terminate);
    expect(leaving.membership).toMatchObject({ state: 'leaving', fencingToken: 1 });
    expect(leaving.membership.launch).toBeUndefined();
  });
});

describe('a holder', () => {
  test('renews its lease with each write, and marks when a step ended', async () => {
    const lease = await ledger.take(launch);
    await clock.advance(30_000);
    await lease.update({ computerName: 'A1' }, 'probe');
    expect(record()).toMatchObject({
      computerName: 'A1',
      leaseExpiresAt: clock.now() + LEASE_MS,
      launch: { times: { probe: clock.now() } },
    });
    await clock.advance(30_000);
    await lease.renew();
    expect(record().leaseExpiresAt).toBe(clock.now() + LEASE_MS);
  });

  test('writes the time of a step that it only marks with its next write, also after one that failed', async () => {
    const lease = await ledger.take(launch);
    const began = clock.now();
    lease.mark('node');
    await clock.advance(1_000);
    lease.mark('probe');
    expect(record().launch?.times).toEqual({ received: began });
    fault = () => {
      throw new AdjoinError('aws-unavailable', 'no answer');
    };
    await expect(lease.renew()).rejects.toMatchObject({ code: 'aws-unavailable' });
    await clock.advance(1_000);
    await lease.renew();
    expect(record().launch?.times).toEqual({ received: began, node: began, probe: began + 1_000 });
    lease.mark('complete');
    await lease.release();
    expect(record().launch?.times.complete).toBe(began + 2_000);
  });

  test('that another has followed changes nothing any more', async () => {
    const stale = await ledger.take(launch);
    await clock.advance(LEASE_MS);
    await ledger.take(launch);
    const before = record();
    await expect(stale.update({ state: 'member' })).rejects.toMatchObject({ code: 'lease-lost' });
    await expect(stale.renew()).rejects.toMatchObject({ code: 'lease-lost' });
    await stale.release();
    expect(record()).toEqual(before);
    expect(stale.membership.state).toBe('joining');
  });

  test('whose lease ran out while nobody else came may go on', async () => {
    const lease = await ledger.take(launch);
    await clock.advance(10 * LEASE_MS);
    await lease.update({ state: 'member' });
    expect(record().state).toBe('member');
  });

  test('writes one change after the other, so that none is lost', async () => {
    const lease = await ledger.take(launch);
    fault = async (write) => {
      await clock.sleep(1_000);
      return write();
    };
    const writes = Promise.all([
      lease.update({ computerName: 'A1' }),
      lease.renew(),
      lease.update({ objectGuid: 'guid' }, 'stage'),
    ]);
    await clock.until(writes);
    expect(record()).toMatchObject({ computerName: 'A1', objectGuid: 'guid' });
  });

  test('goes on after a write that failed, with what was last written', async () => {
    const lease = await ledger.take(launch);
    fault = () => Promise.reject(new AdjoinError('aws-unavailable', 'no answer'));
    await expect(lease.update({ computerName: 'A1' })).rejects.toMatchObject({ code: 'aws-unavailable' });
    expect(lease.membership.computerName).toBeUndefined();
    await lease.update({ objectGuid: 'guid' });
    expect(record()).toMatchObject({ objectGuid: 'guid' });
    expect(record().computerName).toBeUndefined();
  });

  test('hears of a release that failed for another reason than a lost lease', async () => {
    const lease = await ledger.take(launch);
    fault = () => Promise.reject(new AdjoinError('aws-unavailable', 'no answer'));
    await expect(lease.release()).rejects.toMatchObject({ code: 'aws-unavailable' });
  });
});

test('a membership is found by its instance', async () => {
  await expect(ledger.find(NODE)).resolves.toBeUndefined();
  await ledger.take(launch);
  await expect(ledger.find(NODE)).resolves.toMatchObject({ instanceId: NODE, state: 'joining' });
});
