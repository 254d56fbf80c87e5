/**
 * What the core may rely on from the queue. The suite runs over the adapter on the emulated SQS and over the queue in memory
 * that stands for it in the schedules, so that these play by the same rules.
 */
import { CreateQueueCommand, ReceiveMessageCommand, SendMessageCommand } from '@aws-sdk/client-sqs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { systemClock } from '../../../agent/clock.ts';
import { createQueue } from '../../../agent/aws/queue.ts';
import { createMemoryQueue } from '../../support/memory-queue.ts';
import { createVirtualClock, type VirtualClock } from '../../support/virtual-clock.ts';
import { accountId, region, startBench } from '../../sandbox/cloud/bench.ts';

const VISIBILITY_SECONDS = 120;
const MAXIMUM_RECEIVES = 3;
const HALF_A_DAY = 43_200;

interface Received {
  readonly messageId: string;
  readonly body: string;
  readonly receiveCount: number;
}

/** A queue, and a message of it that was received. */
interface Subject {
  readonly clock: VirtualClock;
  send(body: string): Promise<void>;
  /** Receives, with what may be done to each. */
  receive(maximum?: number): Promise<(Received & Handling)[]>;
  deadLetters(): Promise<string[]>;
  close(): Promise<void>;
}

interface Handling {
  remove(): Promise<void>;
  hide(seconds: number): Promise<void>;
}

function inMemory(): Subject {
  const clock = createVirtualClock();
  const queue = createMemoryQueue({
    now: () => clock.now(),
    visibilityMs: VISIBILITY_SECONDS * 1000,
    maximumReceives: MAXIMUM_RECEIVES,
  });
  return {
    clock,
    send: async (body) => queue.send(body),
    receive: async (maximum = 10) =>
      queue.receive(maximum).map((delivery) => ({
        ...delivery,
        remove: async () => queue.remove(delivery),
        hide: async (seconds) => queue.hide(delivery, seconds),
      })),
    deadLetters: async () =>
      queue.messages.filter(({ gone }) => gone === 'dead letter').map(({ body }) => body),
    close: async () => undefined,
  };
}

async function inSqs(): Promise<Subject> {
  const bench = await startBench();
  const { sqs } = bench.as('worker');
  const { QueueUrl: dead } = await sqs.send(new CreateQueueCommand({ QueueName: 'dead' }));
  const RedrivePolicy = JSON.stringify({
    deadLetterTargetArn: `arn:aws:sqs:${region}:${accountId}:dead`,
    maxReceiveCount: MAXIMUM_RECEIVES,
  });
  const { QueueUrl = '' } = await sqs.send(
    new CreateQueueCommand({ QueueName: 'actions', Attributes: { RedrivePolicy } }),
  );
  const queue = createQueue(sqs, {
    url: QueueUrl,
    waitSeconds: 0,
    visibilitySeconds: VISIBILITY_SECONDS,
    clock: systemClock,
  });
  return {
    clock: bench.clock,
    send: async (MessageBody) => void (await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody }))),
    receive: async (maximum = 10) =>
      (await queue.receive(maximum)).map((message) => ({
        ...message,
        remove: () => queue.remove(message),
        hide: (seconds) => queue.hide(message, seconds),
      })),
    async deadLetters() {
      const { Messages = [] } = await sqs.send(new ReceiveMessageCommand({ QueueUrl: dead }));
      return Messages.map(({ Body = '' }) => Body);
    },
    async close() {
      await bench[Symbol.asyncDispose]();
    },
  };
}

const lost = { code: 'lease-lost' };

describe.each([
  ['in memory', inMemory],
  ['in SQS', inSqs],
])('%s', (_where, start) => {
  let queue: Subject;
  beforeEach(async () => {
    queue = await start();
  });
  afterEach(() => queue.close());

  const wait = (seconds: number): Promise<void> => queue.clock.advance(seconds * 1000);

  async function one(): Promise<Received & Handling> {
    const [message, ...others] = await queue.receive();
    if (!message || others.length > 0) throw new Error('There is not one message.');
    return message;
  }

  test('a message is hidden by its receive, and comes again with a higher count', async () => {
    await queue.send('hello');
    const first = await one();
    expect(first).toMatchObject({ body: 'hello', receiveCount: 1 });
    await wait(VISIBILITY_SECONDS - 1);
    expect(await queue.receive()).toEqual([]);
    await wait(1);
    expect(await one()).toMatchObject({ messageId: first.messageId, body: 'hello', receiveCount: 2 });
  });

  test('a receive brings no more than were asked for, and never more than ten', async () => {
    for (let number = 1; number <= 16; number += 1) await queue.send(`m${number}`);
    const received = [await queue.receive(3), await queue.receive(12), await queue.receive(12)];
    expect(received.map((messages) => messages.length)).toEqual([3, 10, 3]);
    const bodies = received.flat().map(({ body }) => body);
    expect(new Set(bodies).size).toBe(16);
  });

  test('a message that was removed does not come again, and is removed again without an error', async () => {
    await queue.send('hello');
    const message = await one();
    await message.remove();
    await message.remove();
    await wait(HALF_A_DAY);
    expect(await queue.receive()).toEqual([]);
    expect(await queue.deadLetters()).toEqual([]);
  });

  test('a message is hidden from now on, for whole seconds', async () => {
    await queue.send('hello');
    const message = await one();
    await wait(100);
    await message.hide(299.6);
    await wait(299);
    expect(await queue.receive()).toEqual([]);
    await wait(1);
    await (await one()).hide(99.4);
    await wait(98);
    expect(await queue.receive()).toEqual([]);
    await wait(1);
    expect(await queue.receive()).toHaveLength(1);
  });

  test('a message that is hidden for no time comes at once', async () => {
    await queue.send('hello');
    await (await one()).hide(0);
    expect(await queue.receive()).toHaveLength(1);
  });

  test('a message that another has received is lost to the first, and still belongs to the other', async () => {
    await queue.send('hello');
    const first = await one();
    await wait(VISIBILITY_SECONDS);
    const second = await one();
    await expect(first.hide(600)).rejects.toMatchObject(lost);
    await second.hide(300);
    await wait(299);
    expect(await queue.receive()).toEqual([]);
  });

  test('a message that is visible again, or removed, is lost to its receiver', async () => {
    await queue.send('hello');
    const late = await one();
    await wait(VISIBILITY_SECONDS);
    await expect(late.hide(60)).rejects.toMatchObject(lost);
    const removed = await one();
    await removed.remove();
    await expect(removed.hide(60)).rejects.toMatchObject(lost);
    expect(await queue.receive()).toEqual([]);
  });

  test('a message is hidden until twelve hours after its receive at most', async () => {
    await queue.send('hello');
    const message = await one();
    await wait(100);
    await expect(message.hide(HALF_A_DAY - 99)).rejects.toMatchObject(lost);
    await message.hide(HALF_A_DAY - 100);
    await wait(HALF_A_DAY - 101);
    expect(await queue.receive()).toEqual([]);
    await wait(1);
    expect(await queue.receive()).toHaveLength(1);
  });

  test('a message that was received too often is a dead letter', async () => {
    await queue.send('hello');
    for (let receive = 1; receive <= MAXIMUM_RECEIVES; receive += 1) {
      expect(await one()).toMatchObject({ receiveCount: receive });
      expect(await queue.deadLetters()).toEqual([]);
      await wait(VISIBILITY_SECONDS);
    }
    expect(await queue.receive()).toEqual([]);
    expect(await queue.deadLetters()).toEqual(['hello']);
  });
});
