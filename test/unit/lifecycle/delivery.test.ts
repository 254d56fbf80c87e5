import { beforeEach, describe, expect, test } from '@jest/globals';
import { createDelivery, type Delivery } from '../../../agent/lifecycle/delivery.ts';
import { createVirtualClock, type VirtualClock } from '../../support/virtual-clock.ts';

const VISIBILITY_MS = 120_000;
/** Milliseconds for which SQS hides a message at most, less the margin for clocks that differ. */
const LONGEST_MS = 12 * 3_600_000 - 60_000;

let clock: VirtualClock;
/** The seconds of each hide, in order. */
let hidden: number[];
let removed: string[];
let delivery: Delivery;

beforeEach(() => {
  clock = createVirtualClock();
  hidden = [];
  removed = [];
  delivery = createDelivery({ messageId: 'm', body: '{}', receiveCount: 3 }, clock.now(), {
    queue: {
      async hide(_message, seconds) {
        hidden.push(seconds);
      },
      async remove({ messageId }) {
        removed.push(messageId);
      },
    },
    clock,
    visibilityMs: VISIBILITY_MS,
  });
});

describe('a delivery', () => {
  test('is its message, and when that was received', () => {
    expect(delivery).toMatchObject({ messageId: 'm', body: '{}', receiveCount: 3, receivedAt: clock.now() });
  });

  test('is hidden in whole seconds, never for longer than was asked', async () => {
    await delivery.hide(1_999);
    await delivery.hide(0);
    expect(hidden).toEqual([1, 0]);
  });

  test('is hidden for no longer than SQS still hides it', async () => {
    await clock.advance(LONGEST_MS - 30_000);
    await delivery.hide(VISIBILITY_MS);
    await clock.advance(60_000);
    await delivery.hide(VISIBILITY_MS);
    expect(hidden).toEqual([30, 0]);
  });

  test('is renewed for its visibility, until SQS would no longer hide it for that long', async () => {
    await clock.advance(LONGEST_MS - VISIBILITY_MS);
    expect(delivery.isAged()).toBe(false);
    await delivery.visibility.renew();
    await clock.advance(1);
    expect(delivery.isAged()).toBe(true);
    await expect(delivery.visibility.renew()).rejects.toMatchObject({ code: 'lease-lost' });
    expect(hidden).toEqual([VISIBILITY_MS / 1000]);
    expect(delivery.visibility.lastsMs).toBe(VISIBILITY_MS);
  });

  test('is removed as the message that it is', async () => {
    await delivery.remove();
    expect(removed).toEqual(['m']);
  });
});
