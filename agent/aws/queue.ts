/** The queue of lifecycle messages. */
import {
  ChangeMessageVisibilityCommand,
  DeleteMessageCommand,
  ReceiveMessageCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import { AdjoinError } from '../errors.ts';
import type { QueueMessage, QueuePort } from '../lifecycle/delivery.ts';
import { awsErrorOf, callAws } from './errors.ts';

export interface ReceivedMessage extends QueueMessage {
  /** Valid for this receive alone; a later one makes it stale. */
  readonly receiptHandle: string;
}

/** The most that one ReceiveMessage hands out (SQS). */
const MAXIMUM_BATCH = 10;

export interface QueueOptions {
  readonly url: string;
  readonly waitSeconds: number;
  readonly visibilitySeconds: number;
}

export function createQueue(client: SQSClient, options: QueueOptions): QueuePort<ReceivedMessage> {
  const QueueUrl = options.url;
  return {
    async receive(maximum) {
      const answer = await callAws('sqs:ReceiveMessage', undefined, () =>
        client.send(
          new ReceiveMessageCommand({
            QueueUrl,
            MaxNumberOfMessages: Math.min(MAXIMUM_BATCH, maximum),
            WaitTimeSeconds: options.waitSeconds,
            VisibilityTimeout: options.visibilitySeconds,
            MessageSystemAttributeNames: ['ApproximateReceiveCount', 'ApproximateFirstReceiveTimestamp'],
          }),
        ),
      );
      return (answer.Messages ?? []).map((message) => {
        const firstReceivedAt = Number(message.Attributes?.ApproximateFirstReceiveTimestamp);
        return {
          messageId: message.MessageId ?? '',
          receiptHandle: message.ReceiptHandle ?? '',
          body: message.Body ?? '',
          receiveCount: Number(message.Attributes?.ApproximateReceiveCount ?? '1'),
          ...(firstReceivedAt > 0 && { firstReceivedAt }),
        };
      });
    },
    async remove(message) {
      await callAws(`sqs:DeleteMessage ${message.messageId}`, undefined, () =>
        client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: message.receiptHandle })),
      );
    },
    async hide(message, seconds) {
      await callAws(`sqs:ChangeMessageVisibility ${message.messageId}`, undefined, async () => {
        try {
          await client.send(
            new ChangeMessageVisibilityCommand({
              QueueUrl,
              ReceiptHandle: message.receiptHandle,
              VisibilityTimeout: Math.round(seconds),
            }),
          );
        } catch (error) {
          // Stale, deleted, or past the 12 hours that SQS hides a message for: in each case it is no longer ours.
          const lost =
            /^(MessageNotInflight|ReceiptHandleIsInvalid|InvalidParameterValue|AWS\.SimpleQueueService\.MessageNotInflight)$/;
          if (!lost.test(awsErrorOf(error)?.name ?? '')) throw error;
          throw new AdjoinError('lease-lost', `Message ${message.messageId} is no longer this worker's.`, {
            cause: error,
          });
        }
      });
    },
  };
}
