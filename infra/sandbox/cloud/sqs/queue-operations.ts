import {
  CreateQueue$,
  DeleteQueue$,
  GetQueueAttributes$,
  GetQueueUrl$,
  ListQueues$,
  PurgeQueue$,
  SetQueueAttributes$,
  type CreateQueueCommandInput,
  type CreateQueueResult,
  type DeleteQueueCommandInput,
  type GetQueueAttributesCommandInput,
  type GetQueueAttributesResult,
  type GetQueueUrlCommandInput,
  type GetQueueUrlResult,
  type ListQueuesCommandInput,
  type ListQueuesResult,
  type PurgeQueueCommandInput,
  type SetQueueAttributesCommandInput,
} from '@aws-sdk/client-sqs';
import { operationsOn } from '../operations.ts';
import { page } from '../pages.ts';
import type { Place } from '../place.ts';
import type { Call, Operation, Resource } from '../service.ts';
import { ofQueue, queueResource, type SqsParts } from './parts.ts';
import type { Queue } from './queue.ts';

export function queueOperations(parts: SqsParts): Operation[] {
  const on = operationsOn('sqs', parts);
  return [
    on(CreateQueue$, createQueue, named),
    on(GetQueueUrl$, getQueueUrl, named),
    on(ListQueues$, listQueues),
    on(GetQueueAttributes$, getAttributes, ofQueue),
    on(SetQueueAttributes$, setAttributes, ofQueue),
    on(DeleteQueue$, deleteQueue, ofQueue),
    on(PurgeQueue$, purgeQueue, ofQueue),
  ];
}

/** The queue that the input names. */
function named({ place }: SqsParts, input: { QueueName?: string | undefined }): Resource[] {
  return [queueResource(place, input.QueueName ?? '')];
}

/** The URL leads back through the door that the caller used. */
function url(place: Place, queue: Queue, call: Call): string {
  return `${call.origin}/${place.accountId}/${queue.name}`;
}

function createQueue(
  { place, queues }: SqsParts,
  input: CreateQueueCommandInput,
  call: Call,
): CreateQueueResult {
  const queue = queues.create(input.QueueName ?? '', input.Attributes ?? {});
  return { QueueUrl: url(place, queue, call) };
}

function getQueueUrl(
  { place, queues }: SqsParts,
  input: GetQueueUrlCommandInput,
  call: Call,
): GetQueueUrlResult {
  return { QueueUrl: url(place, queues.named(input.QueueName), call) };
}

function listQueues(
  { place, queues }: SqsParts,
  input: ListQueuesCommandInput,
  call: Call,
): ListQueuesResult {
  const wanted = queues.all().filter((each) => each.name.startsWith(input.QueueNamePrefix ?? ''));
  const given = page(
    wanted,
    (each) => each.name,
    input.NextToken,
    input.MaxResults ?? 1000,
    'InvalidParameterValue',
  );
  return { QueueUrls: given.items.map((each) => url(place, each, call)), NextToken: given.next };
}

function getAttributes(
  { queues }: SqsParts,
  input: GetQueueAttributesCommandInput,
): GetQueueAttributesResult {
  const queue = queues.at(input.QueueUrl);
  const names = input.AttributeNames ?? [];
  const wanted = Object.entries(describe(queue)).filter(([name]) =>
    names.some((each) => each === 'All' || each === name),
  );
  return { Attributes: Object.fromEntries(wanted) };
}

function setAttributes({ queues }: SqsParts, input: SetQueueAttributesCommandInput): void {
  queues.configure(queues.at(input.QueueUrl), input.Attributes ?? {});
}

function deleteQueue({ queues }: SqsParts, input: DeleteQueueCommandInput): void {
  queues.delete(queues.at(input.QueueUrl));
}

function purgeQueue({ queues }: SqsParts, input: PurgeQueueCommandInput): void {
  queues.at(input.QueueUrl).purge();
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
