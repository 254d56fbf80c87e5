/** One received SQS message: when it was received, and how to hide it or remove it. */
import type { Clock } from '../clock.ts';
import { AdjoinError } from '../errors.ts';
import type { Renewable } from '../keep-alive.ts';

export interface QueueMessage {
  readonly messageId: string;
  readonly body: string;
  /** How often the message has been received, this time included. */
  readonly receiveCount: number;
}

export interface QueuePort<M extends QueueMessage> {
  /** Long poll for at most this many messages (at most 10). It is not cancelled: an aborted poll can hide its messages. */
  receive(maximum: number): Promise<readonly M[]>;
  remove(message: M): Promise<void>;
  /** Hides the message for this long from now; 0 shows it at once. @throws AdjoinError `lease-lost` when the receipt is stale */
  hide(message: M, seconds: number): Promise<void>;
}

export interface Delivery extends QueueMessage {
  /** When SQS picked the message at the latest, milliseconds since the Unix epoch. */
  readonly receivedAt: number;
  /** The time for which SQS hides the message from other workers. Once the delivery is aged, a renewal gives it up. */
  readonly visibility: Renewable;
  /** Whether the 12 hours for which SQS hides a message are too near for another renewal: it must be received anew. */
  isAged(): boolean;
  /** Hides the message for so many milliseconds, or for as long as SQS still can; 0 shows it at once. */
  hide(ms: number): Promise<void>;
  /** Deletes the message. */
  remove(): Promise<void>;
}

export interface DeliveryOptions<M extends QueueMessage> {
  readonly queue: Pick<QueuePort<M>, 'remove' | 'hide'>;
  readonly clock: Clock;
  /** Milliseconds for which a receive, or a renewal, hides a message. */
  readonly visibilityMs: number;
}

/**
 * Milliseconds for which SQS hides a message at most, counted from its receive (12 hours), less a margin for clocks that
 * differ: SQS refuses to hide it for longer.
 */
const LONGEST_HIDE_MS = 43_200_000 - 60_000;

export function createDelivery<M extends QueueMessage>(
  message: M,
  receivedAt: number,
  { queue, clock, visibilityMs }: DeliveryOptions<M>,
): Delivery {
  const { messageId, body, receiveCount } = message;
  const hideableUntil = receivedAt + LONGEST_HIDE_MS;

  const isAged = (): boolean => clock.now() + visibilityMs > hideableUntil;

  function hide(ms: number): Promise<void> {
    const left = hideableUntil - clock.now();
    return queue.hide(message, Math.max(0, Math.floor(Math.min(ms, left) / 1000)));
  }

  return {
    messageId,
    body,
    receiveCount,
    receivedAt,
    visibility: {
      name: 'message visibility',
      lastsMs: visibilityMs,
      async renew() {
        if (isAged()) {
          const why = 'SQS hides a message for 12 hours at most; it goes back and is received anew.';
          throw new AdjoinError('lease-lost', why);
        }
        await hide(visibilityMs);
      },
    },
    isAged,
    hide,
    remove: () => queue.remove(message),
  };
}
