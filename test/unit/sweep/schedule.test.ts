import { beforeEach, describe, expect, test } from '@jest/globals';
import { AdjoinError } from '../../../agent/errors.ts';
import { createSweepLeases } from '../../../agent/sweep/lease.ts';
import type { SweepReport } from '../../../agent/sweep/report.ts';
import { sweepUnderLease, sweepOnSchedule, type ScheduleOptions } from '../../../agent/sweep/schedule.ts';
import { createMemoryLog, type MemoryLog } from '../../support/memory-log.ts';
import { createMemorySweepLease, type MemorySweepLease } from '../../support/memory-table.ts';
import { createVirtualClock, type VirtualClock } from '../../support/virtual-clock.ts';

const LEASE_MS = 90_000;
const HOUR = 3_600_000;

let clock: VirtualClock;
let stored: MemorySweepLease;
let reading: () => void;
let log: MemoryLog;
let sweeps: { worker: string; at: number }[];
let running: number;
let mostRunning: number;
let lasts: number;
let complete: boolean;
let start: number;

beforeEach(() => {
  clock = createVirtualClock();
  start = clock.now();
  stored = createMemorySweepLease();
  reading = () => undefined;
  log = createMemoryLog();
  sweeps = [];
  running = 0;
  mostRunning = 0;
  lasts = 10_000;
  complete = true;
});

const report = (): SweepReport => ({
  dryRun: false,
  complete,
  accounts: 7,
  memberships: 8,
  findings: [],
  errors: [],
});

function worker(name: string): ScheduleOptions {
  let owners = 0;
  return {
    leases: createSweepLeases({
      store: {
        ...stored,
        async read() {
          reading();
          return stored.get();
        },
      },
      clock,
      nextOwner: () => `${name}/${(owners += 1)}`,
      leaseMs: LEASE_MS,
    }),
    intervalMs: HOUR,
    async sweep(signal) {
      sweeps.push({ worker: name, at: clock.now() - start });
      running += 1;
      mostRunning = Math.max(mostRunning, running);
      try {
        await clock.sleep(lasts, signal);
        return report();
      } catch {
        return { ...report(), complete: false, errors: [{ error: new AdjoinError('draining', 'stop') }] };
      } finally {
        running -= 1;
      }
    },
    clock,
    random: () => 0.5,
    log,
  };
}

describe('a scheduled sweep', () => {
  test('begins soon after the start, and then an interval after each end', async () => {
    const stop = new AbortController();
    const over = sweepOnSchedule(worker('one'), stop.signal);
    await clock.advance(2 * HOUR + 5 * 60_000);
    expect(sweeps.map(({ at }) => Math.round(at / 60_000))).toEqual([1, 61, 122]);
    stop.abort();
    await clock.until(over);
  });

  test('is one for three workers, however they start', async () => {
    const stop = new AbortController();
    const over = ['one', 'two', 'three'].map((name) => sweepOnSchedule(worker(name), stop.signal));
    await clock.advance(3 * HOUR);
    expect(sweeps).toHaveLength(3);
    expect(mostRunning).toBe(1);
    stop.abort();
    await clock.until(Promise.all(over));
  });

  test('that takes longer than its lease keeps it', async () => {
    lasts = 10 * LEASE_MS;
    const stop = new AbortController();
    const over = ['one', 'two'].map((name) => sweepOnSchedule(worker(name), stop.signal));
    await clock.advance(HOUR);
    expect(sweeps).toHaveLength(1);
    expect(mostRunning).toBe(1);
    stop.abort();
    await clock.until(Promise.all(over));
  });

  test('is taken over when its worker is gone', async () => {
    stored.record = { fencingToken: 5, leaseOwner: 'dead', leaseExpiresAt: clock.now() + 5 * 60_000 };
    const stop = new AbortController();
    const over = sweepOnSchedule(worker('one'), stop.signal);
    await clock.advance(4 * 60_000);
    expect(sweeps).toEqual([]);
    await clock.advance(4 * 60_000);
    expect(sweeps).toHaveLength(1);
    stop.abort();
    await clock.until(over);
  });

  test('ends at once when the worker stops, and leaves the rest to the next one', async () => {
    lasts = HOUR;
    const stop = new AbortController();
    const over = sweepOnSchedule(worker('one'), stop.signal);
    await clock.advance(60_000);
    stop.abort(new AdjoinError('draining', 'stop'));
    const before = clock.now();
    await clock.until(over);
    expect(clock.now()).toBe(before);
    expect(stored.record).toMatchObject({ fencingToken: 1 });
    expect(stored.record?.endedAt).toBeUndefined();
    expect(stored.record?.leaseExpiresAt).toBeUndefined();
  });

  test('that did not end is tried again after a pause, not at once', async () => {
    complete = false;
    const stop = new AbortController();
    const over = sweepOnSchedule(worker('one'), stop.signal);
    await clock.advance(10 * 60_000);
    expect(sweeps.length).toBeGreaterThan(3);
    expect(sweeps.length).toBeLessThan(10);
    stop.abort();
    await clock.until(over);
  });

  test('survives an outage of the ledger', async () => {
    reading = () => {
      throw new AdjoinError('aws-unavailable', 'no');
    };
    const stop = new AbortController();
    const over = sweepOnSchedule(worker('one'), stop.signal);
    await clock.advance(5 * 60_000);
    expect(log.lines.filter(({ event }) => event === 'no sweep').length).toBeGreaterThan(1);
    reading = () => undefined;
    await clock.advance(5 * 60_000);
    expect(sweeps).toHaveLength(1);
    stop.abort();
    await clock.until(over);
  });
});

describe('a sweep in lease', () => {
  test('does not begin in a process that was suspended until its lease had run out', async () => {
    const options = worker('one');
    const lease = await options.leases.take(0);
    if (!lease.taken) throw new Error(lease.reason);
    clock.skip(LEASE_MS);
    const swept = clock.until(sweepUnderLease(lease, options, new AbortController().signal));
    await expect(swept).rejects.toMatchObject({ code: 'lease-lost' });
    expect(sweeps).toEqual([]);
  });

  test('is told as one event, with its counts', async () => {
    const options = worker('one');
    const lease = await options.leases.take(0);
    if (!lease.taken) throw new Error(lease.reason);
    await clock.until(sweepUnderLease(lease, options, new AbortController().signal));
    expect(log.lines).toEqual([
      {
        level: 'info',
        event: 'sweep ended',
        fields: {
          dryRun: false,
          complete: true,
          examined: { accounts: 7, memberships: 8 },
          orphans: 0,
          removed: 0,
          owedPaid: 0,
          reconciled: 0,
          records: 0,
          twins: 0,
          vanished: [],
          moved: [],
          instances: [],
          kept: {},
          errors: [],
        },
      },
    ]);
  });

  test('stops when the lease is lost', async () => {
    lasts = HOUR;
    const options = worker('one');
    const lease = await options.leases.take(0);
    if (!lease.taken) throw new Error(lease.reason);
    const over = sweepUnderLease(lease, options, new AbortController().signal);
    stored.record = { fencingToken: 9, leaseOwner: 'another', leaseExpiresAt: clock.now() + LEASE_MS };
    await expect(clock.until(over)).resolves.toMatchObject({ complete: false });
    expect(clock.now() - start).toBeLessThan(LEASE_MS);
    expect(stored.record).toMatchObject({ fencingToken: 9, leaseOwner: 'another' });
  });
});
