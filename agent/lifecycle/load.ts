/**
 * How busy this worker is, told once a minute: the stack adds and removes workers by it.
 *
 * The queue's own numbers can't say it. A worker takes every message within seconds, so that none is visible while hundreds wait for a
 * slot; and the queue's oldest message is, as a rule, a launch whose node never comes, which more workers would not help.
 */
import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import type { QueueMessage, QueuePort } from './delivery.ts';
import type { Slots } from './slots.ts';

export interface LoadReport {
  /** The queue as it is; how long its messages were there is noted. */
  watch<M extends QueueMessage>(queue: QueuePort<M>): QueuePort<M>;
  /** Writes a line to the log each minute, until the signal aborts. Never rejects. */
  tell(signal: AbortSignal): Promise<void>;
}

export interface LoadOptions {
  readonly slots: Pick<Slots, 'load'>;
  readonly clock: Clock;
  readonly log: Log;
}

/** Milliseconds: the shortest period of a metric that is free of the price of high resolution. */
const INTERVAL_MS = 60_000;

export function createLoadReport({ slots, clock, log }: LoadOptions): LoadReport {
  /** Milliseconds that a message was in the queue before any worker had it: the longest since the last line. */
  let longestInQueue = 0;

  function line(): void {
    const { working, waiting, here, busy, waitingSince } = slots.load();
    const longestMs = Math.max(longestInQueue, waitingSince === undefined ? 0 : clock.now() - waitingSince);
    longestInQueue = 0;
    log.info('worker load', {
      working,
      waiting,
      parked: here - working - waiting,
      busyPercent: Math.round(busy * 100),
      longestWaitSeconds: Math.round(longestMs / 1000),
    });
  }

  return {
    watch: (queue) => ({
      remove: (message) => queue.remove(message),
      hide: (message, seconds) => queue.hide(message, seconds),
      async receive(maximum) {
        const messages = await queue.receive(maximum);
        // One that comes back was with a worker meanwhile.
        for (const { receiveCount, sentAt } of messages)
          if (receiveCount === 1 && sentAt !== undefined)
            longestInQueue = Math.max(longestInQueue, clock.now() - sentAt);
        return messages;
      },
    }),
    async tell(signal) {
      while (!signal.aborted) {
        try {
          await clock.sleep(INTERVAL_MS, signal);
        } catch {
          return;
        }
        line();
      }
    },
  };
}
