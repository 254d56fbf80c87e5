/**
 * The worker: receives messages while there is room for an action of either kind, has them handled side by side, and drains
 * when it is told to. SQS does not say of what kind a message is before it is received.
 *
 *     running ──stop()──▶ draining ──all done, or the time is up──▶ stopped
 *
 * A long poll is never cut off: SQS would hide the messages it had picked until their visibility ends.
 */
import type { Clock } from './clock.ts';
import { AdjoinError, asAdjoinError } from './errors.ts';
import { createDelivery, type Delivery, type QueueMessage, type QueuePort } from './lifecycle/delivery.ts';
import type { Handler } from './lifecycle/handler.ts';
import type { Slots } from './lifecycle/slots.ts';
import type { Log } from './log.ts';
import { pauseAfter, type Pauses } from './patience.ts';

export interface WorkerOptions<M extends QueueMessage> {
  readonly queue: QueuePort<M>;
  /** Milliseconds for which a message is hidden at most before it must be renewed. */
  readonly visibilityMs: number;
  readonly handler: Handler;
  /** Those that the handler works with. */
  readonly slots: Pick<Slots, 'places' | 'room'>;
  /** Milliseconds that messages in progress may take after a stop. */
  readonly drainMs: number;
  readonly pauses: Pauses;
  readonly clock: Clock;
  readonly log: Log;
}

export interface Worker {
  /** Resolves once the worker has drained. */
  run(): Promise<void>;
  stop(): void;
}

/** Milliseconds that an answer of SQS may take to arrive after the messages were picked. */
const RECEIVE_DELAY_MS = 1_000;

export function createWorker<M extends QueueMessage>(options: WorkerOptions<M>): Worker {
  const { queue, handler, slots, clock, log } = options;
  const stopping = new AbortController();
  /** Messages that are worked on. */
  let inProgress = 0;
  let failures = 0;
  /** Settles when a message is done with, or the worker is told to stop. */
  let change = Promise.withResolvers<void>();

  const ended = (): void => {
    inProgress -= 1;
    change.resolve();
  };

  /** No async function: thousands wait in a handler, which never throws, and the state of one takes half a kilobyte. */
  function start(delivery: Delivery): void {
    inProgress += 1;
    void handler.handle(delivery).then(ended);
  }

  async function receive(maximum: number): Promise<readonly Delivery[]> {
    // Asked before the poll: a message may have been picked, and its time may run, long before the answer arrives.
    const asked = clock.now();
    try {
      const messages = await queue.receive(maximum);
      failures = 0;
      const receivedAt = Math.max(asked, clock.now() - RECEIVE_DELAY_MS);
      return messages.map((message) => createDelivery(message, receivedAt, options));
    } catch (error) {
      failures += 1;
      const pause = pauseAfter(failures, options.pauses);
      log.warn('no messages received', { error: asAdjoinError(error), pauseMs: Math.round(pause) });
      await clock.sleep(pause, stopping.signal).catch(() => undefined);
      return [];
    }
  }

  async function loop(): Promise<void> {
    while (!stopping.signal.aborted) {
      // A message that asks for nothing has no place, and counts all the same while it is settled.
      const room = Math.min(slots.room, slots.places - inProgress);
      if (room <= 0) {
        change = Promise.withResolvers();
        await change.promise;
        continue;
      }
      const deliveries = await receive(room);
      if (stopping.signal.aborted) {
        // They came after the stop: another worker may have them at once.
        await Promise.allSettled(deliveries.map((delivery) => delivery.hide(0)));
        return;
      }
      for (const delivery of deliveries) start(delivery);
    }
  }

  const drained = new AbortController();
  /** Counted from the stop and not from the end of the long poll, which may hang. */
  async function timeUp(): Promise<void> {
    try {
      await clock.sleep(options.drainMs, drained.signal);
    } catch {
      return;
    }
    log.warn('time is up, handing back what is in progress', { inProgress });
    handler.abortAll(new AdjoinError('draining', 'The worker stops.'));
  }
  let alarm: Promise<void> | undefined;

  return {
    async run() {
      await loop();
      log.info('draining', { inProgress });
      while (inProgress > 0) {
        change = Promise.withResolvers();
        await change.promise;
      }
      drained.abort();
      await alarm;
    },
    stop() {
      if (stopping.signal.aborted) return;
      stopping.abort();
      change.resolve();
      alarm = timeUp();
    },
  };
}
