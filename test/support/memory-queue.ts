/**
 * The queue in memory, in any time that it is given: a receive hides a message, a receipt is good until the next receive,
 * and what was received too often is a dead letter. One contract suite runs over it and over the adapter on the emulated
 * SQS (test/unit/aws/queue.contract.test.ts).
 */
import { AdjoinError } from '../../agent/errors.ts';

export interface StoredMessage {
  readonly messageId: string;
  readonly body: string;
  receiveCount: number;
  /** The last receive's. */
  receipt: number;
  /** Milliseconds since the Unix epoch, all of them. */
  firstReceivedAt: number;
  receivedAt: number;
  visibleAt: number;
  gone: 'deleted' | 'dead letter' | undefined;
}

/** One receive of a message, as a worker gets it. */
export interface ReceivedMessage {
  readonly messageId: string;
  readonly body: string;
  readonly receiveCount: number;
  readonly receipt: number;
  readonly firstReceivedAt: number;
}

export interface MemoryQueueOptions {
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  /** Milliseconds for which a receive hides a message. */
  readonly visibilityMs: number;
  readonly maximumReceives: number;
}

/** Each call does its work at once; a test that wants a slow, failing or lost answer wraps it. */
export interface MemoryQueue {
  /** All that were ever sent, in their order. */
  readonly messages: readonly StoredMessage[];
  send(body: string): void;
  receive(maximum: number): ReceivedMessage[];
  /** Milliseconds until a message becomes visible; Infinity when none will by itself. */
  nextVisible(): number;
  remove(received: ReceivedMessage): void;
  /** Hides the message for this long from now. @throws AdjoinError `lease-lost` when the receipt is stale */
  hide(received: ReceivedMessage, seconds: number): void;
}

/** The most that one receive hands out. */
const MAXIMUM_BATCH = 10;
/** Milliseconds after a receive at which the message becomes visible at the latest. */
const LONGEST_HIDE_MS = 43_200_000;

export function createMemoryQueue({ now, visibilityMs, maximumReceives }: MemoryQueueOptions): MemoryQueue {
  const messages: StoredMessage[] = [];
  const byId = new Map<string, StoredMessage>();
  let receipts = 0;
  /** All before it are gone. */
  let firstLeft = 0;

  /** In the order in which they were sent. */
  function* left(): Generator<StoredMessage> {
    while (messages[firstLeft]?.gone) firstLeft += 1;
    for (let index = firstLeft; index < messages.length; index += 1) {
      const message = messages[index];
      if (message && !message.gone) yield message;
    }
  }

  const stored = (received: ReceivedMessage): StoredMessage | undefined => byId.get(received.messageId);

  return {
    messages,
    send(body) {
      const message: StoredMessage = {
        messageId: `m${messages.length + 1}`,
        body,
        receiveCount: 0,
        receipt: 0,
        firstReceivedAt: Infinity,
        receivedAt: Infinity,
        visibleAt: now(),
        gone: undefined,
      };
      messages.push(message);
      byId.set(message.messageId, message);
    },
    receive(maximum) {
      const found: ReceivedMessage[] = [];
      for (const message of left()) {
        if (message.visibleAt > now()) continue;
        if (found.length === Math.min(maximum, MAXIMUM_BATCH)) break;
        if (message.receiveCount === maximumReceives) {
          message.gone = 'dead letter';
          continue;
        }
        message.receiveCount += 1;
        receipts += 1;
        message.receipt = receipts;
        message.firstReceivedAt = Math.min(message.firstReceivedAt, now());
        message.receivedAt = now();
        message.visibleAt = now() + visibilityMs;
        const { messageId, body, receiveCount, receipt, firstReceivedAt } = message;
        found.push({ messageId, body, receiveCount, receipt, firstReceivedAt });
      }
      return found;
    },
    nextVisible() {
      let soonest = Infinity;
      for (const { visibleAt } of left()) soonest = Math.min(soonest, visibleAt);
      return Math.max(0, soonest - now());
    },
    remove(received) {
      // A stale receipt may still delete (SQS promises neither): the worse of the two for a worker that deletes early.
      const message = stored(received);
      if (message && !message.gone) message.gone = 'deleted';
    },
    hide(received, seconds) {
      const message = stored(received);
      const visibleAt = now() + Math.round(seconds) * 1000;
      const stale = message?.receipt !== received.receipt || message.gone || message.visibleAt <= now();
      if (!message || stale || visibleAt > message.receivedAt + LONGEST_HIDE_MS) {
        throw new AdjoinError('lease-lost', `Message ${received.messageId} is no longer this worker's.`);
      }
      message.visibleAt = visibleAt;
    },
  };
}
