import { createHash } from 'node:crypto';
import { ServiceFailure } from '../failure.ts';
import type { Random } from '../random.ts';
import type { Timers } from '../timers.ts';
import { bucketName } from '../limits/names.ts';
import { enforce } from '../limits/limit.ts';
import { nullVersion, wordsOfVersions } from '../limits/s3.ts';

/** What a key of a bucket has had at one time: an object, or the mark that it was deleted. */
export interface Version {
  readonly key: string;
  /** `null` of what was put while the bucket kept no versions. */
  readonly versionId: string;
  readonly lastModified: Date;
}

export interface StoredObject extends Version {
  readonly body: Buffer;
  readonly contentType: string;
  /** In quotation marks, as its header has it. */
  readonly etag: string;
}

/** One of a bucket's versions, of a key's the newest first. */
export interface ListedVersion {
  readonly version: Version;
  /** Absent of a delete marker. */
  readonly object?: StoredObject;
  readonly isLatest: boolean;
}

/** What a deletion has done, in a bucket that has ever kept versions. */
export interface Removed {
  readonly versionId: string;
  /** Whether what was made, or was deleted for good, is a delete marker. */
  readonly isMarker: boolean;
}

/**
 * A bucket that has never kept versions has none of these states. Once it has, it can only be suspended:
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/Versioning.html
 */
export type Versioning = 'Enabled' | 'Suspended';

interface Bucket {
  versioning?: Versioning;
  /** Of each key, the newest first. None is empty. */
  readonly keys: Map<string, Version[]>;
}

/** The buckets of this account. The names of other accounts' are free here. */
export class Buckets {
  readonly #buckets = new Map<string, Bucket>();
  readonly #timers: Timers;
  readonly #random: Random;

  constructor(timers: Timers, random: Random) {
    this.#timers = timers;
    this.#random = random;
  }

  names(): string[] {
    return [...this.#buckets.keys()].toSorted();
  }

  /** @throws ServiceFailure for a name that is there, or can be none */
  create(name: string): void {
    enforce(bucketName, name);
    if (this.#buckets.has(name))
      throw new ServiceFailure(
        'BucketAlreadyOwnedByYou',
        'Your previous request to create the named bucket succeeded and you already own it.',
        409,
      );
    this.#buckets.set(name, { keys: new Map() });
  }

  /** @throws ServiceFailure while it holds a version of anything, a delete marker included */
  delete(name: string): void {
    const { keys, versioning } = this.#bucket(name);
    if (keys.size > 0) {
      const more = versioning === undefined ? '' : '. You must delete all versions in the bucket.';
      throw new ServiceFailure('BucketNotEmpty', `The bucket you tried to delete is not empty${more}`, 409);
    }
    this.#buckets.delete(name);
  }

  /** @throws ServiceFailure when there is no such bucket */
  versioning(name: string): Versioning | undefined {
    return this.#bucket(name).versioning;
  }

  /** @throws ServiceFailure when there is no such bucket */
  setVersioning(name: string, versioning: Versioning): void {
    this.#bucket(name).versioning = versioning;
  }

  /** What is there without a version's name, in the order of the keys. @throws ServiceFailure when there is no such bucket */
  objects(name: string): StoredObject[] {
    return this.versions(name).flatMap(({ isLatest, object }) => (isLatest && object ? [object] : []));
  }

  /** All that is kept, by key and then the newest first. @throws ServiceFailure when there is no such bucket */
  versions(name: string): ListedVersion[] {
    const keys = [...this.#bucket(name).keys].toSorted(([one], [other]) => (one < other ? -1 : 1));
    return keys.flatMap(([, versions]) =>
      versions.map((version, age) => ({
        version,
        ...(isObject(version) && { object: version }),
        isLatest: age === 0,
      })),
    );
  }

  /** @throws ServiceFailure when there is no such bucket */
  put(bucket: string, key: string, body: Buffer, contentType: string): StoredObject {
    const md5 = createHash('md5').update(body).digest('hex');
    const stored = { ...this.#stamp(bucket, key), body, contentType, etag: `"${md5}"` };
    this.#add(bucket, stored);
    return stored;
  }

  /**
   * @param versionId default: what is there now
   * @throws ServiceFailure when there is no such bucket, object or version, and for a delete marker
   */
  get(bucket: string, key: string, versionId?: string): StoredObject {
    const versions = this.#bucket(bucket).keys.get(key) ?? [];
    const found =
      versionId === undefined ? versions[0] : versions.find((each) => each.versionId === versionId);
    if (found !== undefined && isObject(found)) return found;
    const marked = found && {
      'x-amz-delete-marker': 'true',
      'x-amz-version-id': found.versionId,
    };
    if (versionId === undefined)
      throw new ServiceFailure('NoSuchKey', 'The specified key does not exist.', 404, marked);
    if (found !== undefined)
      throw new ServiceFailure(
        'MethodNotAllowed',
        'The specified method is not allowed against this resource.',
        405,
        { ...marked, allow: 'DELETE', 'last-modified': found.lastModified.toUTCString() },
      );
    throw new ServiceFailure('NoSuchVersion', wordsOfVersions.unknown, 404);
  }

  /**
   * Without a version's name, a bucket that keeps versions gets a delete marker, whether or not there was anything; with it, that
   * version is gone for good. What is not there is no error.
   * @returns nothing where the bucket has never kept versions
   * @throws ServiceFailure when there is no such bucket
   */
  remove(bucket: string, key: string, versionId?: string): Removed | undefined {
    const { versioning } = this.#bucket(bucket);
    if (versionId !== undefined || versioning === undefined) {
      const gone = this.#drop(bucket, key, versionId ?? nullVersion);
      if (versioning === undefined) return undefined;
      return { versionId: versionId ?? nullVersion, isMarker: gone !== undefined && !isObject(gone) };
    }
    const marker = this.#stamp(bucket, key);
    this.#add(bucket, marker);
    return { versionId: marker.versionId, isMarker: true };
  }

  #stamp(bucket: string, key: string): Version {
    const isKept = this.#bucket(bucket).versioning === 'Enabled';
    // As AWS's look: 32 characters, none of which begins an option of a command.
    const made = this.#random(24).toString('base64').replaceAll('+', '.').replaceAll('/', '_');
    return { key, versionId: isKept ? made : nullVersion, lastModified: this.#timers.date() };
  }

  /** There is one version at most that is called `null`. */
  #add(bucket: string, version: Version): void {
    if (version.versionId === nullVersion) this.#drop(bucket, version.key, nullVersion);
    const { keys } = this.#bucket(bucket);
    keys.set(version.key, [version, ...(keys.get(version.key) ?? [])]);
  }

  #drop(bucket: string, key: string, versionId: string): Version | undefined {
    const { keys } = this.#bucket(bucket);
    const versions = keys.get(key) ?? [];
    const rest = versions.filter((each) => each.versionId !== versionId);
    if (rest.length > 0) keys.set(key, rest);
    else keys.delete(key);
    return versions.find((each) => each.versionId === versionId);
  }

  #bucket(name: string): Bucket {
    const found = this.#buckets.get(name);
    if (found === undefined)
      throw new ServiceFailure('NoSuchBucket', 'The specified bucket does not exist', 404);
    return found;
  }
}

function isObject(version: Version): version is StoredObject {
  return 'body' in version;
}
