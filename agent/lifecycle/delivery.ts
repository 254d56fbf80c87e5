/**
 * One received SQS message: when it was received, and how to hide it or remove it.
 *
 * A worker can die at any time, and its message must show again, and be received, before the hook times out. So a message
 * is hidden for less than the hook's heartbeat: for a short time until the hook is known, and for a share of its heartbeat
 * from the admission on.
 */
import type { Clock } from '../clock.ts';
import { AdjoinError } from '../errors.ts';
import type { Renewable } from '../keep-alive.ts';

export interface QueueMessage {
  readonly messageId: string;
  readonly body: string;
  /** How often the message has been received, this time included. */
  readonly receiveCount: number;
  /** When it was received for the first time, by SQS's clock; milliseconds since the Unix epoch. */
  readonly firstReceivedAt?: number;
  /** When it was sent, by SQS's clock; milliseconds since the Unix epoch. */
  readonly sentAt?: number;
  /** Who sent it, as SQS knows: the unique ID of a user, or of a role with the name of its session. */
  readonly senderId?: string;
}

export interface QueuePort<M extends QueueMessage> {
  /** Long poll for at most this many messages (at most 10). It is not cancelled: an aborted poll can hide its messages. */
  receive(maximum: number): Promise<readonly M[]>;
  remove(message: M): Promise<void>;
  /** Hides the message for this long from now; 0 shows it at once. @throws AdjoinError `lease-lost` when the receipt is stale */
  hide(message: M, seconds: number): Promise<void>;
}

export interface Delivery extends QueueMessage {
  readonly firstReceivedAt: number;
  /** When SQS picked the message at the latest, milliseconds since the Unix epoch. */
  readonly receivedAt: number;
  /** The time for which SQS hides the message from other workers. Once the delivery is aged, a renewal gives it up. */
  readonly visibility: Renewable;
  /**
   * From now on each renewal hides the message for a share of this heartbeat, in milliseconds, and for no longer than the
   * configuration says.
   */
  follow(heartbeatMs: number): void;
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
  /** Milliseconds for which a renewal hides a message at most. */
  readonly visibilityMs: number;
}

/**
 * Milliseconds for which a receive hides a message at most: two thirds of the shortest heartbeat that a hook can have (30 s).
 * What hook the message is of is known only after its admission.
 */
const LONGEST_FIRST_MS = 20_000;
/**
 * What share of a hook's heartbeat its message is hidden for. Of the shortest (30 s) it leaves 18 s to be received and
 * admitted in; and the default heartbeat of five minutes has the default visibility of two.
 */
const SHARE_OF_HEARTBEAT = 0.4;

/** Milliseconds for which a receive hides a message. @param visibilityMs the longest that is configured */
export const firstVisibility = (visibilityMs: number): number => Math.min(visibilityMs, LONGEST_FIRST_MS);

/**
 * Milliseconds for which SQS hides a message at most, counted from its receive (12 hours), less a margin for clocks that
 * differ: SQS refuses to hide it for longer.
 */
const LONGEST_HIDE_MS = 43_200_000 - 60_000;

/** A class, for thousands of these wait: each closure of each of them takes 64 bytes. */
class SqsDelivery<M extends QueueMessage> implements Delivery, Renewable {
  readonly name = 'message visibility';
  readonly firstReceivedAt: number;
  readonly receivedAt: number;
  lastsMs: number;
  readonly #message: M;
  readonly #options: DeliveryOptions<M>;

  constructor(message: M, receivedAt: number, options: DeliveryOptions<M>) {
    this.firstReceivedAt = Math.min(receivedAt, message.firstReceivedAt ?? receivedAt);
    this.receivedAt = receivedAt;
    this.lastsMs = firstVisibility(options.visibilityMs);
    this.#message = message;
    this.#options = options;
  }

  get messageId(): string {
    return this.#message.messageId;
  }

  get body(): string {
    return this.#message.body;
  }

  get receiveCount(): number {
    return this.#message.receiveCount;
  }

  get senderId(): string {
    return this.#message.senderId ?? '';
  }

  get visibility(): Renewable {
    return this;
  }

  async renew(): Promise<void> {
    if (this.isAged()) {
      const why = 'SQS hides a message for 12 hours at most; it goes back and is received anew.';
      throw new AdjoinError('lease-lost', why);
    }
    await this.hide(this.lastsMs);
  }

  follow(heartbeatMs: number): void {
    // SQS counts in whole seconds.
    const share = Math.floor((heartbeatMs * SHARE_OF_HEARTBEAT) / 1000) * 1000;
    this.lastsMs = Math.min(this.#options.visibilityMs, share);
  }

  isAged(): boolean {
    return this.#options.clock.now() + this.lastsMs > this.#hideableUntil;
  }

  hide(ms: number): Promise<void> {
    const left = this.#hideableUntil - this.#options.clock.now();
    return this.#options.queue.hide(this.#message, Math.max(0, Math.floor(Math.min(ms, left) / 1000)));
  }

  remove(): Promise<void> {
    return this.#options.queue.remove(this.#message);
  }

  get #hideableUntil(): number {
    return this.receivedAt + LONGEST_HIDE_MS;
  }
}

export const createDelivery = <M extends QueueMessage>(
  message: M,
  receivedAt: number,
  options: DeliveryOptions<M>,
): Delivery => new SqsDelivery(message, receivedAt, options);
