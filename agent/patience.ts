/** Trying again: with doubling, jittered pauses, until a deadline. */
import type { Clock } from './clock.ts';
import { asAdjoinError, type AdjoinError } from './errors.ts';

export interface Pauses {
  /** Milliseconds. */
  readonly firstMs: number;
  readonly longestMs: number;
  /** A number from 0 to 1, exclusive. */
  readonly random: () => number;
}

/** The pause after the n-th failure (from 1): doubling, and shortened by up to half so that workers do not retry at the same time. */
export function pauseAfter(failures: number, pauses: Pauses): number {
  const full = Math.min(pauses.longestMs, pauses.firstMs * 2 ** Math.min(30, failures - 1));
  return full * (1 - pauses.random() / 2);
}

export interface RetryOptions {
  readonly clock: Clock;
  readonly pauses: Pauses;
  /** Milliseconds since the Unix epoch. No pause goes beyond it. */
  readonly deadline: number;
  readonly signal: AbortSignal;
  /** Told of each failure that is tried again. */
  readonly onRetry: (error: AdjoinError, pauseMs: number) => void | Promise<void>;
}

type Attempt<T> = (number: number) => Promise<T>;

/** Goes on after a first failure. */
async function retryAfter<T>(failure: unknown, options: RetryOptions, attempt: Attempt<T>): Promise<T> {
  let error = failure;
  for (let failures = 1; ; failures += 1) {
    options.signal.throwIfAborted();
    const known = asAdjoinError(error);
    const left = options.deadline - options.clock.now();
    if (known.disposition !== 'retry' || left <= 0) throw known;
    const pause = Math.min(left, pauseAfter(failures, options.pauses));
    await options.onRetry(known, pause);
    await options.clock.sleep(pause, options.signal);
    try {
      return await attempt(failures + 1);
    } catch (next) {
      error = next;
    }
  }
}

/**
 * Runs `attempt` until it succeeds, its error is not one to retry, or the deadline passes: then the last error is thrown. No async
 * function: thousands wait in a first attempt, and the state of one takes half a kilobyte.
 */
export function retry<T>(options: RetryOptions, attempt: Attempt<T>): Promise<T> {
  let first: Promise<T>;
  try {
    first = attempt(1);
  } catch (error) {
    return retryAfter(error, options, attempt);
  }
  return first.catch((error: unknown) => retryAfter(error, options, attempt));
}

/**
 * Runs `work` under a signal that also aborts at the deadline, with the error given for it. No async function, as `retry`.
 * @param deadline milliseconds since the Unix epoch
 */
export function until<T>(
  clock: Clock,
  deadline: number,
  signal: AbortSignal,
  late: () => AdjoinError,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  // One controller for both ends: a signal that is made of others takes several times the memory, and thousands of actions wait here.
  const limited = new AbortController();
  const follow = (): void => limited.abort(signal.reason);
  if (signal.aborted) follow();
  signal.addEventListener('abort', follow);
  const callOff = clock.after(Math.max(0, deadline - clock.now()), () => limited.abort(late()));
  const end = (): void => {
    signal.removeEventListener('abort', follow);
    callOff();
  };
  try {
    return work(limited.signal).finally(end);
  } catch (error) {
    end();
    return Promise.reject(asAdjoinError(error));
  }
}
