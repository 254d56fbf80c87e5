import type { Clock } from '../../agent/clock.ts';

/** A clock that stands still until it is told to go on. */
export interface VirtualClock extends Clock {
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

interface Sleeper {
  readonly at: number;
  readonly wake: () => void;
}

export function createVirtualClock(start = Date.UTC(2026, 0, 1)): VirtualClock {
  let now = start;
  const sleepers = new Set<Sleeper>();

  const next = (): Sleeper | undefined => [...sleepers].toSorted((a, b) => a.at - b.at)[0];

  async function wakeNext(limit: number): Promise<boolean> {
    await settle();
    const sleeper = next();
    if (!sleeper || sleeper.at > limit) return false;
    now = Math.max(now, sleeper.at);
    sleepers.delete(sleeper);
    sleeper.wake();
    await settle();
    return true;
  }

  return {
    now: () => now,
    sleep(ms, signal) {
      return new Promise((resolve, reject) => {
        if (signal?.aborted) {
          reject(signal.reason);
          return;
        }
        const abort = (): void => {
          sleepers.delete(sleeper);
          reject(signal?.reason);
        };
        const sleeper: Sleeper = {
          at: now + Math.max(0, ms),
          wake() {
            signal?.removeEventListener('abort', abort);
            resolve();
          },
        };
        signal?.addEventListener('abort', abort, { once: true });
        sleepers.add(sleeper);
      });
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
}
