import type { Keys } from '../kms/keys.ts';
import { arn, type Place } from '../place.ts';
import type { Resource } from '../service.ts';
import type { Queues } from './queues.ts';

/** What all operations of SQS work on. */
export interface SqsParts {
  readonly place: Place;
  readonly queues: Queues;
  readonly keys: Keys;
}

/** The name at the end of a queue's URL. */
export function nameIn(queueUrl = ''): string {
  return queueUrl.split('/').at(-1) ?? '';
}

/** A queue, as policies see it. */
export function queueResource(place: Place, name: string): Resource {
  return { arn: arn(place, 'sqs', name) };
}

/** The queue whose URL is in the input. */
export function ofQueue({ place }: SqsParts, input: { QueueUrl?: string | undefined }): Resource[] {
  return [queueResource(place, nameIn(input.QueueUrl))];
}
