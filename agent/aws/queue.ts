/** The queue of lifecycle messages. Messages that are deleted, or hidden, at the same time share a request. */
import {
  ChangeMessageVisibilityBatchCommand,
  ChangeMessageVisibilityCommand,
  DeleteMessageBatchCommand,
  DeleteMessageCommand,
  ReceiveMessageCommand,
  type BatchResultErrorEntry,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import { createBatch } from '../batch.ts';
import type { Clock } from '../clock.ts';
import { AdjoinError } from '../errors.ts';
import type { QueueMessage, QueuePort } from '../lifecycle/delivery.ts';
import { awsErrorOf, callAws } from './errors.ts';

export interface ReceivedMessage extends QueueMessage {
  /** Valid for this receive alone; a later one makes it stale. */
  readonly receiptHandle: string;
}

/** The most that one ReceiveMessage hands out, and the most entries of a batch (SQS). */
const MAXIMUM_BATCH = 10;
/** Milliseconds for which a request waits for others: for renewals of messages that are hidden for many seconds more, it may be longer. */
const DELETE_WINDOW_MS = 50;
const HIDE_WINDOW_MS = 200;

export interface QueueOptions {
  readonly url: string;
  readonly waitSeconds: number;
  readonly visibilitySeconds: number;
  readonly clock: Clock;
}

interface Hiding {
  readonly message: ReceivedMessage;
  readonly seconds: number;
}

/** Stale, deleted, or past the 12 hours that SQS hides a message for: in each case it is no longer ours. */
const LOST =
  /^(MessageNotInflight|ReceiptHandleIsInvalid|InvalidParameterValue|AWS\.SimpleQueueService\.MessageNotInflight)$/;

/** What SQS says of one entry of a batch, in the form of an error of the SDK. */
function failureOf({ Code = '', Message = Code, SenderFault = false }: BatchResultErrorEntry): Error {
  const $metadata = { httpStatusCode: SenderFault ? 400 : 500, attempts: 1 };
  return Object.assign(new Error(Message), { name: Code, $metadata });
}

/** What SQS answers to a batch. */
interface BatchAnswer {
  readonly Successful?: readonly { readonly Id: string | undefined }[] | undefined;
  readonly Failed?: readonly BatchResultErrorEntry[] | undefined;
}

/**
 * The answer for each entry of a batch, by its number. SQS answers 200 even when entries have failed, and an entry that it
 * does not mention counts as failed.
 */
function answersOf(count: number, { Successful = [], Failed = [] }: BatchAnswer): (true | Error)[] {
  const done = new Set(Successful.map(({ Id }) => Id));
  return Array.from({ length: count }, (_, index) => {
    const id = String(index);
    if (done.has(id)) return true;
    return failureOf(
      Failed.find(({ Id }) => Id === id) ?? { Id: id, Code: 'Unanswered', SenderFault: false },
    );
  });
}

export function createQueue(client: SQSClient, options: QueueOptions): QueuePort<ReceivedMessage> {
  const { url: QueueUrl, clock } = options;

  const remove = createBatch<ReceivedMessage, true>({
    keyOf: () => '',
    maximum: MAXIMUM_BATCH,
    windowMs: DELETE_WINDOW_MS,
    clock,
    async run(messages) {
      const [first, ...others] = messages;
      if (first && others.length === 0) {
        await client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: first.receiptHandle }));
        return [true];
      }
      const Entries = messages.map(({ receiptHandle }, index) => ({
        Id: String(index),
        ReceiptHandle: receiptHandle,
      }));
      return answersOf(
        messages.length,
        await client.send(new DeleteMessageBatchCommand({ QueueUrl, Entries })),
      );
    },
  });

  const hide = createBatch<Hiding, true>({
    keyOf: () => '',
    maximum: MAXIMUM_BATCH,
    windowMs: HIDE_WINDOW_MS,
    clock,
    async run(hidings) {
      const entries = hidings.map(({ message, seconds }) => ({
        ReceiptHandle: message.receiptHandle,
        VisibilityTimeout: Math.round(seconds),
      }));
      const [first, ...others] = entries;
      if (first && others.length === 0) {
        await client.send(new ChangeMessageVisibilityCommand({ QueueUrl, ...first }));
        return [true];
      }
      const Entries = entries.map((entry, index) => ({ Id: String(index), ...entry }));
      return answersOf(
        hidings.length,
        await client.send(new ChangeMessageVisibilityBatchCommand({ QueueUrl, Entries })),
      );
    },
  });

  return {
    async receive(maximum) {
      const answer = await callAws('sqs:ReceiveMessage', undefined, () =>
        client.send(
          new ReceiveMessageCommand({
            QueueUrl,
            MaxNumberOfMessages: Math.min(MAXIMUM_BATCH, maximum),
            WaitTimeSeconds: options.waitSeconds,
            VisibilityTimeout: options.visibilitySeconds,
            MessageSystemAttributeNames: [
              'ApproximateReceiveCount',
              'ApproximateFirstReceiveTimestamp',
              'SenderId',
              'SentTimestamp',
            ],
          }),
        ),
      );
      return (answer.Messages ?? []).map((message) => {
        const firstReceivedAt = Number(message.Attributes?.ApproximateFirstReceiveTimestamp);
        const sentAt = Number(message.Attributes?.SentTimestamp);
        return {
          messageId: message.MessageId ?? '',
          receiptHandle: message.ReceiptHandle ?? '',
          body: message.Body ?? '',
          receiveCount: Number(message.Attributes?.ApproximateReceiveCount ?? '1'),
          senderId: message.Attributes?.SenderId ?? '',
          ...(firstReceivedAt > 0 && { firstReceivedAt }),
          ...(sentAt > 0 && { sentAt }),
        };
      });
    },
    async remove(message) {
      await callAws(`sqs:DeleteMessage ${message.messageId}`, undefined, () => remove(message));
    },
    async hide(message, seconds) {
      await callAws(`sqs:ChangeMessageVisibility ${message.messageId}`, undefined, async () => {
        try {
          await hide({ message, seconds });
        } catch (error) {
          if (!LOST.test(awsErrorOf(error)?.name ?? '')) throw error;
          throw new AdjoinError('lease-lost', `Message ${message.messageId} is no longer this worker's.`, {
            cause: error,
          });
        }
      });
    },
  };
}
