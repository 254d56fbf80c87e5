import { setTimeout as wait } from 'node:timers/promises';

/** Time, passed in: a test runs two days of a lifecycle hook in milliseconds. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Resolves after `ms` milliseconds, or rejects with the signal's reason as soon as it aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: async (ms, signal) => {
    await wait(ms, undefined, signal ? { signal } : {});
  },
};

/** A clock on which `factor` times as much time passes, from now on. */
export function hastened(clock: Clock, factor: number): Clock {
  const begin = clock.now();
  return {
    now: () => begin + (clock.now() - begin) * factor,
    sleep: (ms, signal) => clock.sleep(ms / factor, signal),
  };
}
