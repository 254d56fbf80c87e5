import type { Clock } from '../clock.ts';

/** Node fires a longer timer at once, so longer waits are cut into pieces. */
const longestSleepMs = 2 ** 31 - 1;

/** Everything in the cloud that happens later. Closing it forgets all that has not happened yet. */
export class Timers {
  readonly #clock: Clock;
  readonly #pending = new Set<AbortController>();
  #closed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  now(): number {
    return this.#clock.now();
  }

  date(): Date {
    return new Date(this.#clock.now());
  }

  /** Runs `action` once after `ms`; returns how to call it off. */
  after(ms: number, action: () => void): () => void {
    if (this.#closed) return () => undefined;
    const controller = new AbortController();
    this.#pending.add(controller);
    void this.#act(ms, controller, action);
    return () => controller.abort();
  }

  /** Resolves after `ms`, or early with `false` when `signal` aborts or the cloud closes. */
  async pause(ms: number, signal?: AbortSignal): Promise<boolean> {
    if (this.#closed || signal?.aborted) return false;
    const controller = new AbortController();
    const abort = () => controller.abort();
    this.#pending.add(controller);
    signal?.addEventListener('abort', abort, { once: true });
    try {
      return await this.#elapse(Math.max(0, ms), controller.signal);
    } finally {
      signal?.removeEventListener('abort', abort);
      this.#pending.delete(controller);
    }
  }

  close(): void {
    this.#closed = true;
    for (const controller of this.#pending) controller.abort();
    this.#pending.clear();
  }

  async #act(ms: number, controller: AbortController, action: () => void): Promise<void> {
    const elapsed = await this.#elapse(Math.max(0, ms), controller.signal);
    this.#pending.delete(controller);
    if (elapsed) action();
  }

  async #elapse(ms: number, signal: AbortSignal): Promise<boolean> {
    const until = this.#clock.now() + ms;
    try {
      do {
        await this.#clock.sleep(Math.max(0, Math.min(longestSleepMs, until - this.#clock.now())), signal);
      } while (this.#clock.now() < until && !signal.aborted);
    } catch (error) {
      if (signal.aborted) return false;
      throw error;
    }
    return !signal.aborted;
  }
}
