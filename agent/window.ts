import type { Clock } from './clock.ts';

/** Milliseconds in which calls come together that one event has caused. */
const TOGETHER_MS = 5;
/** After so many windows without any call, the next one is likely to be alone. */
const QUIET_WINDOWS = 4;

/**
 * How long a call waits for others that can share its request. In a stream of calls it is the window; one that comes after a quiet time
 * would wait for nobody, and waits only for those of the same event.
 * @param windowMs milliseconds
 * @returns a function that is told of each call when it comes, and says how many milliseconds it waits if it is the first of its request
 */
export function createWindow(windowMs: number, clock: Pick<Clock, 'now'>): () => number {
  let lastAt = -Infinity;
  /** When the first call after a quiet time came. */
  let eventAt = -Infinity;
  return () => {
    const now = clock.now();
    if (now - lastAt >= QUIET_WINDOWS * windowMs) eventAt = now;
    lastAt = now;
    return now - eventAt < TOGETHER_MS ? Math.min(TOGETHER_MS, windowMs) : windowMs;
  };
}
