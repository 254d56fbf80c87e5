/** The dead-letter queue, as an operator works on it. */
import {
  ChangeMessageVisibilityCommand,
  DeleteMessageCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import { callAws } from './errors.ts';

export interface DeadLetter {
  readonly messageId: string;
  readonly receiptHandle: string;
  readonly body: string;
  /** Milliseconds since the Unix epoch. */
  readonly sentAt: number | undefined;
}

export interface DeadLetters {
  /** Up to 10 messages, hidden from other readers for a while; empty when there are no more. */
  receive(): Promise<DeadLetter[]>;
  /** Makes the message visible again at once. */
  show(message: DeadLetter): Promise<void>;
  /** Sends it to the main queue, and only then deletes it here: a crash in between leaves two, which is harmless. */
  replay(message: DeadLetter): Promise<void>;
  discard(message: DeadLetter): Promise<void>;
}

export interface DeadLettersOptions {
  /** URL of the dead-letter queue. */
  readonly url: string;
  /** URL of the queue that the worker reads. */
  readonly mainUrl: string;
}

/** Seconds. After a command that was killed, the messages that it had received are visible again in this time. */
const HIDDEN = 120;
/** Seconds of long poll: a short poll asks only some of SQS's servers, and can miss messages of a short queue. */
const WAIT = 1;

export function createDeadLetters(client: SQSClient, { url, mainUrl }: DeadLettersOptions): DeadLetters {
  const discard = async (message: DeadLetter): Promise<void> => {
    await callAws(`sqs:DeleteMessage ${message.messageId}`, undefined, () =>
      client.send(new DeleteMessageCommand({ QueueUrl: url, ReceiptHandle: message.receiptHandle })),
    );
  };
  return {
    async receive() {
      const answer = await callAws('sqs:ReceiveMessage', undefined, () =>
        client.send(
          new ReceiveMessageCommand({
            QueueUrl: url,
            MaxNumberOfMessages: 10,
            WaitTimeSeconds: WAIT,
            VisibilityTimeout: HIDDEN,
            MessageSystemAttributeNames: ['SentTimestamp'],
          }),
        ),
      );
      return (answer.Messages ?? []).map((message) => ({
        messageId: message.MessageId ?? '',
        receiptHandle: message.ReceiptHandle ?? '',
        body: message.Body ?? '',
        sentAt: message.Attributes?.SentTimestamp ? Number(message.Attributes.SentTimestamp) : undefined,
      }));
    },
    async show(message) {
      await callAws(`sqs:ChangeMessageVisibility ${message.messageId}`, undefined, () =>
        client.send(
          new ChangeMessageVisibilityCommand({
            QueueUrl: url,
            ReceiptHandle: message.receiptHandle,
            VisibilityTimeout: 0,
          }),
        ),
      );
    },
    async replay(message) {
      await callAws(`sqs:SendMessage of ${message.messageId}`, undefined, () =>
        client.send(new SendMessageCommand({ QueueUrl: mainUrl, MessageBody: message.body })),
      );
      await discard(message);
    },
    discard,
  };
}
