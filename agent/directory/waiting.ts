/** Waiting with an end: each of these lets the work go on in the background when the waiting ends. */
import type { Clock } from '../clock.ts';

/** Resolves with the work, or rejects with the signal's reason as soon as it aborts. */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  work.catch(() => undefined);
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const stop = (): void => reject(signal.reason);
  signal.addEventListener('abort', stop, { once: true });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** As `unlessAborted`, and rejects with `late()` after `ms` milliseconds. */
export async function within<T>(
  ms: number,
  work: Promise<T>,
  clock: Clock,
  signal: AbortSignal,
  late: () => Error,
): Promise<T> {
  const settled = new AbortController();
  const limit = clock.sleep(ms, settled.signal).then((): never => {
    throw late();
  });
  try {
    return await unlessAborted(Promise.race([work, limit]), signal);
  } finally {
    settled.abort();
  }
}

/** Lets only so many do something at once; the others wait in the order in which they came. */
export class Slots {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  async use<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    await this.#take(signal);
    try {
      return await work();
    } finally {
      this.#release();
    }
  }

  async #take(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#free > 0) {
      this.#free -= 1;
      return;
    }
    const { promise: turn, resolve } = Promise.withResolvers<void>();
    this.#waiting.push(resolve);
    try {
      await unlessAborted(turn, signal);
    } catch (error) {
      // The place in the queue stays; when its turn comes, it goes to the next one.
      void turn.then(() => this.#release());
      throw error;
    }
  }

  #release(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#free += 1;
  }
}
