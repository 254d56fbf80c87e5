/**
 * Simulated time with processes in it. The world's own affairs always go on; what belongs to a process stops when that is
 * killed, and waits when it is suspended. One thing happens at a time, and everything it sets off has run dry before the
 * next: a schedule is a sequence, and the same schedule is the same sequence every time.
 */
import { setImmediate } from 'node:timers';
import type { Clock } from '../../agent/clock.ts';
import { createHeap } from '../../agent/heap.ts';

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
  run: () => void;
  isDropped: boolean;
}

const isWorldly = ({ owner, matter }: Entry): boolean => !owner && matter !== 'request';

const earlier = (one: Entry, other: Entry): boolean =>
  one.at !== other.at
    ? one.at < other.at
    : one.rank !== other.rank
      ? one.rank < other.rank
      : one.order < other.order;

const nothing = (): void => undefined;

const settled = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });

/** @param first what a process that wakes up deals with first; a real one does either, as its event loop stands */
export function createKernel(first: Matter, start = Date.UTC(2026, 0, 1)): Kernel {
  let now = start;
  let order = 0;
  let pending = 0;
  const entries = createHeap<Entry>(earlier, ({ isDropped }) => !isDropped);

  function drop(entry: Entry): void {
    if (entry.isDropped) return;
    entry.isDropped = true;
    // It may stay in the heap for long, and need not keep anything else.
    entry.run = nothing;
    entries.forget();
    if (isWorldly(entry)) pending -= 1;
  }

  /** Takes out what comes next. */
  function next(): Entry | undefined {
    for (let entry = entries.pop(); entry; entry = entries.pop()) {
      if (!entry.owner?.dead) return entry;
      entry.isDropped = true;
    }
    return undefined;
  }

  const kernel: Kernel = {
    now: () => now,
    get pending() {
      return pending;
    },
    after(ms, run, owner, matter = 'alarm') {
      order += 1;
      const at = now + Math.max(0, ms);
      const entry: Entry = { at, rank: 0, order, owner, matter, run, isDropped: false };
      entries.push(entry);
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
      after: (ms, run) => kernel.after(ms, run, owner),
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
          entries.push(entry);
          continue;
        }
        entry.isDropped = true;
        if (isWorldly(entry)) pending -= 1;
        entry.run();
      }
    },
  };
  return kernel;
}
