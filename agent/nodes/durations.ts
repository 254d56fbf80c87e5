/** What the last durations of a kind were, so that a first look can wait until there is something to see. */

export interface Durations {
  /** @param ms milliseconds that one of this kind took */
  learn(kind: string, ms: number): void;
  /**
   * Milliseconds from the start until the next of this kind can hardly have ended; undefined while none of it is known.
   * A look at that time which finds an end may be late by any part of it: then `forget`.
   */
  before(kind: string): number | undefined;
  /** What was known of this kind holds no longer. */
  forget(kind: string): void;
}

/** How many durations of a kind count: enough that one slow one does not hide the others. */
const REMEMBERED = 10;
/** Nothing is looked for before this share of the time that the quickest of them took. */
const SHARE_OF_QUICKEST = 0.8;
/** Kinds at most: the least recent is forgotten. Groups come and go while a worker runs. */
const KINDS = 1_000;

export function createDurations(): Durations {
  const known = new Map<string, readonly number[]>();
  return {
    learn(kind, ms) {
      const durations = [...(known.get(kind) ?? []), ms].slice(-REMEMBERED);
      known.delete(kind);
      known.set(kind, durations);
      const [oldest] = known.keys();
      if (known.size > KINDS && oldest !== undefined) known.delete(oldest);
    },
    before(kind) {
      const durations = known.get(kind);
      return durations && Math.min(...durations) * SHARE_OF_QUICKEST;
    },
    forget: (kind) => void known.delete(kind),
  };
}
