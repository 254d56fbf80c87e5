import { describe, expect, test } from '@jest/globals';
import { systemClock } from '../../agent/clock.ts';
import { AdjoinError } from '../../agent/errors.ts';

describe("the system's clock", () => {
  const HOUR = 3_600_000;
  const stop = new AdjoinError('draining', 'stop');

  test('sleeps until it is woken, and rejects with the reason for that', async () => {
    const controller = new AbortController();
    const sleeping = systemClock.sleep(HOUR, controller.signal);
    controller.abort(stop);
    await expect(sleeping).rejects.toBe(stop);
  });

  test('does not fall asleep under a signal that is aborted already', async () => {
    await expect(systemClock.sleep(HOUR, AbortSignal.abort(stop))).rejects.toBe(stop);
  });

  test('sleeps no time at all when there is none to sleep', async () => {
    await expect(systemClock.sleep(0)).resolves.toBeUndefined();
    await expect(systemClock.sleep(-5, new AbortController().signal)).resolves.toBeUndefined();
  });

  test('calls back when the time is over, and not what was called off', async () => {
    const called: string[] = [];
    const callOff = systemClock.after(0, () => called.push('called off'));
    callOff();
    await new Promise<void>((resolve) => {
      systemClock.after(-5, () => {
        called.push('due');
        resolve();
      });
    });
    expect(called).toEqual(['due']);
  });

  test('tells milliseconds since the Unix epoch', () => {
    expect(Math.abs(systemClock.now() - Date.now())).toBeLessThan(1_000);
  });
});
