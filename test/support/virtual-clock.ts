import type { Clock } from '../../agent/clock.ts';
import { Sleepers } from './sleepers.ts';

/** A clock that stands still until it is told to go on. */
export interface VirtualClock extends Clock {
  /** How many sleep: have neither woken up nor been called off. */
  readonly sleeping: number;
  /** The same time for one that works alone: it passes as soon as this one sleeps. */
  readonly passing: Clock;
  /** Time passes and nothing happens, as for a process that is suspended; what fell due meanwhile is late. */
  skip(ms: number): void;
  /** Runs everything that falls due within the next `ms` milliseconds, in order. */
  advance(ms: number): Promise<void>;
  /** Advances, sleeper by sleeper, until the promise settles; fails after `limitMs` milliseconds of virtual time. */
  until<T>(promise: Promise<T>, limitMs?: number): Promise<T>;
}

/** Lets promise callbacks run dry, so that what they start has begun to sleep. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1) {
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
}

export function createVirtualClock(start = Date.UTC(2026, 0, 1)): VirtualClock {
  let now = start;
  const sleepers = new Sleepers();

  async function wakeNext(limit: number): Promise<boolean> {
    await settle();
    const { next } = sleepers;
    if (next === undefined || next > limit) return false;
    now = Math.max(now, next);
    sleepers.wakeNext();
    await settle();
    return true;
  }

  const clock: VirtualClock = {
    now: () => now,
    sleep: (ms, signal) => sleepers.sleep(now + Math.max(0, ms), signal),
    after: (ms, run) => sleepers.after(now + Math.max(0, ms), run),
    get sleeping() {
      return sleepers.count;
    },
    passing: {
      now: () => now,
      async sleep(ms, signal) {
        signal?.throwIfAborted();
        await clock.advance(ms);
        signal?.throwIfAborted();
      },
      after: (ms, run) => clock.after(ms, run),
    },
    skip(ms) {
      now += ms;
    },
    async advance(ms) {
      const limit = now + ms;
      while (await wakeNext(limit));
      now = limit;
    },
    async until(promise, limitMs = 48 * 3_600_000) {
      const limit = now + limitMs;
      let settled = false;
      const watched = promise.finally(() => {
        settled = true;
      });
      watched.catch(() => undefined);
      await settle();
      while (!settled) {
        if (!(await wakeNext(limit))) {
          await settle();
          if (settled) break;
          throw new Error(`Nothing more happens after ${(now - start) / 1000} virtual seconds.`);
        }
      }
      return watched;
    },
  };
  return clock;
}
