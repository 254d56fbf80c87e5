import { beforeEach, describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { AdjoinError } from '../../agent/errors.ts';
import { pauseAfter, retry, until } from '../../agent/patience.ts';
import { createVirtualClock, type VirtualClock } from '../support/virtual-clock.ts';

const pauses = { firstMs: 2_000, longestMs: 30_000, random: () => 0 };
const open = new AbortController().signal;
const unavailable = new AdjoinError('directory-unavailable', 'down');

let clock: VirtualClock;
let start: number;
beforeEach(() => {
  clock = createVirtualClock();
  start = clock.now();
});

describe('pauses', () => {
  test('double up to the longest', () => {
    expect([1, 2, 3, 4, 5, 6, 1_000].map((failures) => pauseAfter(failures, pauses))).toEqual([
      2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000,
    ]);
  });

  test('are shortened by up to half, and never by more', () => {
    expect(() =>
      fc.assert(
        fc.property(
          fc.integer({ min: 1, max: 10_000 }),
          fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
          (failures, random) => {
            const full = pauseAfter(failures, pauses);
            const pause = pauseAfter(failures, { ...pauses, random: () => random });
            return pause <= full && pause > full / 2 - 1e-6;
          },
        ),
      ),
    ).not.toThrow();
  });
});

describe('trying again', () => {
  const options = (deadlineMs: number, signal = open) => {
    const told: [code: string, pauseMs: number][] = [];
    return {
      told,
      clock,
      pauses,
      deadline: start + deadlineMs,
      signal,
      onRetry: (error: AdjoinError, pauseMs: number) => void told.push([error.code, pauseMs]),
    };
  };

  test('goes on, told each time, until it works', async () => {
    const settings = options(60_000);
    const attempts: number[] = [];
    const result = await clock.until(
      retry(settings, async (attempt) => {
        attempts.push(attempt);
        if (attempt < 4) throw unavailable;
        return 'done';
      }),
    );
    expect(result).toBe('done');
    expect(attempts).toEqual([1, 2, 3, 4]);
    expect(settings.told.map(([, pause]) => pause)).toEqual([2_000, 4_000, 8_000]);
    expect(clock.now() - start).toBe(14_000);
  });

  test('makes its last attempt at the deadline, and throws its last error', async () => {
    const times: number[] = [];
    const tried = retry(options(10_000), async (attempt) => {
      times.push(clock.now() - start);
      throw new AdjoinError('join-failed', `attempt ${attempt}`);
    });
    await expect(clock.until(tried)).rejects.toThrow('attempt 4');
    expect(times).toEqual([0, 2_000, 6_000, 10_000]);
  });

  test.each(['abandon', 'acknowledge', 'yield', 'dead-letter', 'fatal'] as const)(
    'does not happen after an error whose disposition is to %s',
    async (disposition) => {
      const code = (
        {
          abandon: 'name-taken',
          acknowledge: 'action-void',
          yield: 'lease-lost',
          'dead-letter': 'message-malformed',
          fatal: 'config-invalid',
        } as const
      )[disposition];
      const error = new AdjoinError(code, 'no');
      expect(error.disposition).toBe(disposition);
      let attempts = 0;
      const tried = retry(options(60_000), async () => {
        attempts += 1;
        throw error;
      });
      await expect(clock.until(tried)).rejects.toBe(error);
      expect(attempts).toBe(1);
    },
  );

  test('happens after an attempt that throws before it has a promise', async () => {
    const settings = options(60_000);
    const result = retry(settings, (attempt) => {
      if (attempt < 3) throw unavailable;
      return Promise.resolve(attempt);
    });
    expect(await clock.until(result)).toBe(3);
    expect(settings.told).toEqual([
      ['directory-unavailable', 2_000],
      ['directory-unavailable', 4_000],
    ]);
  });

  test('happens after an error that nobody named', async () => {
    const settings = options(60_000);
    await clock.until(
      retry(settings, async (attempt) => {
        if (attempt === 1) throw new TypeError('x is not a function');
      }),
    );
    expect(settings.told).toEqual([['unexpected', 2_000]]);
  });

  test("ends with the signal's reason, during a pause and after an attempt", async () => {
    const controller = new AbortController();
    const stop = new AdjoinError('draining', 'stop');
    const tried = retry(options(60_000, controller.signal), async () => Promise.reject(unavailable));
    tried.catch(() => undefined);
    await clock.advance(1_000);
    controller.abort(stop);
    await expect(tried).rejects.toBe(stop);

    // Also when the attempt itself stumbled over the abort: nobody is told of a failure that is none.
    const later = new AbortController();
    const settings = options(60_000, later.signal);
    const failing = retry(settings, async () => {
      later.abort(stop);
      throw new AdjoinError('name-taken', 'an accident of the abort');
    });
    await expect(failing).rejects.toBe(stop);
    expect(settings.told).toEqual([]);
  });

  test('ends when telling fails', async () => {
    const lost = new AdjoinError('lease-lost', 'lost');
    const tried = retry({ ...options(60_000), onRetry: () => Promise.reject(lost) }, async () =>
      Promise.reject(unavailable),
    );
    await expect(clock.until(tried)).rejects.toBe(lost);
  });
});

describe('work until a deadline', () => {
  const late = (): AdjoinError => new AdjoinError('node-not-ready', 'late');

  test('that ends in time gives its result, and the alarm is off', async () => {
    const seen: AbortSignal[] = [];
    const worked = until(clock, start + 5_000, open, late, async (signal) => {
      seen.push(signal);
      await clock.sleep(4_000);
      return 'done';
    });
    await expect(clock.until(worked)).resolves.toBe('done');
    await clock.advance(10_000);
    expect(seen[0]?.aborted).toBe(false);
  });

  test('is aborted at the deadline with the error given for it', async () => {
    const worked = until(clock, start + 5_000, open, late, (signal) => clock.sleep(60_000, signal));
    await expect(clock.until(worked)).rejects.toThrow('late');
    expect(clock.now() - start).toBe(5_000);
  });

  test('whose deadline has passed is aborted at once', async () => {
    const worked = until(clock, start - 5_000, open, late, (signal) => clock.sleep(60_000, signal));
    await expect(clock.until(worked)).rejects.toThrow('late');
    expect(clock.now()).toBe(start);
  });

  test('is aborted by the outer signal with its own reason', async () => {
    const controller = new AbortController();
    const worked = until(clock, start + 5_000, controller.signal, late, (signal) =>
      clock.sleep(60_000, signal),
    );
    worked.catch(() => undefined);
    await clock.advance(1_000);
    controller.abort(new AdjoinError('draining', 'stop'));
    await expect(worked).rejects.toThrow('stop');
  });

  test('passes its own error on', async () => {
    await expect(until(clock, start + 5_000, open, late, () => Promise.reject(unavailable))).rejects.toBe(
      unavailable,
    );
  });
});
