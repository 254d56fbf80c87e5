import { beforeEach, describe, expect, test } from '@jest/globals';
import { AdjoinError, type ErrorCode } from '../../../agent/errors.ts';
import { createDelivery, type Delivery } from '../../../agent/lifecycle/delivery.ts';
import { dispose } from '../../../agent/lifecycle/dispose.ts';
import type { Ending } from '../../../agent/terms.ts';
import { createMemoryLog, type MemoryLog } from '../../support/memory-log.ts';
import { createVirtualClock, type VirtualClock } from '../../support/virtual-clock.ts';

const VISIBILITY_S = 120;

let clock: VirtualClock;
let log: MemoryLog;
/** What the queue was told, in order. */
let told: string[];
/** What the queue does instead of working. */
let fault: (() => never) | undefined;
let delivery: Delivery;

beforeEach(() => {
  clock = createVirtualClock();
  log = createMemoryLog();
  told = [];
  fault = undefined;
  delivery = receivedFor(3);
});

function receivedFor(receiveCount: number): Delivery {
  const received = createDelivery({ messageId: 'm', body: '{}', receiveCount }, clock.now(), {
    queue: {
      async hide(_message, seconds) {
        fault?.();
        told.push(`hide ${seconds}`);
      },
      async remove() {
        fault?.();
        told.push('remove');
      },
    },
    clock,
    visibilityMs: VISIBILITY_S * 1000,
  });
  received.follow(3_600_000);
  return received;
}

const disposed = (code: ErrorCode): Promise<Ending> =>
  dispose(delivery, new AdjoinError(code, 'why'), { clock, log });
const logged = () => log.lines.map(({ level, event }) => [level, event]);

describe('a message, after an error', () => {
  test.each([
    ['action-void', 'void'],
    ['action-not-opted-in', 'not-opted-in'],
  ] as const)('that says %s, is deleted', async (code, ending) => {
    await expect(disposed(code)).resolves.toBe(ending);
    expect(told).toEqual(['remove']);
    expect(logged()).toEqual([['info', 'message deleted without work']]);
  });

  test.each(['message-malformed', 'message-foreign'] as const)(
    'that says %s, is soon shown again, so that it reaches the dead-letter queue',
    async (code) => {
      await expect(disposed(code)).resolves.toBe('malformed');
      expect(told).toEqual(['hide 1']);
      expect(logged()).toEqual([['error', 'message left for the dead-letter queue']]);
      expect(log.lines[0]?.fields).toMatchObject({ error: { code }, receiveCount: 3 });
    },
  );

  test.each([
    ['draining', 0],
    ['lease-lost', VISIBILITY_S],
    ['action-owned-elsewhere', VISIBILITY_S],
  ] as const)('that says %s, is handed back and shown in %d s', async (code, seconds) => {
    await expect(disposed(code)).resolves.toBe('handed-back');
    expect(told).toEqual([`hide ${seconds}`]);
    expect(logged()).toEqual([['info', 'message handed back']]);
  });

  test.each([
    ['for as long as that lease lasts', 7_000, 7],
    ['for a moment when that lease has ended', -7_000, 1],
    ['for no longer than it is hidden anyway', 500_000, VISIBILITY_S],
  ])('that meets the lease of another worker is hidden %s', async (_case, leftMs, seconds) => {
    const error = new AdjoinError('action-owned-elsewhere', 'why', { until: clock.now() + leftMs });
    await expect(dispose(delivery, error, { clock, log })).resolves.toBe('handed-back');
    expect(told).toEqual([`hide ${seconds}`]);
  });

  test('that found no room, is shown soon, and later each time: twenty receives last for hours', async () => {
    for (let count = 1; count < 20; count += 1) {
      delivery = receivedFor(count);
      await expect(disposed('worker-full')).resolves.toBe('handed-back');
    }
    const seconds = told.map((text) => Number(text.replace('hide ', '')));
    expect(seconds.slice(0, 5)).toEqual([5, 10, 20, 40, 80]);
    expect(Math.max(...seconds)).toBe(3_600);
    expect(seconds.reduce((sum, each) => sum + each, 0)).toBeGreaterThan(10 * 3_600);
  });

  test('is handed back and shown at once when it has to be received anew', async () => {
    await clock.advance(12 * 3_600_000 - 60_000 - VISIBILITY_S * 1000 + 1);
    expect(delivery.isAged()).toBe(true);
    await expect(disposed('lease-lost')).resolves.toBe('handed-back');
    expect(told).toEqual(['hide 0']);
  });

  test.each(['aws-unavailable', 'node-unsupported', 'account-vanished', 'config-invalid'] as const)(
    'that says %s, stays in the queue as it is',
    async (code) => {
      await expect(disposed(code)).resolves.toBe('failed');
      expect(told).toEqual([]);
      expect(logged()).toEqual([['error', 'action failed, message stays in the queue']]);
      expect(log.lines[0]?.fields).toMatchObject({ error: { code }, receiveCount: 3 });
    },
  );

  test.each(['action-void', 'message-malformed', 'draining'] as const)(
    'that says %s, is not settled when the queue refuses',
    async (code) => {
      fault = () => {
        throw new AdjoinError('aws-unavailable', 'no answer');
      };
      await expect(disposed(code)).rejects.toMatchObject({ code: 'aws-unavailable' });
    },
  );
});
