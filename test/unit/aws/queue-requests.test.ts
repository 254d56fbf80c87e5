/** What the adapters of the two queues ask, and what they make of the answers. */
import { SQSClient } from '@aws-sdk/client-sqs';
import { describe, expect, test } from '@jest/globals';
import { createDeadLetters } from '../../../agent/aws/dead-letters.ts';
import { systemClock } from '../../../agent/clock.ts';
import { createQueue } from '../../../agent/aws/queue.ts';
import { asked, inTurn, startAwsEndpoint, type AwsAnswer } from '../../support/aws-endpoint.ts';

const url = 'https://sqs.eu-central-1.amazonaws.com/123456789012/adjoin';
const deadUrl = `${url}-dead-letters`;

async function start(...answers: readonly AwsAnswer[]) {
  const endpoint = await startAwsEndpoint(inTurn(...answers));
  const client = new SQSClient({ ...endpoint.client, useQueueUrlAsEndpoint: false, md5: false });
  return {
    endpoint,
    queue: createQueue(client, { url, waitSeconds: 20, visibilitySeconds: 120, clock: systemClock }),
    letters: createDeadLetters(client, { url: deadUrl, mainUrl: url }),
  };
}

const message = { messageId: 'm-1', receiptHandle: 'r-1', body: '{}', receiveCount: 1 };
const letter = { messageId: 'm-1', receiptHandle: 'r-1', body: '{"a":1}', sentAt: 7 };

describe('the queue', () => {
  test('is polled for as long and as many as SQS allows, and says how often each message came, and who sent it', async () => {
    const { endpoint, queue } = await start(
      {
        Messages: [
          {
            MessageId: 'm-1',
            ReceiptHandle: 'r-1',
            Body: 'one',
            Attributes: {
              ApproximateReceiveCount: '3',
              ApproximateFirstReceiveTimestamp: '1767225600000',
              SenderId: 'AROA1:me',
              SentTimestamp: '1767225500000',
            },
          },
          {},
        ],
      },
      {},
    );
    await using _ = endpoint;
    await expect(queue.receive(16)).resolves.toEqual([
      {
        messageId: 'm-1',
        receiptHandle: 'r-1',
        body: 'one',
        receiveCount: 3,
        senderId: 'AROA1:me',
        firstReceivedAt: 1_767_225_600_000,
        sentAt: 1_767_225_500_000,
      },
      { messageId: '', receiptHandle: '', body: '', receiveCount: 1, senderId: '' },
    ]);
    await expect(queue.receive(2)).resolves.toEqual([]);
    const input = {
      QueueUrl: url,
      WaitTimeSeconds: 20,
      VisibilityTimeout: 120,
      MessageSystemAttributeNames: [
        'ApproximateReceiveCount',
        'ApproximateFirstReceiveTimestamp',
        'SenderId',
        'SentTimestamp',
      ],
    };
    expect(asked(endpoint)).toEqual([
      { operation: 'ReceiveMessage', input: { ...input, MaxNumberOfMessages: 10 } },
      { operation: 'ReceiveMessage', input: { ...input, MaxNumberOfMessages: 2 } },
    ]);
  });

  test('removes and hides by the receipt of this receive, in whole seconds', async () => {
    const { endpoint, queue } = await start({});
    await using _ = endpoint;
    await queue.remove(message);
    await queue.hide(message, 29.6);
    const input = { QueueUrl: url, ReceiptHandle: 'r-1' };
    expect(asked(endpoint)).toEqual([
      { operation: 'DeleteMessage', input },
      { operation: 'ChangeMessageVisibility', input: { ...input, VisibilityTimeout: 30 } },
    ]);
  });

  test('removes up to ten messages by one request, and tells each how it ended', async () => {
    const { endpoint, queue } = await start(
      {
        Successful: [{ Id: '0' }],
        Failed: [{ Id: '1', SenderFault: true, Code: 'AccessDeniedException', Message: 'no' }],
      },
      {},
    );
    await using _ = endpoint;
    const messages = ['a', 'b', 'c'].map((id) => ({ ...message, messageId: id, receiptHandle: `r-${id}` }));
    const [first, second, third] = await Promise.allSettled(messages.map((each) => queue.remove(each)));
    expect(asked(endpoint)).toEqual([
      {
        operation: 'DeleteMessageBatch',
        input: {
          QueueUrl: url,
          Entries: ['a', 'b', 'c'].map((id, index) => ({ Id: String(index), ReceiptHandle: `r-${id}` })),
        },
      },
    ]);
    expect(first).toMatchObject({ status: 'fulfilled' });
    expect(second).toMatchObject({
      reason: { code: 'aws-denied', message: expect.stringContaining('DeleteMessage b') },
    });
    // SQS has said nothing of it.
    expect(third).toMatchObject({ reason: { code: 'aws-unavailable' } });
  });

  test('hides messages by one request, each for its own time; one that is lost is no other’s loss', async () => {
    const { endpoint, queue } = await start({
      Successful: [{ Id: '1' }],
      Failed: [
        { Id: '0', SenderFault: true, Code: 'MessageNotInflight', Message: 'no' },
        { Id: '2', SenderFault: false, Code: 'InternalError', Message: 'later' },
      ],
    });
    await using _ = endpoint;
    const hidden = await Promise.allSettled(
      [10, 20.4, 0].map((seconds, index) => queue.hide({ ...message, receiptHandle: `r-${index}` }, seconds)),
    );
    expect(asked(endpoint)).toEqual([
      {
        operation: 'ChangeMessageVisibilityBatch',
        input: {
          QueueUrl: url,
          Entries: [10, 20, 0].map((seconds, index) => ({
            Id: String(index),
            ReceiptHandle: `r-${index}`,
            VisibilityTimeout: seconds,
          })),
        },
      },
    ]);
    expect(hidden).toMatchObject([
      { reason: { code: 'lease-lost' } },
      { status: 'fulfilled' },
      { reason: { code: 'aws-unavailable' } },
    ]);
  });

  test.each([
    ['com.amazonaws.sqs#MessageNotInflight', 'AWS.SimpleQueueService.MessageNotInflight'],
    ['com.amazonaws.sqs#MessageNotInflight', undefined],
    ['com.amazonaws.sqs#ReceiptHandleIsInvalid', 'ReceiptHandleIsInvalid'],
    ['com.amazonaws.sqs#InvalidParameterValue', 'InvalidParameterValue'],
  ])('says that a message is no longer this worker’s when SQS answers %s (%s)', async (error, queryError) => {
    const { endpoint, queue } = await start({ error, message: 'no', ...(queryError ? { queryError } : {}) });
    await using _ = endpoint;
    const hidden = queue.hide(message, 30);
    await expect(hidden).rejects.toMatchObject({ code: 'lease-lost', cause: expect.any(Object) });
    await expect(hidden).rejects.toThrow("Message m-1 is no longer this worker's.");
  });

  test.each([
    ['QueueDoesNotExist', 'aws-refused'],
    ['AccessDeniedException', 'aws-denied'],
    ['ThrottlingException', 'aws-throttled'],
    ['NotMessageNotInflight', 'aws-refused'],
    ['MessageNotInflightAtAll', 'aws-refused'],
  ])('does not take %s for the loss of a message', async (error, code) => {
    const { endpoint, queue } = await start({ error });
    await using _ = endpoint;
    const hidden = queue.hide(message, 30);
    await expect(hidden).rejects.toMatchObject({ code });
    await expect(hidden).rejects.toThrow('sqs:ChangeMessageVisibility m-1');
  });

  test('says which call failed', async () => {
    const { endpoint, queue } = await start({ error: 'AccessDeniedException' });
    await using _ = endpoint;
    await expect(queue.receive(1)).rejects.toThrow('sqs:ReceiveMessage: AccessDeniedException');
    await expect(queue.remove(message)).rejects.toThrow('sqs:DeleteMessage m-1: AccessDeniedException');
  });
});

describe('the dead-letter queue', () => {
  test('gives up to ten messages, hidden for two minutes, by a long poll', async () => {
    const { endpoint, letters } = await start(
      {
        Messages: [
          { MessageId: 'm-1', ReceiptHandle: 'r-1', Body: 'one', Attributes: { SentTimestamp: '7' } },
          {},
        ],
      },
      {},
    );
    await using _ = endpoint;
    await expect(letters.receive()).resolves.toEqual([
      { messageId: 'm-1', receiptHandle: 'r-1', body: 'one', sentAt: 7 },
      { messageId: '', receiptHandle: '', body: '', sentAt: undefined },
    ]);
    await expect(letters.receive()).resolves.toEqual([]);
    expect(asked(endpoint)[0]).toEqual({
      operation: 'ReceiveMessage',
      input: {
        QueueUrl: deadUrl,
        MaxNumberOfMessages: 10,
        WaitTimeSeconds: 1,
        VisibilityTimeout: 120,
        MessageSystemAttributeNames: ['SentTimestamp'],
      },
    });
  });

  test('shows a message again at once', async () => {
    const { endpoint, letters } = await start({});
    await using _ = endpoint;
    await letters.show(letter);
    expect(asked(endpoint)).toEqual([
      {
        operation: 'ChangeMessageVisibility',
        input: { QueueUrl: deadUrl, ReceiptHandle: 'r-1', VisibilityTimeout: 0 },
      },
    ]);
  });

  test('replays by sending to the main queue first, and deletes only then', async () => {
    const { endpoint, letters } = await start({});
    await using _ = endpoint;
    await letters.replay(letter);
    expect(asked(endpoint)).toEqual([
      { operation: 'SendMessage', input: { QueueUrl: url, MessageBody: '{"a":1}' } },
      { operation: 'DeleteMessage', input: { QueueUrl: deadUrl, ReceiptHandle: 'r-1' } },
    ]);
  });

  test('keeps what could not be sent', async () => {
    const { endpoint, letters } = await start({ error: 'AccessDeniedException' });
    await using _ = endpoint;
    const replayed = letters.replay(letter);
    await expect(replayed).rejects.toMatchObject({ code: 'aws-denied' });
    await expect(replayed).rejects.toThrow('sqs:SendMessage of m-1');
    expect(asked(endpoint).map(({ operation }) => operation)).toEqual(['SendMessage']);
  });

  test('tells of a message that was sent and could not be deleted', async () => {
    const { endpoint, letters } = await start({}, { error: 'AccessDeniedException' });
    await using _ = endpoint;
    await expect(letters.replay(letter)).rejects.toThrow('sqs:DeleteMessage m-1');
  });

  test('says which call failed', async () => {
    const { endpoint, letters } = await start({ error: 'AccessDeniedException' });
    await using _ = endpoint;
    await expect(letters.receive()).rejects.toThrow('sqs:ReceiveMessage: AccessDeniedException');
    await expect(letters.show(letter)).rejects.toThrow(
      'sqs:ChangeMessageVisibility m-1: AccessDeniedException',
    );
    await expect(letters.discard(letter)).rejects.toThrow('sqs:DeleteMessage m-1: AccessDeniedException');
  });

  test('discards, and does nothing else', async () => {
    const { endpoint, letters } = await start({});
    await using _ = endpoint;
    await letters.discard(letter);
    expect(asked(endpoint)).toEqual([
      { operation: 'DeleteMessage', input: { QueueUrl: deadUrl, ReceiptHandle: 'r-1' } },
    ]);
  });
});
