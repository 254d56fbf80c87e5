import { createHash } from 'node:crypto';
import { ServiceFailure } from '../failure.ts';
import type { Timers } from '../timers.ts';

export interface StoredObject {
  readonly key: string;
  readonly body: Buffer;
  readonly contentType: string;
  readonly lastModified: Date;
  /** In quotation marks, as its header has it. */
  readonly etag: string;
}

/** The names that a general purpose bucket may have: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html */
const bucketName = /^(?!\d+\.\d+\.\d+\.\d+$)(?!xn--)[a-z0-9](?:[a-z0-9-]|\.(?!\.)){1,61}[a-z0-9]$/;

/** The buckets of this account. The names of other accounts' are free here. */
export class Buckets {
  readonly #buckets = new Map<string, Map<string, StoredObject>>();
  readonly #timers: Timers;

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  names(): string[] {
    return [...this.#buckets.keys()].toSorted();
  }

  /** @throws ServiceFailure for a name that is there, or can be none */
  create(name: string): void {
    if (!bucketName.test(name))
      throw new ServiceFailure('InvalidBucketName', 'The specified bucket is not valid.', 400);
    if (this.#buckets.has(name))
      throw new ServiceFailure(
        'BucketAlreadyOwnedByYou',
        'Your previous request to create the named bucket succeeded and you already own it.',
        409,
      );
    this.#buckets.set(name, new Map());
  }

  /** @throws ServiceFailure while it holds objects */
  delete(name: string): void {
    if (this.objects(name).length > 0)
      throw new ServiceFailure('BucketNotEmpty', 'The bucket you tried to delete is not empty', 409);
    this.#buckets.delete(name);
  }

  /** In the order of their keys. @throws ServiceFailure when there is no such bucket */
  objects(name: string): StoredObject[] {
    return [...this.#bucket(name).values()].toSorted((a, b) => (a.key < b.key ? -1 : 1));
  }

  put(bucket: string, key: string, body: Buffer, contentType: string): StoredObject {
    const md5 = createHash('md5').update(body).digest('hex');
    const stored = { key, body, contentType, lastModified: this.#timers.date(), etag: `"${md5}"` };
    this.#bucket(bucket).set(key, stored);
    return stored;
  }

  /** @throws ServiceFailure when there is no such bucket or object */
  get(bucket: string, key: string): StoredObject {
    const stored = this.#bucket(bucket).get(key);
    if (stored === undefined) throw new ServiceFailure('NoSuchKey', 'The specified key does not exist.', 404);
    return stored;
  }

  remove(bucket: string, key: string): void {
    this.#bucket(bucket).delete(key);
  }

  #bucket(name: string): Map<string, StoredObject> {
    const found = this.#buckets.get(name);
    if (found === undefined)
      throw new ServiceFailure('NoSuchBucket', 'The specified bucket does not exist', 404);
    return found;
  }
}
