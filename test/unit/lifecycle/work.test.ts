import { beforeEach, describe, expect, test } from '@jest/globals';
import { AdjoinError, type ErrorCode } from '../../../agent/errors.ts';
import type { Lease } from '../../../agent/ledger/ledger.ts';
import { bootOf, noteError } from '../../../agent/lifecycle/work.ts';
import { createLeasedWork, INSTANCE, launch, type LeasedWork } from './leased-work.ts';

let scene: LeasedWork;
let lease: Lease;
beforeEach(async () => {
  scene = createLeasedWork();
  lease = await scene.take(launch);
  scene.calls.length = 0;
});

const note = (code: ErrorCode, message: string): Promise<void> =>
  noteError(lease, scene.clock, new AdjoinError(code, message));
const noted = () => scene.table.get(INSTANCE)?.lastError;

describe('why an action is not done yet', () => {
  test('is written into the ledger, with the time', async () => {
    await scene.clock.advance(5_000);
    await note('join-failed', 'no');
    expect(noted()).toEqual({ code: 'join-failed', message: 'no', at: scene.clock.now() });
  });

  test('is written once while it stays the same', async () => {
    await note('join-failed', 'no');
    const first = noted();
    await scene.clock.advance(5_000);
    await note('join-failed', 'no');
    expect(scene.calls).toEqual(['table.write joining']);
    expect(noted()).toEqual(first);
  });

  test.each([
    ['another code', 'command-failed', 'no'],
    ['another message', 'join-failed', 'not yet'],
  ] as const)('is written again when it has %s', async (_what, code, message) => {
    await note('join-failed', 'no');
    await note(code, message);
    expect(noted()).toMatchObject({ code, message });
  });

  test.each(['aws-throttled', 'unexpected'] as const)(
    'may stay unwritten when the ledger answers %s, and the work goes on',
    async (code) => {
      scene.fault = () => {
        throw new AdjoinError(code, 'not now');
      };
      await expect(note('join-failed', 'no')).resolves.toBeUndefined();
      expect(noted()).toBeUndefined();
    },
  );

  test.each(['lease-lost', 'draining', 'action-void'] as const)(
    'is not all that matters when the ledger answers %s: the work ends',
    async (code) => {
      scene.fault = () => {
        throw new AdjoinError(code, 'over');
      };
      await expect(note('join-failed', 'no')).rejects.toMatchObject({ code });
    },
  );
});

test('boots of one group from one place are of one kind, and what had begun before its action is no boot', () => {
  const { group, startedAt: since } = launch;
  expect(bootOf(launch)).toEqual({ kind: `${group} EC2`, since });
  expect(bootOf({ ...launch, origin: 'WarmPool' })).toEqual({ kind: `${group} WarmPool`, since });
  expect(bootOf({ ...launch, source: 'request' })).toBeUndefined();
  expect(bootOf({ ...launch, source: 'event' })).toBeUndefined();
});
