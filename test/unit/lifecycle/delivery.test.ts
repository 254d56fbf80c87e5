import { beforeEach, describe, expect, test } from '@jest/globals';
import { createDelivery, firstVisibility, type Delivery } from '../../../agent/lifecycle/delivery.ts';
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

  test('is hidden for a short time at first, and from the admission on for a share of its hook’s heartbeat', async () => {
    const lasts = (heartbeatSeconds: number): number => {
      delivery.follow(heartbeatSeconds * 1000);
      return delivery.visibility.lastsMs / 1000;
    };
    expect(delivery.visibility.lastsMs).toBe(20_000);
    await delivery.visibility.renew();
    expect([30, 31, 60, 300, 3_600, 7_200].map(lasts)).toEqual([12, 12, 24, 120, 120, 120]);
    await delivery.visibility.renew();
    lasts(60);
    await delivery.visibility.renew();
    expect(hidden).toEqual([20, 120, 24]);
  });

  test('is never hidden for longer than is configured', () => {
    expect(firstVisibility(10_000)).toBe(10_000);
    expect(firstVisibility(VISIBILITY_MS)).toBe(20_000);
  });

  test('is renewed for its visibility, until SQS would no longer hide it for that long', async () => {
    delivery.follow(300_000);
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
