/**
 * S3 as far as files go up and come down: REST, with the bucket in the path or, at AWS's own names, in the host's. A body comes whole, in one request; parts (files of more than 8 MB) are not taken, and of presigned addresses only those in `open.ts`. A bucket whose stack says so keeps versions.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
 */
import { createHash } from 'node:crypto';
import { ServiceFailure } from '../failure.ts';
import { bucketIn } from '../names.ts';
import { operationTable } from '../operations.ts';
import type { Answer, Call, Operation, Requirement, Service } from '../service.ts';
import type { SignedRequest } from '../signature.ts';
import { element, escapeXml } from '../wire/xml.ts';
import { enforce } from '../limits/limit.ts';
import { versionId as versionIdLimit, wordsOfVersions } from '../limits/s3.ts';
import type { Buckets, StoredObject } from './buckets.ts';
import { listVersions } from './versions.ts';

/** What a request names. */
interface Place {
  readonly bucket: string;
  readonly key: string;
  /** Absent where a request names none: it means what is there now. */
  readonly versionId?: string;
  readonly query: URLSearchParams;
}

interface Given extends Place {
  readonly request: SignedRequest;
}

const namespace = 'http://s3.amazonaws.com/doc/2006-03-01/';

/** @throws ServiceFailure for a path that is not encoded as a URL's */
function placeOf({ url, headers }: SignedRequest): Place {
  const [path = '/', query = ''] = url.split('?', 2);
  const named = bucketIn(headers.host ?? '');
  const whole = named === undefined ? path : `/${named}${path}`;
  const [, bucket = '', key = ''] = /^\/([^/]*)\/?(.*)$/s.exec(whole) ?? [];
  try {
    const parameters = new URLSearchParams(query);
    const versionId = parameters.get('versionId') ?? undefined;
    return {
      bucket: decodeURIComponent(bucket),
      key: decodeURIComponent(key),
      ...(versionId !== undefined && { versionId }),
      query: parameters,
    };
  } catch {
    throw new ServiceFailure('InvalidURI', "Couldn't parse the specified URI.");
  }
}

/** The operation that a request asks for, by its method, its path and what its query has. */
export function s3Operation(request: SignedRequest): string {
  const { bucket, key, query } = placeOf(request);
  const { method } = request;
  if (bucket === '') return 'ListBuckets';
  if (method === 'GET' && key === '' && query.has('versions')) return 'ListObjectVersions';
  const known = key === '' ? listing : ofObjects;
  const asked = [...query.keys()].find((name) => name !== 'x-id' && !known.has(name));
  if (asked !== undefined) return `${method} ?${asked}`;
  const of = key === '' ? bucketOperations : objectOperations;
  const name = of[method];
  return name ?? `${method} ${key === '' ? 'bucket' : 'object'}`;
}

const listing = new Set(['list-type', 'prefix', 'delimiter', 'max-keys', 'encoding-type', 'fetch-owner']);
const ofObjects = new Set(['versionId']);
const bucketOperations: Readonly<Record<string, string>> = {
  PUT: 'CreateBucket',
  HEAD: 'HeadBucket',
  GET: 'ListObjectsV2',
  DELETE: 'DeleteBucket',
};
const objectOperations: Readonly<Record<string, string>> = {
  PUT: 'PutObject',
  GET: 'GetObject',
  HEAD: 'HeadObject',
  DELETE: 'DeleteObject',
};

const ofBucket = ({ bucket }: Place) => `arn:aws:s3:::${bucket}`;
const ofObject = ({ bucket, key }: Place) => `arn:aws:s3:::${bucket}/${key}`;

/** With a version's name another action is asked for than without: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html */
const ofVersion =
  (action: string) =>
  ({ versionId }: Place): string =>
    versionId === undefined ? action : `${action}Version`;

export function s3Service(buckets: Buckets, region: string): Service {
  const operation = (
    name: string,
    action: string | ((place: Place) => string),
    resource: (place: Place) => string,
    carryOut: (given: Given) => Answer,
  ): Operation => ({
    name,
    decode: (_service, _body, request) => ({ ...placeOf(request), request }),
    requires(input): readonly Requirement[] {
      const at = given(input);
      const prefix = at.query.get('prefix');
      return [
        {
          action: `s3:${typeof action === 'string' ? action : action(at)}`,
          resources: [{ arn: resource(at) }],
          ...(prefix !== null && { context: { 's3:prefix': prefix } }),
        },
      ];
    },
    async carryOut(_service, input, call) {
      const at = given(input);
      try {
        if (at.versionId !== undefined) enforce(versionIdLimit, at.versionId);
        const answer = carryOut(at);
        return { ...answer, headers: { ...answer.headers, ...requestId(call) } };
      } catch (error) {
        throw (await kept(error, at, call)) ?? error;
      }
    },
  });
  return {
    name: 's3',
    protocol: 'rest-xml',
    selector: 's3',
    namespace,
    errors: [],
    operations: operationTable([
      operation(
        'ListBuckets',
        'ListAllMyBuckets',
        () => '*',
        () => xml('ListAllMyBucketsResult', list(buckets)),
      ),
      operation('CreateBucket', 'CreateBucket', ofBucket, ({ bucket }) => {
        buckets.create(bucket);
        return { status: 200, headers: { location: `/${bucket}` }, body: '' };
      }),
      operation('HeadBucket', 'ListBucket', ofBucket, ({ bucket }) => {
        buckets.objects(bucket);
        return { status: 200, headers: { 'x-amz-bucket-region': region }, body: '' };
      }),
      operation('DeleteBucket', 'DeleteBucket', ofBucket, ({ bucket }) => {
        buckets.delete(bucket);
        return { status: 204, headers: {}, body: '' };
      }),
      operation('ListObjectsV2', 'ListBucket', ofBucket, (at) =>
        xml('ListBucketResult', contents(buckets, at)),
      ),
      operation('ListObjectVersions', 'ListBucketVersions', ofBucket, ({ bucket, query }) =>
        xml('ListVersionsResult', listVersions(buckets, bucket, query)),
      ),
      operation('PutObject', 'PutObject', ofObject, (at) => put(buckets, at)),
      operation('GetObject', ofVersion('GetObject'), ofObject, ({ bucket, key, versionId }) => {
        const stored = buckets.get(bucket, key, versionId);
        return { status: 200, headers: headersOf(buckets, bucket, stored), body: stored.body };
      }),
      operation('HeadObject', ofVersion('GetObject'), ofObject, ({ bucket, key, versionId }) => {
        const stored = buckets.get(bucket, key, versionId);
        return {
          status: 200,
          headers: { ...headersOf(buckets, bucket, stored), 'content-length': String(stored.body.length) },
          body: '',
        };
      }),
      operation('DeleteObject', ofVersion('DeleteObject'), ofObject, ({ bucket, key, versionId }) => {
        const removed = buckets.remove(bucket, key, versionId);
        const headers = removed && {
          ...(removed.isMarker && { 'x-amz-delete-marker': 'true' }),
          'x-amz-version-id': removed.versionId,
        };
        return { status: 204, headers: { ...headers }, body: '' };
      }),
    ]),
  };
}

function given(input: unknown): Given {
  if (isGiven(input)) return input;
  throw new TypeError('A request of S3 names no bucket.');
}

function isGiven(input: unknown): input is Given {
  return typeof input === 'object' && input !== null && 'bucket' in input && 'request' in input;
}

/**
 * Whether a key exists is told only to those who may list the bucket:
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
 */
async function kept(error: unknown, at: Place, call: Call): Promise<ServiceFailure | undefined> {
  const isSecret = error instanceof ServiceFailure && ['NoSuchKey', 'NoSuchVersion'].includes(error.code);
  return isSecret ? call.refusal({ action: 's3:ListBucket', resources: [{ arn: ofBucket(at) }] }) : undefined;
}

function put(buckets: Buckets, { bucket, key, request, versionId }: Given): Answer {
  const { headers, body } = request;
  if (versionId !== undefined) throw new ServiceFailure('InvalidArgument', wordsOfVersions.notHere);
  const md5 = headers['content-md5'];
  if (typeof md5 === 'string' && md5 !== createHash('md5').update(body).digest('base64'))
    throw new ServiceFailure('BadDigest', 'The Content-MD5 you specified did not match what we received.');
  if (/aws-chunked/.test(String(headers['content-encoding'] ?? '')))
    throw new ServiceFailure('NotImplemented', 'The sandbox takes no bodies in chunks.', 501);
  if (headers['x-amz-copy-source'] !== undefined)
    throw new ServiceFailure('NotImplemented', 'The sandbox copies no objects.', 501);
  const stored = buckets.put(bucket, key, body, headers['content-type'] ?? 'binary/octet-stream');
  return { status: 200, headers: { etag: stored.etag, ...versionOf(buckets, bucket, stored) }, body: '' };
}

/** A bucket that has never kept versions says nothing of them. */
const versionOf = (buckets: Buckets, bucket: string, { versionId }: StoredObject): Record<string, string> =>
  buckets.versioning(bucket) === undefined ? {} : { 'x-amz-version-id': versionId };

function headersOf(buckets: Buckets, bucket: string, stored: StoredObject): Record<string, string> {
  const { etag, lastModified, contentType } = stored;
  return {
    ...versionOf(buckets, bucket, stored),
    etag,
    'last-modified': lastModified.toUTCString(),
    'content-type': contentType,
    'accept-ranges': 'bytes',
  };
}

function list(buckets: Buckets): string {
  return element(
    'Buckets',
    buckets
      .names()
      .map((name) => element('Bucket', element('Name', name)))
      .join(''),
  );
}

function contents(buckets: Buckets, { bucket, query }: Place): string {
  const prefix = query.get('prefix') ?? '';
  const found = buckets.objects(bucket).filter(({ key }) => key.startsWith(prefix));
  return [
    element('Name', bucket),
    element('Prefix', escapeXml(prefix)),
    element('KeyCount', String(found.length)),
    element('IsTruncated', 'false'),
    ...found.map(({ key, etag, lastModified, body }) =>
      element(
        'Contents',
        element('Key', escapeXml(key)) +
          element('LastModified', lastModified.toISOString()) +
          element('ETag', escapeXml(etag)) +
          element('Size', String(body.length)),
      ),
    ),
  ].join('');
}

function xml(root: string, inner: string): Answer {
  return {
    status: 200,
    headers: { 'content-type': 'application/xml' },
    body: `<?xml version="1.0" encoding="UTF-8"?><${root} xmlns="${namespace}">${inner}</${root}>`,
  };
}

const requestId = (call: Call): Record<string, string> => ({ 'x-amz-request-id': call.requestId });
