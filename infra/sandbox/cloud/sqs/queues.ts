import { ServiceFailure } from '../failure.ts';
import { enforce } from '../limits/limit.ts';
import { checkQueuePolicy, queueName, queueNumbers } from '../limits/sqs.ts';
import { arn, type Place } from '../place.ts';
import type { Witness } from '../seams.ts';
import type { Random } from '../random.ts';
import type { Timers } from '../timers.ts';
import { isRecord } from '../wire/shape.ts';
import { Queue } from './queue.ts';

/** Attributes that a caller may set, with SQS's defaults; no default means that the attribute is absent until set. */
const attributes: Readonly<Record<string, string | undefined>> = {
  VisibilityTimeout: '30',
  DelaySeconds: '0',
  // 1 MiB
  MaximumMessageSize: '1048576',
  // 4 days
  MessageRetentionPeriod: '345600',
  ReceiveMessageWaitTimeSeconds: '0',
  SqsManagedSseEnabled: 'true',
  RedrivePolicy: undefined,
  RedriveAllowPolicy: undefined,
  Policy: undefined,
  KmsMasterKeyId: undefined,
  KmsDataKeyReusePeriodSeconds: undefined,
};

/** How long the name of a deleted queue is taken: DeleteQueue, Amazon SQS API Reference. */
const nameRestMs = 60_000;

export class Queues {
  readonly #queues = new Map<string, Queue>();
  /** When queues were deleted, by name. */
  readonly #deletedAt = new Map<string, number>();
  readonly #place: Place;
  readonly #timers: Timers;
  readonly #random: Random;
  readonly #witness: Witness;

  constructor(parts: { place: Place; timers: Timers; random: Random; witness: Witness }) {
    this.#place = parts.place;
    this.#timers = parts.timers;
    this.#random = parts.random;
    this.#witness = parts.witness;
  }

  all(): Queue[] {
    return [...this.#queues.values()];
  }

  named(name: string | undefined): Queue {
    const queue = this.#queues.get(name ?? '');
    if (queue) return queue;
    throw new ServiceFailure('QueueDoesNotExist', 'The specified queue does not exist.');
  }

  /** The queue of a URL: `…/ACCOUNT/NAME`, whatever the host. */
  at(url: string | undefined): Queue {
    const [accountId, name] = (url ?? '').split('/').slice(-2);
    if (accountId !== this.#place.accountId) {
      throw new ServiceFailure('QueueDoesNotExist', 'The specified queue does not exist.');
    }
    return this.named(name);
  }

  withArn(queueArn: string): Queue | undefined {
    return this.all().find((each) => each.arn === queueArn);
  }

  create(name: string, wanted: Readonly<Record<string, string>>): Queue {
    enforce(queueName, name);
    checkAttributes(wanted);
    const existing = this.#queues.get(name);
    if (existing) {
      const different = Object.entries(wanted).find(([key, value]) => existing.settings.get(key) !== value);
      if (different) {
        throw new ServiceFailure(
          'QueueNameExists',
          `A queue already exists with the same name and a different value for attribute ${different[0]}`,
        );
      }
      return existing;
    }
    if (this.#timers.now() - (this.#deletedAt.get(name) ?? -Infinity) < nameRestMs) {
      throw new ServiceFailure(
        'QueueDeletedRecently',
        'You must wait 60 seconds after deleting a queue before you can create another with the same name.',
      );
    }
    const queue = new Queue({
      name,
      arn: arn(this.#place, 'sqs', name),
      settings: new Map(
        Object.entries(attributes).filter((each): each is [string, string] => each[1] !== undefined),
      ),
      timers: this.#timers,
      random: this.#random,
      witness: this.#witness,
      redriveTo: (target) => this.withArn(target),
    });
    this.configure(queue, wanted);
    this.#queues.set(name, queue);
    return queue;
  }

  configure(queue: Queue, wanted: Readonly<Record<string, string>>): void {
    checkAttributes(wanted);
    const redrive = wanted['RedrivePolicy'];
    if (redrive) this.#checkRedrive(redrive);
    for (const [key, value] of Object.entries(wanted)) {
      if (value === '') queue.settings.delete(key);
      else queue.settings.set(key, value);
    }
  }

  delete(queue: Queue): void {
    queue.purge();
    this.#queues.delete(queue.name);
    this.#deletedAt.set(queue.name, this.#timers.now());
  }

  #checkRedrive(text: string): void {
    const refuse = (reason: string) =>
      new ServiceFailure(
        'InvalidParameterValue',
        `Value ${text} for parameter RedrivePolicy is invalid. Reason: ${reason}`,
      );
    let policy: unknown;
    try {
      policy = JSON.parse(text);
    } catch {
      throw refuse('Redrive policy is not valid JSON map.');
    }
    if (!isRecord(policy)) throw refuse('Redrive policy is not valid JSON map.');
    const { deadLetterTargetArn, maxReceiveCount } = policy;
    const count = Number(maxReceiveCount);
    if (!Number.isInteger(count) || count < 1 || count > 1000)
      throw refuse('maxReceiveCount must be between 1 and 1000.');
    if (typeof deadLetterTargetArn !== 'string' || !this.withArn(deadLetterTargetArn)) {
      throw refuse('Dead letter target does not exist.');
    }
  }
}

function checkAttributes(wanted: Readonly<Record<string, string>>): void {
  const unknown = Object.keys(wanted).find((key) => !(key in attributes));
  if (unknown !== undefined) {
    const fifo = unknown === 'FifoQueue' ? ' Lifecycle hooks do not support FIFO queues.' : '';
    throw new ServiceFailure('InvalidAttributeName', `Unknown Attribute ${unknown}.${fifo}`);
  }
  for (const [key, value] of Object.entries(wanted).filter((each) => each[1] !== '')) {
    const limit = queueNumbers[key];
    if (limit) enforce(limit, Number(value));
    if (key === 'Policy') checkQueuePolicy(value);
  }
}
