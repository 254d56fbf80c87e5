import {
  ChangeMessageVisibility$,
  ChangeMessageVisibilityBatch$,
  CreateQueue$,
  DeleteMessage$,
  DeleteMessageBatch$,
  DeleteQueue$,
  errorTypeRegistries,
  GetQueueAttributes$,
  GetQueueUrl$,
  ListQueues$,
  PurgeQueue$,
  ReceiveMessage$,
  SendMessage$,
  SendMessageBatch$,
  SetQueueAttributes$,
  type BatchResultErrorEntry,
  type ChangeMessageVisibilityBatchCommandInput,
  type ChangeMessageVisibilityBatchResult,
  type ChangeMessageVisibilityCommandInput,
  type CreateQueueCommandInput,
  type CreateQueueResult,
  type DeleteMessageBatchCommandInput,
  type DeleteMessageBatchResult,
  type DeleteMessageCommandInput,
  type GetQueueAttributesCommandInput,
  type GetQueueAttributesResult,
  type GetQueueUrlCommandInput,
  type GetQueueUrlResult,
  type ListQueuesCommandInput,
  type ListQueuesResult,
  type Message,
  type MessageAttributeValue,
  type ReceiveMessageCommandInput,
  type ReceiveMessageResult,
  type SendMessageBatchCommandInput,
  type SendMessageBatchResult,
  type SendMessageCommandInput,
  type SendMessageResult,
  type SetQueueAttributesCommandInput,
} from '@aws-sdk/client-sqs';
import { ServiceFailure } from '../failure.ts';
import type { KeyUse, Keys } from '../kms/keys.ts';
import { page } from '../pages.ts';
import type { Place } from '../place.ts';
import {
  operation,
  operationTable,
  type Call,
  type Requirement,
  type Resource,
  type Service,
} from '../service.ts';
import { attributesMd5, md5, messageBytes } from './attributes.ts';
import type { Queue, ReceivedMessage } from './queue.ts';
import type { Queues } from './queues.ts';

/** A batch request carries at most this many entries. */
const mostEntries = 10;
/** SQS's bounds, in seconds. */
const longestWait = 20;
const longestVisibility = 43_200;
const longestDelay = 900;

export function sqsService(place: Place, queues: Queues, keys: Keys): Service {
  /** The URL leads back through the door that the caller used. */
  const url = (queue: Queue, call: Call) => `${call.origin}/${place.accountId}/${queue.name}`;

  const createQueue = (input: CreateQueueCommandInput, call: Call): CreateQueueResult => ({
    QueueUrl: url(queues.create(input.QueueName ?? '', input.Attributes ?? {}), call),
  });

  const getQueueUrl = (input: GetQueueUrlCommandInput, call: Call): GetQueueUrlResult => ({
    QueueUrl: url(queues.named(input.QueueName), call),
  });

  const listQueues = (input: ListQueuesCommandInput, call: Call): ListQueuesResult => {
    const wanted = queues.all().filter((each) => each.name.startsWith(input.QueueNamePrefix ?? ''));
    const given = page(
      wanted,
      (each) => each.name,
      input.NextToken,
      input.MaxResults ?? 1000,
      'InvalidParameterValue',
    );
    return { QueueUrls: given.items.map((each) => url(each, call)), NextToken: given.next };
  };

  const getAttributes = (input: GetQueueAttributesCommandInput): GetQueueAttributesResult => {
    const queue = queues.at(input.QueueUrl);
    const names = input.AttributeNames ?? [];
    const wanted = Object.entries(describe(queue)).filter(([name]) =>
      names.some((each) => each === 'All' || each === name),
    );
    return { Attributes: Object.fromEntries(wanted) };
  };

  const setAttributes = (input: SetQueueAttributesCommandInput): void => {
    queues.configure(queues.at(input.QueueUrl), input.Attributes ?? {});
  };

  const deleteQueue = (input: { QueueUrl?: string | undefined }): void =>
    queues.delete(queues.at(input.QueueUrl));
  const purgeQueue = (input: { QueueUrl?: string | undefined }): void => queues.at(input.QueueUrl).purge();

  const sendMessage = (input: SendMessageCommandInput, call: Call): SendMessageResult =>
    send(queues.at(input.QueueUrl), input, call);

  const sendBatch = (input: SendMessageBatchCommandInput, call: Call): SendMessageBatchResult => {
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
  };

  const receiveMessage = async (
    input: ReceiveMessageCommandInput,
    call: Call,
  ): Promise<ReceiveMessageResult> => {
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
  };

  const deleteMessage = (input: DeleteMessageCommandInput): void =>
    queues.at(input.QueueUrl).delete(input.ReceiptHandle ?? '');

  const deleteBatch = (input: DeleteMessageBatchCommandInput): DeleteMessageBatchResult => {
    const queue = queues.at(input.QueueUrl);
    return batch(input.Entries ?? [], (entry) => {
      queue.delete(entry.ReceiptHandle ?? '');
      return { Id: entry.Id };
    });
  };

  const changeVisibility = (input: ChangeMessageVisibilityCommandInput): void => {
    const seconds = between('VisibilityTimeout', input.VisibilityTimeout ?? 0, 0, longestVisibility);
    queues.at(input.QueueUrl).changeVisibility(input.ReceiptHandle ?? '', seconds * 1000);
  };

  const changeVisibilityBatch = (
    input: ChangeMessageVisibilityBatchCommandInput,
  ): ChangeMessageVisibilityBatchResult => {
    const queue = queues.at(input.QueueUrl);
    return batch(input.Entries ?? [], (entry) => {
      const seconds = between('VisibilityTimeout', entry.VisibilityTimeout ?? 0, 0, longestVisibility);
      queue.changeVisibility(entry.ReceiptHandle ?? '', seconds * 1000);
      return { Id: entry.Id };
    });
  };

  const ofQueue = (input: { QueueUrl?: string | undefined }): Resource[] => [
    { arn: queueArn((input.QueueUrl ?? '').split('/').at(-1) ?? '') },
  ];
  const ofName = (input: { QueueName?: string | undefined }): Resource[] => [
    { arn: queueArn(input.QueueName ?? '') },
  ];
  const queueArn = (name: string) => `arn:aws:sqs:${place.region}:${place.accountId}:${name}`;

  /** Policies know a batch only by the name of its single form. */
  const single = (action: string) => (input: { QueueUrl?: string | undefined }) => [
    { action: `sqs:${action}`, resources: ofQueue(input) },
  ];

  /** With what the caller needs of the queue's key: a message is encrypted when it is sent, and decrypted when received. */
  const encrypted =
    (action: string, use: KeyUse) =>
    (input: { QueueUrl?: string | undefined }): Requirement[] => {
      const name = (input.QueueUrl ?? '').split('/').at(-1);
      const queue = queues.all().find((each) => each.name === name);
      const key = queue?.settings.get('KmsMasterKeyId');
      return [
        { action: `sqs:${action}`, resources: ofQueue(input) },
        ...keys.uses(use, key, 'sqs', { 'aws:sqs:arn': queue?.arn ?? '' }),
      ];
    };

  return {
    name: 'sqs',
    protocol: 'json1.0',
    selector: 'AmazonSQS',
    errors: errorTypeRegistries,
    operations: operationTable([
      operation('sqs', CreateQueue$, createQueue, ofName),
      operation('sqs', GetQueueUrl$, getQueueUrl, ofName),
      operation('sqs', ListQueues$, listQueues),
      operation('sqs', GetQueueAttributes$, getAttributes, ofQueue),
      operation('sqs', SetQueueAttributes$, setAttributes, ofQueue),
      operation('sqs', DeleteQueue$, deleteQueue, ofQueue),
      operation('sqs', PurgeQueue$, purgeQueue, ofQueue),
      operation('sqs', SendMessage$, sendMessage, encrypted('SendMessage', 'write')),
      operation('sqs', SendMessageBatch$, sendBatch, encrypted('SendMessage', 'write')),
      operation('sqs', ReceiveMessage$, receiveMessage, encrypted('ReceiveMessage', 'read')),
      operation('sqs', DeleteMessage$, deleteMessage, ofQueue),
      operation('sqs', DeleteMessageBatch$, deleteBatch, single('DeleteMessage')),
      operation('sqs', ChangeMessageVisibility$, changeVisibility, ofQueue),
      operation(
        'sqs',
        ChangeMessageVisibilityBatch$,
        changeVisibilityBatch,
        single('ChangeMessageVisibility'),
      ),
    ]),
  };
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
    senderId: call.principal.accessKeyId,
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

function describe(queue: Queue): Record<string, string> {
  const counts = queue.counts();
  return {
    ...Object.fromEntries(queue.settings),
    QueueArn: queue.arn,
    CreatedTimestamp: String(Math.floor(queue.createdAt / 1000)),
    LastModifiedTimestamp: String(Math.floor(queue.createdAt / 1000)),
    ApproximateNumberOfMessages: String(counts.visible),
    ApproximateNumberOfMessagesNotVisible: String(counts.inFlight),
    ApproximateNumberOfMessagesDelayed: String(counts.delayed),
  };
}

/** Runs a batch: each entry succeeds or fails by itself. */
function batch<Entry extends { Id?: string | undefined }, Result>(
  entries: readonly Entry[],
  run: (entry: Entry) => Result,
): { Successful: Result[]; Failed: BatchResultErrorEntry[] } {
  if (entries.length === 0)
    throw new ServiceFailure('EmptyBatchRequest', 'There should be at least one entry in the request.');
  if (entries.length > mostEntries) {
    throw new ServiceFailure(
      'TooManyEntriesInBatchRequest',
      `Maximum number of entries per request are ${mostEntries}. You have sent ${entries.length}.`,
    );
  }
  const ids = entries.map((each) => each.Id ?? '');
  const invalid = ids.find((id) => !/^[\w-]{1,80}$/.test(id));
  if (invalid !== undefined) {
    throw new ServiceFailure(
      'InvalidBatchEntryId',
      'A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.',
    );
  }
  if (new Set(ids).size < ids.length)
    throw new ServiceFailure('BatchEntryIdsNotDistinct', 'Ids of entries must be distinct.');
  const Successful: Result[] = [];
  const Failed: BatchResultErrorEntry[] = [];
  for (const entry of entries) {
    try {
      Successful.push(run(entry));
    } catch (error) {
      if (!(error instanceof ServiceFailure)) throw error;
      Failed.push({ Id: entry.Id, SenderFault: true, Code: error.code, Message: error.message });
    }
  }
  return { Successful, Failed };
}

function between(name: string, value: number, least: number, most: number): number {
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new ServiceFailure(
    'InvalidParameterValue',
    `Value ${value} for parameter ${name} is invalid. Reason: Must be >= ${least} and <= ${most}, if provided.`,
  );
}
