/**
 * Simulated time with processes in it. The world's own affairs always go on; what belongs to a process stops when that is
 * killed, and waits when it is suspended. One thing happens at a time, and everything it sets off has run dry before the
 * next: a schedule is a sequence, and the same schedule is the same sequence every time.
 */
import { setImmediate } from 'node:timers';
import type { Clock } from '../../agent/clock.ts';

/** A process that may be killed for ever or suspended for a while. */
export interface Process {
  readonly name: string;
  dead: boolean;
  /** Milliseconds since the Unix epoch. */
  suspendedUntil: number;
}

/**
 * What a process finds when it wakes up: its alarms that went off meanwhile, and answers that wait in its sockets. A
 * request has left its process, and is no affair of the world's own either.
 */
export type Matter = 'alarm' | 'answer' | 'request';

export interface Kernel {
  now(): number;
  /** @returns a function that takes it back */
  after(ms: number, run: () => void, owner?: Process, matter?: Matter): () => void;
  /** Time as a process sees it. */
  clockOf(owner: Process): Clock;
  /** How much is under way in the world, processes and their requests left out. */
  readonly pending: number;
  /** Goes on until `done`, or throws after `limitMs`. `onStep` runs whenever all is settled. */
  run(done: () => boolean, limitMs: number, onStep: () => void): Promise<void>;
}

interface Entry {
  at: number;
  /** Among what falls due together, the lower comes first. */
  rank: number;
  readonly order: number;
  readonly owner: Process | undefined;
  readonly matter: Matter;
  readonly run: () => void;
}

const isWorldly = ({ owner, matter }: Entry): boolean => !owner && matter !== 'request';

const earlier = (one: Entry, other: Entry): boolean =>
  one.at !== other.at
    ? one.at < other.at
    : one.rank !== other.rank
      ? one.rank < other.rank
      : one.order < other.order;

const settled = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });

/** @param first what a process that wakes up deals with first; a real one does either, as its event loop stands */
export function createKernel(first: Matter, start = Date.UTC(2026, 0, 1)): Kernel {
  let now = start;
  let order = 0;
  let pending = 0;
  const entries = new Set<Entry>();

  function drop(entry: Entry): void {
    if (entries.delete(entry) && isWorldly(entry)) pending -= 1;
  }

  function next(): Entry | undefined {
    let found: Entry | undefined;
    for (const entry of entries) {
      if (entry.owner?.dead) drop(entry);
      else if (!found || earlier(entry, found)) found = entry;
    }
    return found;
  }

  const kernel: Kernel = {
    now: () => now,
    get pending() {
      return pending;
    },
    after(ms, run, owner, matter = 'alarm') {
      order += 1;
      const entry: Entry = { at: now + Math.max(0, ms), rank: 0, order, owner, matter, run };
      entries.add(entry);
      if (isWorldly(entry)) pending += 1;
      return () => drop(entry);
    },
    clockOf: (owner) => ({
      now: () => now,
      sleep: (ms, signal) =>
        new Promise((resolve, reject) => {
          if (signal?.aborted) {
            reject(signal.reason);
            return;
          }
          const abort = (): void => {
            cancel();
            reject(signal?.reason);
          };
          const cancel = kernel.after(
            ms,
            () => {
              signal?.removeEventListener('abort', abort);
              resolve();
            },
            owner,
          );
          signal?.addEventListener('abort', abort, { once: true });
        }),
    }),
    async run(done, limitMs, onStep) {
      for (;;) {
        await settled();
        onStep();
        if (done()) return;
        const entry = next();
        if (!entry || entry.at > start + limitMs) {
          throw new Error(`Nothing comes to an end within ${limitMs / 1000} s.`);
        }
        now = Math.max(now, entry.at);
        const { owner } = entry;
        if (owner && owner.suspendedUntil > now) {
          entry.at = owner.suspendedUntil;
          entry.rank = entry.matter === first ? 1 : 2;
          continue;
        }
        drop(entry);
        entry.run();
      }
    },
  };
  return kernel;
}
