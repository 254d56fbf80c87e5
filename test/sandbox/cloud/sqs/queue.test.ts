import {
  ChangeMessageVisibilityCommand,
  CreateQueueCommand,
  DeleteMessageBatchCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SendMessageCommand,
  type Message,
} from '@aws-sdk/client-sqs';
import { expect, test } from '@jest/globals';
import { accountId, region, startBench } from '../bench.ts';

async function startQueue(attributes: Record<string, string> = {}) {
  const bench = await startBench();
  const { sqs } = bench.as('worker');
  const { QueueUrl: dead } = await sqs.send(new CreateQueueCommand({ QueueName: 'dead' }));
  const { QueueUrl } = await sqs.send(
    new CreateQueueCommand({ QueueName: 'actions', Attributes: { VisibilityTimeout: '60', ...attributes } }),
  );
  return {
    ...bench,
    sqs,
    QueueUrl,
    dead,
    async [Symbol.asyncDispose]() {
      await bench[Symbol.asyncDispose]();
    },
    send: (MessageBody: string) => sqs.send(new SendMessageCommand({ QueueUrl, MessageBody })),
    async receive(options: { from?: string | undefined; wait?: number } = {}): Promise<Message[]> {
      const { Messages } = await sqs.send(
        new ReceiveMessageCommand({
          QueueUrl: options.from ?? QueueUrl,
          MaxNumberOfMessages: 10,
          WaitTimeSeconds: options.wait ?? 0,
          MessageSystemAttributeNames: ['All'],
          MessageAttributeNames: ['All'],
        }),
      );
      return Messages ?? [];
    },
  };
}

test('a received message is hidden until its visibility ends, and counts its receives', async () => {
  await using queue = await startQueue();
  await queue.send('hello');
  const sentAt = queue.clock.now();
  const [first] = await queue.receive();
  expect(first?.Attributes).toMatchObject({ ApproximateReceiveCount: '1', SentTimestamp: String(sentAt) });
  await queue.clock.advance(59_000);
  expect(await queue.receive()).toEqual([]);
  await queue.clock.advance(1000);
  const [again] = await queue.receive();
  expect(again).toMatchObject({
    Body: 'hello',
    MessageId: first?.MessageId,
    Attributes: { ApproximateReceiveCount: '2' },
  });
});

test('a message received too often moves to the dead-letter queue', async () => {
  await using queue = await startQueue({
    RedrivePolicy: JSON.stringify({
      deadLetterTargetArn: `arn:aws:sqs:${region}:${accountId}:dead`,
      maxReceiveCount: 2,
    }),
  });
  await queue.send('garbage');
  for (let receive = 1; receive <= 2; receive++) {
    expect(await queue.receive()).toHaveLength(1);
    await queue.clock.advance(60_000);
  }
  expect(await queue.receive()).toEqual([]);
  expect(await queue.receive({ from: queue.dead })).toMatchObject([{ Body: 'garbage' }]);
});

test('a message is gone once the queue has kept it for its time, and each that was sent later when its own is over', async () => {
  await using queue = await startQueue({ MessageRetentionPeriod: '600' });
  const bodies = async (): Promise<unknown[]> => (await queue.receive()).map(({ Body }) => Body);
  await queue.send('first');
  await queue.clock.advance(200_000);
  await queue.send('second');
  await queue.clock.advance(200_000);
  await queue.send('third');
  await queue.clock.advance(200_000);
  expect(await bodies()).toEqual(['first', 'second', 'third']);
  await queue.clock.advance(61_000);
  expect(await bodies()).toEqual(['second', 'third']);
  await queue.clock.advance(200_000);
  expect(await bodies()).toEqual(['third']);
  await queue.clock.advance(200_000);
  expect(await bodies()).toEqual([]);
});

test('a long poll ends with the message that arrives, or empty when its time is over', async () => {
  await using queue = await startQueue();
  const poll = queue.receive({ wait: 20 });
  await queue.clock.advance(5000);
  await queue.send('late');
  expect(await poll).toMatchObject([{ Body: 'late' }]);
  const idle = queue.receive({ wait: 20 });
  await queue.clock.until(idle, 21_000);
  expect(await idle).toEqual([]);
});

test('a long poll sees a message whose visibility ends meanwhile', async () => {
  await using queue = await startQueue({ VisibilityTimeout: '10' });
  await queue.send('hello');
  await queue.receive();
  const poll = queue.receive({ wait: 20 });
  const [again] = await queue.clock.until(poll, 11_000);
  expect(again?.Attributes?.['ApproximateReceiveCount']).toBe('2');
});

test('a consumer that hangs up takes no message along', async () => {
  await using queue = await startQueue();
  const abort = new AbortController();
  const poll = queue.sqs.send(new ReceiveMessageCommand({ QueueUrl: queue.QueueUrl, WaitTimeSeconds: 20 }), {
    abortSignal: abort.signal,
  });
  await queue.clock.advance(1000);
  abort.abort();
  await expect(poll).rejects.toThrow('abort');
  await queue.send('hello');
  expect(await queue.receive()).toMatchObject([{ Attributes: { ApproximateReceiveCount: '1' } }]);
});

test('visibility can be prolonged, given up, and not stretched beyond twelve hours from the receive', async () => {
  await using queue = await startQueue();
  await queue.send('hello');
  const [message] = await queue.receive();
  const change = (VisibilityTimeout: number) =>
    queue.sqs.send(
      new ChangeMessageVisibilityCommand({
        QueueUrl: queue.QueueUrl,
        ReceiptHandle: message?.ReceiptHandle,
        VisibilityTimeout,
      }),
    );
  await queue.clock.advance(30_000);
  await change(600);
  await queue.clock.advance(599_000);
  expect(await queue.receive()).toEqual([]);
  await expect(change(43_000)).rejects.toThrow('beyond the limit [43200 seconds]');
  await change(0);
  expect(await queue.receive()).toHaveLength(1);
  await expect(change(60)).rejects.toThrow('not available for visibility timeout change');
});

test('garbage is no receipt handle, and a stale one deletes nothing', async () => {
  await using queue = await startQueue();
  await queue.send('hello');
  const [first] = await queue.receive();
  const remove = (ReceiptHandle: string | undefined) =>
    queue.sqs.send(new DeleteMessageCommand({ QueueUrl: queue.QueueUrl, ReceiptHandle }));
  await expect(remove('garbage')).rejects.toMatchObject({ name: 'ReceiptHandleIsInvalid' });
  await queue.clock.advance(60_000);
  const [second] = await queue.receive();
  await remove(first?.ReceiptHandle);
  await queue.clock.advance(60_000);
  const [third] = await queue.receive();
  expect(third?.MessageId).toBe(second?.MessageId);
  await remove(third?.ReceiptHandle);
  await queue.clock.advance(60_000);
  expect(await queue.receive()).toEqual([]);
});

test('batches report each entry, and attributes come back with digests that the SDK accepts', async () => {
  await using queue = await startQueue();
  const { Successful } = await queue.sqs.send(
    new SendMessageBatchCommand({
      QueueUrl: queue.QueueUrl,
      Entries: [
        {
          Id: 'a',
          MessageBody: 'first',
          MessageAttributes: { kind: { DataType: 'String', StringValue: 'test' } },
        },
        { Id: 'b', MessageBody: 'ü' },
      ],
    }),
  );
  expect(Successful?.map((each) => each.Id)).toEqual(['a', 'b']);
  const [first, second] = await queue.receive();
  expect(first?.MessageAttributes).toEqual({ kind: { DataType: 'String', StringValue: 'test' } });
  const { Failed } = await queue.sqs.send(
    new DeleteMessageBatchCommand({
      QueueUrl: queue.QueueUrl,
      Entries: [
        { Id: 'a', ReceiptHandle: first?.ReceiptHandle },
        { Id: 'b', ReceiptHandle: 'garbage' },
      ],
    }),
  );
  expect(Failed).toMatchObject([{ Id: 'b', Code: 'ReceiptHandleIsInvalid', SenderFault: true }]);
  const { Attributes } = await queue.sqs.send(
    new GetQueueAttributesCommand({
      QueueUrl: queue.QueueUrl,
      AttributeNames: ['ApproximateNumberOfMessagesNotVisible'],
    }),
  );
  expect(Attributes).toEqual({ ApproximateNumberOfMessagesNotVisible: '1' });
  expect(second?.Body).toBe('ü');
});

test('a message may have 1 MiB and no more', async () => {
  await using queue = await startQueue();
  await queue.send('x'.repeat(1_048_576));
  await expect(queue.send('x'.repeat(1_048_577))).rejects.toThrow('shorter than 1048576 bytes');
});

test('a queue that does not exist is called so', async () => {
  await using queue = await startQueue();
  const from = queue.QueueUrl?.replace('actions', 'nowhere');
  await expect(queue.receive({ from })).rejects.toMatchObject({ name: 'QueueDoesNotExist' });
});
