import {
  ChangeMessageVisibility$,
  ChangeMessageVisibilityBatch$,
  DeleteMessage$,
  DeleteMessageBatch$,
  ReceiveMessage$,
  SendMessage$,
  SendMessageBatch$,
  type ChangeMessageVisibilityBatchCommandInput,
  type ChangeMessageVisibilityBatchResult,
  type ChangeMessageVisibilityCommandInput,
  type DeleteMessageBatchCommandInput,
  type DeleteMessageBatchResult,
  type DeleteMessageCommandInput,
  type Message,
  type MessageAttributeValue,
  type ReceiveMessageCommandInput,
  type ReceiveMessageResult,
  type SendMessageBatchCommandInput,
  type SendMessageBatchResult,
  type SendMessageCommandInput,
  type SendMessageResult,
} from '@aws-sdk/client-sqs';
import { ServiceFailure } from '../failure.ts';
import type { KeyUse } from '../kms/keys.ts';
import { operationsOn } from '../operations.ts';
import type { Call, Operation, Requirement } from '../service.ts';
import { attributesMd5, md5, messageBytes } from './attributes.ts';
import { batch, mostEntries } from './batch.ts';
import { nameIn, ofQueue, type SqsParts } from './parts.ts';
import type { Queue, ReceivedMessage } from './queue.ts';

/** SQS's bounds, in seconds. */
const longestWait = 20;
const longestVisibility = 43_200;
const longestDelay = 900;

export function messageOperations(parts: SqsParts): Operation[] {
  const on = operationsOn('sqs', parts);
  return [
    on(SendMessage$, sendMessage, encrypted('SendMessage', 'write')),
    on(SendMessageBatch$, sendBatch, encrypted('SendMessage', 'write')),
    on(ReceiveMessage$, receiveMessage, encrypted('ReceiveMessage', 'read')),
    on(DeleteMessage$, deleteMessage, ofQueue),
    on(DeleteMessageBatch$, deleteBatch, single('DeleteMessage')),
    on(ChangeMessageVisibility$, changeVisibility, ofQueue),
    on(ChangeMessageVisibilityBatch$, changeVisibilityBatch, single('ChangeMessageVisibility')),
  ];
}

/** What names a queue by its URL. */
interface ToQueue {
  QueueUrl?: string | undefined;
}

/** Policies know a batch only by the name of its single form. */
function single(action: string) {
  return (parts: SqsParts, input: ToQueue): Requirement[] => [
    { action: `sqs:${action}`, resources: ofQueue(parts, input) },
  ];
}

/** With what the caller needs of the queue's key: a message is encrypted when it is sent, and decrypted when received. */
function encrypted(action: string, use: KeyUse) {
  return (parts: SqsParts, input: ToQueue): Requirement[] => {
    const queue = parts.queues.all().find((each) => each.name === nameIn(input.QueueUrl));
    const key = queue?.settings.get('KmsMasterKeyId');
    return [
      { action: `sqs:${action}`, resources: ofQueue(parts, input) },
      ...parts.keys.uses(use, key, 'sqs', { 'aws:sqs:arn': queue?.arn ?? '' }),
    ];
  };
}

function sendMessage({ queues }: SqsParts, input: SendMessageCommandInput, call: Call): SendMessageResult {
  return send(queues.at(input.QueueUrl), input, call);
}

function sendBatch(
  { queues }: SqsParts,
  input: SendMessageBatchCommandInput,
  call: Call,
): SendMessageBatchResult {
  const queue = queues.at(input.QueueUrl);
  const entries = input.Entries ?? [];
  const bytes = entries.reduce(
    (sum, each) => sum + messageBytes(each.MessageBody ?? '', each.MessageAttributes),
    0,
  );
  if (bytes > queue.seconds('MaximumMessageSize')) {
    throw new ServiceFailure(
      'BatchRequestTooLong',
      `Batch requests cannot be longer than ${queue.settings.get('MaximumMessageSize')} bytes. You have sent ${bytes} bytes.`,
    );
  }
  return batch(entries, (entry) => ({ Id: entry.Id, ...send(queue, entry, call) }));
}

async function receiveMessage(
  { queues }: SqsParts,
  input: ReceiveMessageCommandInput,
  call: Call,
): Promise<ReceiveMessageResult> {
  const queue = queues.at(input.QueueUrl);
  const most = between('MaxNumberOfMessages', input.MaxNumberOfMessages ?? 1, 1, mostEntries);
  const wait = between(
    'WaitTimeSeconds',
    input.WaitTimeSeconds ?? queue.seconds('ReceiveMessageWaitTimeSeconds'),
    0,
    longestWait,
  );
  const visibility = input.VisibilityTimeout ?? queue.seconds('VisibilityTimeout');
  between('VisibilityTimeout', visibility, 0, longestVisibility);
  const received = await queue.receive(most, wait * 1000, visibility * 1000, call.signal);
  return received.length === 0 ? {} : { Messages: received.map((each) => messageShape(each, input)) };
}

function deleteMessage({ queues }: SqsParts, input: DeleteMessageCommandInput): void {
  queues.at(input.QueueUrl).delete(input.ReceiptHandle ?? '');
}

function deleteBatch({ queues }: SqsParts, input: DeleteMessageBatchCommandInput): DeleteMessageBatchResult {
  const queue = queues.at(input.QueueUrl);
  return batch(input.Entries ?? [], (entry) => {
    queue.delete(entry.ReceiptHandle ?? '');
    return { Id: entry.Id };
  });
}

function changeVisibility({ queues }: SqsParts, input: ChangeMessageVisibilityCommandInput): void {
  const seconds = between('VisibilityTimeout', input.VisibilityTimeout ?? 0, 0, longestVisibility);
  queues.at(input.QueueUrl).changeVisibility(input.ReceiptHandle ?? '', seconds * 1000);
}

function changeVisibilityBatch(
  { queues }: SqsParts,
  input: ChangeMessageVisibilityBatchCommandInput,
): ChangeMessageVisibilityBatchResult {
  const queue = queues.at(input.QueueUrl);
  return batch(input.Entries ?? [], (entry) => {
    const seconds = between('VisibilityTimeout', entry.VisibilityTimeout ?? 0, 0, longestVisibility);
    queue.changeVisibility(entry.ReceiptHandle ?? '', seconds * 1000);
    return { Id: entry.Id };
  });
}

interface Sendable {
  MessageBody?: string | undefined;
  DelaySeconds?: number | undefined;
  MessageAttributes?: Record<string, MessageAttributeValue> | undefined;
}

function send(queue: Queue, input: Sendable, call: Call) {
  const body = input.MessageBody ?? '';
  const limit = queue.seconds('MaximumMessageSize');
  if (body === '')
    throw new ServiceFailure('InvalidParameterValue', 'The request must contain a non-empty message body.');
  if (messageBytes(body, input.MessageAttributes) > limit) {
    throw new ServiceFailure(
      'InvalidParameterValue',
      `One or more parameters are invalid. Reason: Message must be shorter than ${limit} bytes.`,
    );
  }
  if (input.DelaySeconds !== undefined) between('DelaySeconds', input.DelaySeconds, 0, longestDelay);
  const { id } = queue.send(body, {
    attributes: input.MessageAttributes,
    delaySeconds: input.DelaySeconds,
    // The unique ID of a user, or of a role with the name of its session.
    senderId: call.principal.context?.['aws:userid'] ?? call.principal.accessKeyId,
  });
  return {
    MessageId: id,
    MD5OfMessageBody: md5(body),
    MD5OfMessageAttributes: attributesMd5(input.MessageAttributes),
  };
}

function messageShape(message: ReceivedMessage, input: ReceiveMessageCommandInput): Message {
  const system = {
    SenderId: message.senderId,
    SentTimestamp: String(message.sentAt),
    ApproximateReceiveCount: String(message.receiveCount),
    ApproximateFirstReceiveTimestamp: String(message.firstReceivedAt ?? ''),
  };
  const names: string[] = [...(input.MessageSystemAttributeNames ?? []), ...(input.AttributeNames ?? [])];
  const chosen = Object.entries(system).filter(([name]) => names.includes('All') || names.includes(name));
  const own = selectAttributes(message.attributes ?? {}, input.MessageAttributeNames ?? []);
  return {
    MessageId: message.id,
    ReceiptHandle: message.receiptHandle,
    MD5OfBody: md5(message.body),
    Body: message.body,
    ...(chosen.length > 0 ? { Attributes: Object.fromEntries(chosen) } : {}),
    ...(Object.keys(own).length > 0
      ? { MessageAttributes: own, MD5OfMessageAttributes: attributesMd5(own) }
      : {}),
  };
}

/** Names may be exact, `All`, or a prefix as `order.*`. */
function selectAttributes(attributes: Record<string, MessageAttributeValue>, names: readonly string[]) {
  const wanted = (name: string) =>
    names.some(
      (each) =>
        each === 'All' || each === name || (each.endsWith('.*') && name.startsWith(each.slice(0, -2))),
    );
  return Object.fromEntries(Object.entries(attributes).filter(([name]) => wanted(name)));
}

function between(name: string, value: number, least: number, most: number): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new ServiceFailure(
    'InvalidParameterValue',
    `Value ${value} for parameter ${name} is invalid. Reason: Must be >= ${least} and <= ${most}, if provided.`,
  );
}
