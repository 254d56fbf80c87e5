import { beforeEach, describe, expect, test } from '@jest/globals';
import { AdjoinError } from '../../../agent/errors.ts';
import type { KeepAlive } from '../../../agent/keep-alive.ts';
import type { Lease } from '../../../agent/ledger/ledger.ts';
import { createInProgress, type InProgress } from '../../../agent/lifecycle/in-progress.ts';
import { settleVoidLaunch } from '../../../agent/lifecycle/void-launch.ts';
import { CONTROLLER } from '../../support/memory-directory.ts';
import { createLeasedWork, INSTANCE, launch, LEASE_MS, NAME, type LeasedWork } from './leased-work.ts';

const SETTLE_MS = 60_000;
const LEFT = 'account of a void launch is left to the sweep: its instance is not shown';
const OWED = 'account of a void launch is owed to the sweep';

let scene: LeasedWork;
let lease: Lease;
/** What Auto Scaling shows of the instance. */
let lifecycleState: string | undefined;
let entered: KeepAlive[];
let left: KeepAlive[];

async function open(operationMs?: number): Promise<void> {
  scene = createLeasedWork(operationMs);
  lease = await scene.take(launch);
  lifecycleState = 'Terminating:Wait';
  entered = [];
  left = [];
}
beforeEach(() => open());

const inProgress = (): InProgress => ({
  ...createInProgress(),
  add: (keepAlive) => void entered.push(keepAlive),
  remove: (keepAlive) => void left.push(keepAlive),
});

function settle(): Promise<void> {
  const admission = {
    async instance(_instanceId: string, signal: AbortSignal) {
      scene.calls.push('autoscaling.instance');
      await scene.fault('autoscaling.instance', signal);
      return lifecycleState === undefined ? undefined : { group: 'fleet', lifecycleState };
    },
    ec2: async () => undefined,
  };
  const settled = settleVoidLaunch(
    { action: launch, lease, log: scene.log },
    { ...scene.ports, admission, inProgress: inProgress() },
  );
  return scene.clock.until(settled);
}

const record = () => scene.table.get(INSTANCE);
const events = (): string[] => scene.log.lines.map(({ event }) => event);
const hang = (signal?: AbortSignal): Promise<void> => scene.clock.sleep(Number.MAX_SAFE_INTEGER, signal);

describe('a launch that became void', () => {
  test('without an account has nothing to settle', async () => {
    const before = record();
    scene.calls.length = 0;
    await settle();
    expect(scene.calls).toEqual([]);
    expect(record()).toEqual(before);
    expect(entered).toEqual([]);
  });

  test('is left to the sweep while its instance is not shown', async () => {
    await scene.stage(lease);
    lifecycleState = undefined;
    await settle();
    expect(scene.domain.named(NAME)).toBeDefined();
    expect(record()?.state).toBe('staged');
    expect(events()).toEqual([LEFT]);
  });

  test.each(['InService', 'Pending:Wait', 'Pending:Proceed', 'Standby', 'Detaching', 'Warmed:Stopped'])(
    'keeps the account of an instance that is %s',
    async (shown) => {
      await scene.stage(lease);
      lifecycleState = shown;
      await settle();
      expect(scene.domain.named(NAME)).toBeDefined();
      expect(record()?.state).toBe('staged');
      expect(events()).toEqual([]);
    },
  );

  test.each([
    'Terminating',
    'Terminating:Wait',
    'Terminating:Proceed',
    'Terminated',
    'Warmed:Terminating',
    'Warmed:Terminating:Wait',
    'Warmed:Terminated',
  ])('loses the account of an instance that is %s', async (shown) => {
    await scene.stage(lease);
    lifecycleState = shown;
    await settle();
    expect(scene.domain.named(NAME)).toBeUndefined();
    expect(record()).toMatchObject({ state: 'removed', domainController: CONTROLLER });
    expect(record()?.expiresAt).toBeGreaterThan(scene.clock.now() / 1000);
    expect(record()?.foundNames).toBeUndefined();
    expect(events()).toEqual(['account of a void launch removed']);
  });

  test('is owed when the directory does not remove its account', async () => {
    await scene.stage(lease);
    scene.fault = (name) => {
      if (name === 'directory.remove') throw new AdjoinError('directory-denied', 'no');
    };
    await settle();
    expect(record()?.state).toBe('owed');
    expect(record()?.expiresAt).toBeUndefined();
    expect(events()).toEqual([OWED]);
  });

  test('is owed when the directory has not answered after 60 s', async () => {
    await scene.stage(lease);
    scene.fault = async (name, signal) => {
      if (name === 'directory.find') await hang(signal);
    };
    const began = scene.clock.now();
    await settle();
    expect(scene.clock.now() - began).toBe(SETTLE_MS);
    expect(record()?.state).toBe('owed');
    expect(scene.log.lines.at(-1)?.fields).toMatchObject({ error: { code: 'directory-unavailable' } });
  });

  test('is not settled when Auto Scaling has not answered after 60 s', async () => {
    await scene.stage(lease);
    scene.fault = async (name, signal) => {
      if (name === 'autoscaling.instance') await hang(signal);
    };
    const began = scene.clock.now();
    await expect(settle()).rejects.toMatchObject({ message: `${INSTANCE}: no answer within 60 s.` });
    expect(scene.clock.now() - began).toBe(SETTLE_MS);
    expect(record()?.state).toBe('staged');
    expect(left).toEqual(entered);
  });

  test('waits for a staging that may still arrive, however long that takes, before its time is counted', async () => {
    const operationMs = 60_000;
    await open(operationMs);
    await scene.stage(lease);
    const began = scene.clock.now();
    await lease.update({ stagingBegan: began });
    await settle();
    expect(record()?.state).toBe('removed');
    expect(scene.clock.now() - began).toBe(10_000 + 2 * operationMs + 5_000);
  });

  test('is settled under a lease that is fresh', async () => {
    await scene.stage(lease);
    await scene.clock.advance(LEASE_MS - 1_000);
    let lastsMs = 0;
    scene.fault = (name) => {
      if (name === 'autoscaling.instance') lastsMs = (record()?.leaseExpiresAt ?? 0) - scene.clock.now();
    };
    await settle();
    expect(lastsMs).toBe(LEASE_MS);
  });

  test('is settled under a lease that is renewed meanwhile, and no longer than that', async () => {
    await scene.stage(lease);
    const lasts: number[] = [];
    scene.fault = async (name) => {
      if (name !== 'autoscaling.instance' && name !== 'directory.find') return;
      await scene.clock.sleep(55_000);
      lasts.push((record()?.leaseExpiresAt ?? 0) - scene.clock.now());
    };
    await settle();
    expect(Math.min(...lasts)).toBeGreaterThanOrEqual((2 * LEASE_MS) / 3 - 1);
    expect(record()?.state).toBe('removed');
    const before = record();
    expect(scene.clock.sleeping).toBe(0);
    await scene.clock.advance(10 * LEASE_MS);
    expect(record()).toEqual(before);
  });

  test('counts its lease from the question, not from the answer', async () => {
    await scene.stage(lease);
    const began = scene.clock.now();
    let writes = 0;
    scene.fault = async (name, signal) => {
      if (name === 'autoscaling.instance') await hang(signal);
      if (!name.startsWith('table.write')) return;
      writes += 1;
      if (writes > 1) throw new AdjoinError('aws-unavailable', 'down');
      await scene.clock.sleep(SETTLE_MS);
    };
    await expect(settle()).rejects.toMatchObject({ code: 'lease-lost' });
    expect(scene.clock.now() - began).toBe(LEASE_MS);
  });

  test('is not settled by a worker that another has followed', async () => {
    await scene.stage(lease);
    await scene.clock.advance(LEASE_MS);
    await scene.take(launch);
    scene.calls.length = 0;
    await expect(settle()).rejects.toMatchObject({ code: 'lease-lost' });
    expect(scene.calls).toEqual(['table.write staged']);
    expect(scene.domain.named(NAME)).toBeDefined();
  });

  test('keeps its account when its lease runs out while that is looked for', async () => {
    await scene.stage(lease);
    scene.fault = (name) => {
      // The process is suspended: its clock goes on, and the answer comes before any alarm.
      if (name === 'directory.find') scene.clock.skip(2 * LEASE_MS);
    };
    await settle();
    expect(scene.domain.named(NAME)).toBeDefined();
    expect(record()?.state).toBe('owed');
  });

  test('can be stopped for as long as it is settled, and not any more afterwards', async () => {
    await scene.stage(lease);
    const counts: number[][] = [];
    scene.fault = (name) => {
      if (name === 'autoscaling.instance') counts.push([entered.length, left.length]);
    };
    await settle();
    expect(counts).toEqual([[1, 0]]);
    expect(left).toEqual(entered);
  });

  test('is owed at once when the worker stops', async () => {
    await scene.stage(lease);
    scene.fault = async (name, signal) => {
      if (name !== 'directory.find') return;
      entered[0]?.abort(new AdjoinError('draining', 'The worker stops.'));
      await hang(signal);
    };
    const began = scene.clock.now();
    await settle();
    expect(scene.clock.now()).toBe(began);
    expect(record()?.state).toBe('owed');
  });
});
