import type { MessageAttributeValue } from '@aws-sdk/client-sqs';
import { ServiceFailure } from '../failure.ts';
import type { Witness } from '../seams.ts';
import { hexDigits, uuid, type Random } from '../random.ts';
import type { Timers } from '../timers.ts';
import { membersOf } from '../wire/shape.ts';

/*
 * A message: states, transitions, and who takes each.
 *
 *   delayed ──delay over──▶ visible ──ReceiveMessage (consumer)──▶ in flight ──DeleteMessage (consumer)──▶ gone
 *                              ▲                                      │
 *                              └──visibility over, or set to 0────────┘
 *   visible ──received more often than maxReceiveCount──▶ the dead-letter queue     any ──retention over──▶ gone
 *
 * A receipt handle is good for one receive: the next receive makes it stale.
 */
interface StoredMessage {
  readonly id: string;
  readonly body: string;
  readonly attributes: Record<string, MessageAttributeValue> | undefined;
  readonly senderId: string;
  readonly sentAt: number;
  visibleAt: number;
  receivedAt: number | undefined;
  firstReceivedAt: number | undefined;
  receiveCount: number;
  /** The nonce of the last receive's handle. */
  nonce: string;
}

export interface ReceivedMessage extends Readonly<StoredMessage> {
  readonly receiptHandle: string;
}

export interface Redrive {
  readonly deadLetterTargetArn: string;
  readonly maxReceiveCount: number;
}

/** A message that was received more often moves "to the back of the queue". */
const poisonReceives = 3;
/** A visibility timeout ends 12 hours after the receive at the latest. */
const longestVisibilityMs = 12 * 3_600_000;

export class Queue {
  readonly name: string;
  readonly arn: string;
  readonly createdAt: number;
  readonly settings: Map<string, string>;
  /** Where messages go that were received too often. */
  readonly #redriveTo: (arn: string) => Queue | undefined;
  readonly #messages = new Map<string, StoredMessage>();
  /** None was sent before this: a look for those whose retention is over need not go through all of them. */
  #sentFrom = Infinity;
  readonly #waiting = new Set<() => void>();
  /** Messages that were received, and receives that got none, since somebody asked last. */
  #receives = { received: 0, empty: 0 };
  readonly #timers: Timers;
  readonly #random: Random;
  readonly #witness: Witness;

  constructor(parts: {
    name: string;
    arn: string;
    settings: Map<string, string>;
    timers: Timers;
    random: Random;
    witness: Witness;
    redriveTo: (arn: string) => Queue | undefined;
  }) {
    this.name = parts.name;
    this.arn = parts.arn;
    this.settings = parts.settings;
    this.#redriveTo = parts.redriveTo;
    this.#timers = parts.timers;
    this.#random = parts.random;
    this.#witness = parts.witness;
    this.createdAt = parts.timers.now();
  }

  /** A whole number of seconds from the queue's attributes. */
  seconds(attribute: string): number {
    return Number(this.settings.get(attribute) ?? 0);
  }

  redrive(): Redrive | undefined {
    const text = this.settings.get('RedrivePolicy');
    if (!text) return undefined;
    const policy = membersOf(JSON.parse(text));
    return {
      deadLetterTargetArn: String(policy['deadLetterTargetArn']),
      maxReceiveCount: Number(policy['maxReceiveCount']),
    };
  }

  send(
    body: string,
    options: {
      attributes?: Record<string, MessageAttributeValue> | undefined;
      delaySeconds?: number | undefined;
      senderId: string;
    },
  ): { id: string } {
    const now = this.#timers.now();
    const message: StoredMessage = {
      id: uuid(this.#random),
      body,
      attributes: options.attributes,
      senderId: options.senderId,
      sentAt: now,
      visibleAt: now + (options.delaySeconds ?? this.seconds('DelaySeconds')) * 1000,
      receivedAt: undefined,
      firstReceivedAt: undefined,
      receiveCount: 0,
      nonce: '',
    };
    this.#add(message);
    this.#witness({ kind: 'message-sent', queue: this.name, messageId: message.id, body });
    this.#wake();
    return message;
  }

  /** Up to `most` visible messages; waits up to `waitMs` for the first one, or until `signal` aborts. */
  async receive(
    most: number,
    waitMs: number,
    visibilityMs: number,
    signal: AbortSignal,
  ): Promise<ReceivedMessage[]> {
    const until = this.#timers.now() + waitMs;
    for (;;) {
      // A consumer that hung up must not take messages along.
      const taken = signal.aborted ? [] : this.#take(most, visibilityMs);
      const now = this.#timers.now();
      if (taken.length > 0 || now >= until || signal.aborted) {
        this.#receives.received += taken.length;
        if (taken.length === 0) this.#receives.empty += 1;
        return taken;
      }
      if (!(await this.#change(Math.min(until, this.#nextVisibleAt()) - now, signal))) return [];
    }
  }

  /** Deletes by any handle that the message ever had; a message that is gone already is no error. */
  delete(receiptHandle: string): void {
    const { id, nonce } = this.#parse(receiptHandle);
    // Standard queues accept a stale handle, but need not delete; not deleting is what consumers must bear.
    if (this.#messages.get(id)?.nonce !== nonce) return;
    this.#messages.delete(id);
    this.#tell('message-deleted', id);
  }

  changeVisibility(receiptHandle: string, timeoutMs: number): void {
    const { id, nonce } = this.#parse(receiptHandle);
    const message = this.#messages.get(id);
    const now = this.#timers.now();
    if (!message || message.nonce !== nonce || message.receivedAt === undefined) {
      throw new ServiceFailure(
        'InvalidParameterValue',
        `Value ${receiptHandle} for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change.`,
      );
    }
    if (message.visibleAt <= now) {
      throw new ServiceFailure('MessageNotInflight', 'The message referred to is not in flight.');
    }
    if (now + timeoutMs - message.receivedAt > longestVisibilityMs) {
      throw new ServiceFailure(
        'InvalidParameterValue',
        `Value ${timeoutMs / 1000} for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the message is beyond the limit [43200 seconds].`,
      );
    }
    message.visibleAt = now + timeoutMs;
    this.#wake();
  }

  purge(): void {
    this.#messages.clear();
  }

  counts(): { visible: number; inFlight: number; delayed: number } {
    const now = this.#timers.now();
    this.#expire();
    const counts = { visible: 0, inFlight: 0, delayed: 0 };
    for (const message of this.#messages.values()) {
      if (message.visibleAt <= now) counts.visible += 1;
      else if (message.receiveCount === 0) counts.delayed += 1;
      else counts.inFlight += 1;
    }
    return counts;
  }

  /** What was received since this was asked for last. */
  receives(): { readonly received: number; readonly empty: number } {
    const { received, empty } = this.#receives;
    this.#receives = { received: 0, empty: 0 };
    return { received, empty };
  }

  /**
   * Age of the oldest message, in seconds; 0 where there is none. One that was received three times and is still there is passed over:
   * "ApproximateAgeOfOldestMessage", Available CloudWatch metrics for Amazon SQS.
   */
  oldestSeconds(): number {
    this.#expire();
    const sentAt = [...this.#messages.values()]
      .filter(({ receiveCount }) => receiveCount <= poisonReceives)
      .map((each) => each.sentAt);
    return sentAt.length === 0 ? 0 : Math.floor((this.#timers.now() - Math.min(...sentAt)) / 1_000);
  }

  /** Lets long polls look again. */
  #wake(): void {
    for (const wake of this.#waiting) wake();
  }

  #take(most: number, visibilityMs: number): ReceivedMessage[] {
    this.#expire();
    const now = this.#timers.now();
    const redrive = this.redrive();
    const taken: ReceivedMessage[] = [];
    for (const message of this.#messages.values()) {
      if (taken.length >= most) break;
      if (message.visibleAt > now) continue;
      const target =
        redrive && message.receiveCount >= redrive.maxReceiveCount
          ? this.#redriveTo(redrive.deadLetterTargetArn)
          : undefined;
      if (target) {
        this.#messages.delete(message.id);
        this.#tell('message-dead', message.id);
        target.#adopt(message);
        continue;
      }
      message.receiveCount += 1;
      message.firstReceivedAt ??= now;
      message.receivedAt = now;
      message.visibleAt = now + visibilityMs;
      message.nonce = hexDigits(this.#random, 32);
      this.#tell('message-received', message.id);
      taken.push({ ...message, receiptHandle: this.#handle(message) });
    }
    return taken;
  }

  /** A dead letter keeps its ID, its body and the time it was first sent. */
  #adopt(message: StoredMessage): void {
    this.#add({ ...message, visibleAt: this.#timers.now(), receivedAt: undefined });
    this.#wake();
  }

  #add(message: StoredMessage): void {
    this.#messages.set(message.id, message);
    this.#sentFrom = Math.min(this.#sentFrom, message.sentAt);
  }

  #expire(): void {
    const oldest = this.#timers.now() - this.seconds('MessageRetentionPeriod') * 1000;
    if (this.#sentFrom >= oldest) return;
    this.#sentFrom = Infinity;
    for (const message of this.#messages.values()) {
      if (message.sentAt >= oldest) {
        this.#sentFrom = Math.min(this.#sentFrom, message.sentAt);
        continue;
      }
      this.#messages.delete(message.id);
      this.#tell('message-expired', message.id);
    }
  }

  #tell(
    kind: 'message-received' | 'message-deleted' | 'message-dead' | 'message-expired',
    messageId: string,
  ): void {
    this.#witness({ kind, queue: this.name, messageId });
  }

  #nextVisibleAt(): number {
    const now = this.#timers.now();
    const later = [...this.#messages.values()].map((each) => each.visibleAt).filter((at) => at > now);
    return Math.min(...later, Infinity);
  }

  /** Resolves true when the queue may have changed or the time is over, false when no caller waits any more. */
  async #change(ms: number, signal: AbortSignal): Promise<boolean> {
    const woken = new AbortController();
    const wake = () => woken.abort();
    this.#waiting.add(wake);
    try {
      const elapsed = await this.#timers.pause(ms, AbortSignal.any([signal, woken.signal]));
      return elapsed || woken.signal.aborted;
    } finally {
      this.#waiting.delete(wake);
    }
  }

  #handle(message: StoredMessage): string {
    return Buffer.from(`${this.arn} ${message.id} ${message.nonce}`).toString('base64');
  }

  #parse(receiptHandle: string): { id: string; nonce: string } {
    const [queueArn, id, nonce, ...rest] = Buffer.from(receiptHandle, 'base64').toString().split(' ');
    if (
      queueArn !== this.arn ||
      !/^[0-9a-f-]{36}$/.test(id ?? '') ||
      !/^[0-9a-f]{32}$/.test(nonce ?? '') ||
      rest.length > 0
    ) {
      throw new ServiceFailure(
        'ReceiptHandleIsInvalid',
        `The input receipt handle "${receiptHandle}" is not a valid receipt handle.`,
      );
    }
    return { id: id ?? '', nonce: nonce ?? '' };
  }
}
