import type { Clock } from './clock.ts';
import { createWindow } from './window.ts';

/**
 * Gathers calls that come close together into one. Each caller gets its own answer; when the shared call fails, each of
 * them fails. An aborted caller leaves at once, the others go on.
 */
export interface BatchOptions<Item, Answer> {
  /** Calls with different keys never share. */
  readonly keyOf: (item: Item) => string;
  /** Most items that one call carries. */
  readonly maximum: number;
  /** Milliseconds that the first item waits for others. */
  readonly windowMs: number;
  /** Whether an instance waits for it: the first item after a quiet time then waits no longer than one event takes. */
  readonly isUrgent?: boolean;
  readonly clock: Clock;
  /** Answers in the order of the items; an answer may be an error for its item alone. */
  readonly run: (items: readonly Item[]) => Promise<readonly (Answer | Error)[]>;
}

interface Waiting<Item, Answer> {
  readonly item: Item;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

export type Batch<Item, Answer> = (item: Item, signal?: AbortSignal) => Promise<Answer>;

export function createBatch<Item, Answer>(options: BatchOptions<Item, Answer>): Batch<Item, Answer> {
  const { windowMs, clock } = options;
  const waits = options.isUrgent === true ? createWindow(windowMs, clock) : () => windowMs;
  const gathering = new Map<string, Waiting<Item, Answer>[]>();

  async function flush(key: string, group: Waiting<Item, Answer>[]): Promise<void> {
    if (gathering.get(key) === group) gathering.delete(key);
    if (group.length === 0) return;
    try {
      const answers = await options.run(group.map((waiting) => waiting.item));
      for (const [index, waiting] of group.entries()) {
        const answer = answers[index];
        if (answer === undefined)
          waiting.reject(new RangeError('A batch answered fewer items than it was given.'));
        else if (answer instanceof Error) waiting.reject(answer);
        else waiting.resolve(answer);
      }
    } catch (error) {
      for (const waiting of group) waiting.reject(error);
    }
  }

  function enter(waiting: Waiting<Item, Answer>): () => void {
    const key = options.keyOf(waiting.item);
    const waitMs = waits();
    let group = gathering.get(key);
    if (!group) {
      const opened: Waiting<Item, Answer>[] = [];
      group = opened;
      gathering.set(key, opened);
      void clock.sleep(waitMs).then(() => flushIfOpen(key, opened));
    }
    group.push(waiting);
    const joined = group;
    if (joined.length >= options.maximum) {
      gathering.delete(key);
      void flush(key, joined);
    }
    return () => {
      // Only a group that has not been sent can be left.
      if (gathering.get(key) !== joined) return;
      const at = joined.indexOf(waiting);
      if (at >= 0) joined.splice(at, 1);
    };
  }

  async function flushIfOpen(key: string, group: Waiting<Item, Answer>[]): Promise<void> {
    if (gathering.get(key) === group) await flush(key, group);
  }

  return (item, signal) =>
    new Promise<Answer>((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      const leave = enter({
        item,
        resolve: (answer) => {
          signal?.removeEventListener('abort', abort);
          resolve(answer);
        },
        reject: (error) => {
          signal?.removeEventListener('abort', abort);
          reject(error);
        },
      });
      function abort(): void {
        leave();
        reject(signal?.reason);
      }
      signal?.addEventListener('abort', abort, { once: true });
    });
}
