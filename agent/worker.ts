/**
 * The worker: receives as many messages as it has free slots, works on them side by side, and drains when it is told to.
 *
 *     running ──stop()──▶ draining ──all done, or the time is up──▶ stopped
 *
 * A long poll is never cut off: SQS would hide the messages it had picked until their visibility ends.
 */
import type { Clock } from './clock.ts';
import { AdjoinError, asAdjoinError } from './errors.ts';
import type { Log } from './log.ts';
import { pauseAfter, type Pauses } from './patience.ts';

export interface WorkerOptions<M> {
  /** Long poll for at most this many messages. */
  readonly receive: (maximum: number) => Promise<readonly M[]>;
  /** Never throws. */
  readonly handle: (message: M, receivedAt: number) => Promise<void>;
  /** Stops all work in progress. */
  readonly abortAll: (reason: AdjoinError) => void;
  /** Makes a message visible again that came after the stop. */
  readonly handBack: (message: M) => Promise<void>;
  readonly slots: number;
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

export function createWorker<M>(options: WorkerOptions<M>): Worker {
  const { clock, log } = options;
  const stopping = new AbortController();
  const inProgress = new Set<Promise<void>>();
  let failures = 0;
  /** Settles when a slot becomes free, or the worker is told to stop. */
  let change = Promise.withResolvers<void>();

  function start(message: M, receivedAt: number): void {
    const task = options.handle(message, receivedAt).finally(() => {
      inProgress.delete(task);
      change.resolve();
    });
    inProgress.add(task);
  }

  async function receive(maximum: number): Promise<readonly M[]> {
    try {
      const messages = await options.receive(maximum);
      failures = 0;
      return messages;
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
      const free = options.slots - inProgress.size;
      if (free <= 0) {
        change = Promise.withResolvers();
        await change.promise;
        continue;
      }
      // Asked before the poll: a message may have been picked, and its time may run, long before the answer arrives.
      const asked = clock.now();
      const messages = await receive(free);
      if (stopping.signal.aborted) {
        await Promise.allSettled(messages.map((message) => options.handBack(message)));
        return;
      }
      const receivedAt = messages.length > 0 ? Math.max(asked, clock.now() - RECEIVE_DELAY_MS) : asked;
      for (const message of messages) start(message, receivedAt);
    }
  }

  const drained = new AbortController();
  /** Counted from the stop: whoever sent the signal waits for a long poll, too, that may hang. */
  async function timeUp(): Promise<void> {
    try {
      await clock.sleep(options.drainMs, drained.signal);
    } catch {
      return;
    }
    log.warn('time is up, handing back what is in progress', { inProgress: inProgress.size });
    options.abortAll(new AdjoinError('draining', 'The worker stops.'));
  }
  let alarm: Promise<void> | undefined;

  return {
    async run() {
      await loop();
      log.info('draining', { inProgress: inProgress.size });
      await Promise.allSettled(inProgress);
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

/** Milliseconds that an answer of SQS may take to arrive after the messages were picked. */
const RECEIVE_DELAY_MS = 1_000;
