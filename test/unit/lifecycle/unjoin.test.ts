import { beforeEach, describe, expect, test } from '@jest/globals';
import { AdjoinError } from '../../../agent/errors.ts';
import type { MembershipChange } from '../../../agent/ledger/membership.ts';
import { unjoin } from '../../../agent/lifecycle/unjoin.ts';
import type { Verdict } from '../../../agent/lifecycle/work.ts';
import { CONTROLLER } from '../../support/memory-directory.ts';
import { createLeasedWork, INSTANCE, launch, NAME, termination, type LeasedWork } from './leased-work.ts';

let scene: LeasedWork;
beforeEach(() => {
  scene = createLeasedWork();
});

/** The instance is a member, and what the ledger says of it besides. */
async function member(change: MembershipChange = {}): Promise<void> {
  const lease = await scene.take(launch);
  await scene.stage(lease);
  await lease.update({ state: 'member', ...change }, 'verify');
  await lease.release();
  scene.calls.length = 0;
}

const left = (): Promise<Verdict> => {
  const work = async (): Promise<Verdict> => unjoin(await scene.begin(termination), scene.ports);
  return scene.clock.until(work());
};
const record = () => scene.table.get(INSTANCE);
const asked = (): string[] => scene.calls.filter((call) => !call.startsWith('table.'));
const hang = (signal?: AbortSignal): Promise<void> => scene.clock.sleep(Number.MAX_SAFE_INTEGER, signal);
const draining = new AdjoinError('draining', 'The worker stops.');

describe('a node that is to leave', () => {
  test('is told to only when it is ready', async () => {
    await member();
    scene.isReady = false;
    await expect(left()).resolves.toEqual({ answer: 'CONTINUE', ending: 'unjoined' });
    const removal = ['directory.find', 'directory.disable', 'directory.remove', 'directory.records'];
    expect(asked()).toEqual(['nodes.isReady', ...removal]);
  });

  test('is not told to by a worker that may not go on', async () => {
    await member();
    scene.check = () => {
      if (scene.calls.includes('directory.domain')) throw new AdjoinError('lease-lost', 'It ran out.');
    };
    await expect(left()).rejects.toMatchObject({ code: 'lease-lost' });
    expect(asked()).toEqual(['nodes.isReady', 'directory.domain']);
  });

  test.each([
    ['refuses', () => Promise.reject(new AdjoinError('command-failed', 'no')), 0],
    ['does not answer for 15 s', hang, 15_000],
  ] as const)('and %s, loses its account all the same', async (_what, leave, ms) => {
    await member();
    scene.fault = (name, signal) => (name === 'nodes.leave' ? leave(signal) : undefined);
    const began = scene.clock.now();
    await expect(left()).resolves.toMatchObject({ ending: 'unjoined' });
    expect(scene.clock.now() - began).toBe(ms);
    expect(scene.log.lines.map(({ event }) => event)).toContain('node did not leave by itself');
    expect(record()?.terminate?.times.leave).toBe(scene.clock.now());
  });

  test('is not waited for by a worker that stops, and nothing more is written', async () => {
    await member();
    scene.fault = async (name, signal) => {
      if (name !== 'nodes.leave') return;
      scene.stop.abort(draining);
      await hang(signal);
    };
    await expect(left()).rejects.toBe(draining);
    expect(record()?.state).toBe('leaving');
    expect(record()?.terminate?.times.leave).toBeUndefined();
    expect(scene.log.lines).toEqual([]);
  });
});

describe('the account of a termination', () => {
  test('is removed, and the ledger says when and where, and nothing of what went wrong before', async () => {
    await member({ lastError: { code: 'directory-unavailable', message: 'down', at: 1 } });
    await left();
    expect(scene.domain.named(NAME)).toBeUndefined();
    expect(record()).toMatchObject({ state: 'removed', domainController: CONTROLLER });
    expect(record()?.lastError).toBeUndefined();
    expect(record()?.foundNames).toBeUndefined();
    expect(record()?.expiresAt).toBeGreaterThan(scene.clock.now() / 1000);
    expect(Object.keys(record()?.terminate?.times ?? {})).toEqual(['received', 'leave', 'remove']);
  });

  test.each([
    ['removed', 'unjoined'],
    ['owed', 'owed'],
  ] as const)('that is %s already is not removed again', async (state, ending) => {
    await member();
    const first = await scene.take(termination);
    await first.update({ state }, 'remove');
    await first.release();
    scene.calls.length = 0;
    await expect(left()).resolves.toEqual({ answer: 'CONTINUE', ending });
    expect(asked()).toEqual([]);
    expect(scene.domain.named(NAME)).toBeDefined();
    expect(record()?.state).toBe(state);
  });

  test('that a void message of another action has made a debt of is removed all the same', async () => {
    await member();
    const first = await scene.take(termination);
    await first.update({ state: 'owed' });
    await first.release();
    await expect(left()).resolves.toEqual({ answer: 'CONTINUE', ending: 'unjoined' });
    expect(scene.domain.named(NAME)).toBeUndefined();
    expect(record()?.state).toBe('removed');
  });

  test('that is not removed yet is noted with the reason, and owed with it in the end', async () => {
    await member();
    const notes: unknown[] = [];
    scene.fault = (name) => {
      if (name !== 'directory.find') return;
      notes.push(record()?.lastError?.code);
      throw new AdjoinError('directory-unavailable', 'down');
    };
    const began = scene.clock.now();
    await expect(left()).resolves.toEqual({ answer: 'CONTINUE', ending: 'owed' });
    expect(scene.clock.now() - began).toBe(3_600_000);
    expect(notes.slice(0, 2)).toEqual([undefined, 'directory-unavailable']);
    expect(record()).toMatchObject({
      state: 'owed',
      lastError: { code: 'directory-unavailable', message: 'down' },
    });
    expect(record()?.terminate?.times.remove).toBe(scene.clock.now());
    expect(record()?.expiresAt).toBeUndefined();
  });

  test.each(['account-out-of-reach', 'account-protected', 'removal-unproven'] as const)(
    'that ends with %s is answered at the deadline only',
    async (code) => {
      await member();
      scene.fault = (name) => {
        if (name === 'directory.find') throw new AdjoinError(code, 'CN=A,OU=Elsewhere');
      };
      const began = scene.clock.now();
      await expect(left()).resolves.toEqual({ answer: 'CONTINUE', ending: 'owed' });
      expect(scene.clock.now() - began).toBe(3_600_000);
      expect(record()).toMatchObject({ state: 'owed', lastError: { code, message: 'CN=A,OU=Elsewhere' } });
    },
  );

  test('that is gone, with a DNS record that may not be removed, is answered at once, and the record owed', async () => {
    await member();
    scene.domain.records.add(NAME);
    scene.domain.areRecordsDenied = true;
    const began = scene.clock.now();
    await expect(left()).resolves.toEqual({ answer: 'CONTINUE', ending: 'owed' });
    expect(scene.clock.now()).toBe(began);
    expect(scene.domain.named(NAME)).toBeUndefined();
    expect(record()).toMatchObject({ state: 'owed', lastError: { code: 'dns-record-denied' } });
  });

  test('that is owed says why, and since when', async () => {
    await member();
    await scene.clock.advance(1_000);
    scene.fault = (name) => {
      // Nothing retries it.
      if (name === 'directory.find') throw new AdjoinError('node-unsupported', 'no');
    };
    await left();
    expect(record()?.lastError).toEqual({ code: 'node-unsupported', message: 'no', at: scene.clock.now() });
  });

  test.each(['lease-lost', 'action-void'] as const)(
    'stays, and is not owed, when the work ends with %s',
    async (code) => {
      await member();
      scene.check = () => {
        if (scene.calls.includes('directory.find')) throw new AdjoinError(code, 'over');
      };
      await expect(left()).rejects.toMatchObject({ code });
      expect(scene.domain.named(NAME)).toBeDefined();
      expect(record()?.state).toBe('leaving');
    },
  );

  test('is not owed when the worker stops while its end is written down', async () => {
    await member();
    scene.fault = (name) => {
      if (name !== 'table.write removed') return;
      scene.stop.abort(draining);
      throw new AdjoinError('aws-unavailable', 'no answer');
    };
    await expect(left()).rejects.toBe(draining);
    expect(record()?.state).toBe('leaving');
  });
});

describe('a termination into a warm pool', () => {
  const intoPool = { ...termination, destination: 'WarmPool' };
  const keep = async (): Promise<Verdict> => unjoin(await scene.begin(intoPool), scene.ports);

  test.each([
    ['member', 'verify'],
    ['staged', 'stage'],
  ] as const)('leaves an account that is %s as it is', async (state, step) => {
    const lease = await scene.take(launch);
    await scene.stage(lease);
    await lease.update({ state }, step);
    await lease.release();
    await expect(keep()).resolves.toEqual({ answer: 'CONTINUE', ending: 'kept' });
    expect(record()?.state).toBe(state);
    expect(record()?.expiresAt).toBeUndefined();
    expect(asked()).toEqual([]);
  });

  test('ends the membership of an instance that has no account', async () => {
    await expect(keep()).resolves.toEqual({ answer: 'CONTINUE', ending: 'kept' });
    expect(record()?.state).toBe('removed');
    expect(record()?.expiresAt).toBeGreaterThan(scene.clock.now() / 1000);
  });
});
