/** Who sleeps on a simulated clock, and until when. */
interface Sleeper {
  /** Milliseconds since the Unix epoch, as the clock tells them. */
  readonly at: number;
  readonly wake: () => void;
}

export class Sleepers {
  readonly #sleepers = new Set<Sleeper>();

  get count(): number {
    return this.#sleepers.size;
  }

  /** When the first of them wakes up; undefined when nobody sleeps. */
  get next(): number | undefined {
    return this.#first()?.at;
  }

  /** Resolves once it is woken, or rejects with the signal's reason as soon as it aborts. */
  sleep(at: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      const abort = (): void => {
        this.#sleepers.delete(sleeper);
        reject(signal?.reason);
      };
      const sleeper: Sleeper = {
        at,
        wake() {
          signal?.removeEventListener('abort', abort);
          resolve();
        },
      };
      signal?.addEventListener('abort', abort, { once: true });
      this.#sleepers.add(sleeper);
    });
  }

  /** @returns calls it off */
  after(at: number, wake: () => void): () => void {
    const sleeper: Sleeper = { at, wake };
    this.#sleepers.add(sleeper);
    return () => this.#sleepers.delete(sleeper);
  }

  /** Wakes the first of them; of several that are due together, the one that fell asleep first. */
  wakeNext(): void {
    const sleeper = this.#first();
    if (!sleeper) return;
    this.#sleepers.delete(sleeper);
    sleeper.wake();
  }

  #first(): Sleeper | undefined {
    let found: Sleeper | undefined;
    for (const sleeper of this.#sleepers) if (!found || sleeper.at < found.at) found = sleeper;
    return found;
  }
}
