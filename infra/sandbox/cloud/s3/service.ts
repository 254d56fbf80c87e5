/**
 * S3 as far as files go up and come down: REST, with the bucket in the path or, at AWS's own names, in the host's. A body comes whole, in one request; parts (files of more than 8 MB) are not taken, and of presigned addresses only those in `open.ts`.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
 */
import { createHash } from 'node:crypto';
import { ServiceFailure } from '../failure.ts';
import { bucketIn } from '../names.ts';
import { operationTable } from '../operations.ts';
import type { Answer, Call, Operation, Requirement, Service } from '../service.ts';
import type { SignedRequest } from '../signature.ts';
import { element, escapeXml } from '../wire/xml.ts';
import type { Buckets, StoredObject } from './buckets.ts';

/** What a request names. */
interface Place {
  readonly bucket: string;
  readonly key: string;
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
    return {
      bucket: decodeURIComponent(bucket),
      key: decodeURIComponent(key),
      query: new URLSearchParams(query),
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
  const asked = [...query.keys()].find((name) => name !== 'x-id' && !listing.has(name));
  if (asked !== undefined) return `${method} ?${asked}`;
  const of = key === '' ? bucketOperations : objectOperations;
  const name = of[method];
  return name ?? `${method} ${key === '' ? 'bucket' : 'object'}`;
}

const listing = new Set(['list-type', 'prefix', 'delimiter', 'max-keys', 'encoding-type', 'fetch-owner']);
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

export function s3Service(buckets: Buckets, region: string): Service {
  const operation = (
    name: string,
    action: string,
    resource: (place: Place) => string,
    carryOut: (given: Given) => Answer,
  ): Operation => ({
    name,
    decode: (_service, _body, request) => ({ ...placeOf(request), request }),
    requires: (input): readonly Requirement[] => [
      { action: `s3:${action}`, resources: [{ arn: resource(given(input)) }] },
    ],
    async carryOut(_service, input, call) {
      const answer = carryOut(given(input));
      return { ...answer, headers: { ...answer.headers, ...requestId(call) } };
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
      operation('PutObject', 'PutObject', ofObject, (at) => put(buckets, at)),
      operation('GetObject', 'GetObject', ofObject, ({ bucket, key }) => {
        const stored = buckets.get(bucket, key);
        return { status: 200, headers: headersOf(stored), body: stored.body };
      }),
      operation('HeadObject', 'GetObject', ofObject, ({ bucket, key }) => {
        const stored = buckets.get(bucket, key);
        return {
          status: 200,
          headers: { ...headersOf(stored), 'content-length': String(stored.body.length) },
          body: '',
        };
      }),
      operation('DeleteObject', 'DeleteObject', ofObject, ({ bucket, key }) => {
        buckets.remove(bucket, key);
        return { status: 204, headers: {}, body: '' };
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

function put(buckets: Buckets, { bucket, key, request }: Given): Answer {
  const { headers, body } = request;
  const md5 = headers['content-md5'];
  if (typeof md5 === 'string' && md5 !== createHash('md5').update(body).digest('base64'))
    throw new ServiceFailure('BadDigest', 'The Content-MD5 you specified did not match what we received.');
  if (/aws-chunked/.test(String(headers['content-encoding'] ?? '')))
    throw new ServiceFailure('NotImplemented', 'The sandbox takes no bodies in chunks.', 501);
  if (headers['x-amz-copy-source'] !== undefined)
    throw new ServiceFailure('NotImplemented', 'The sandbox copies no objects.', 501);
  const { etag } = buckets.put(bucket, key, body, headers['content-type'] ?? 'binary/octet-stream');
  return { status: 200, headers: { etag }, body: '' };
}

function headersOf({ etag, lastModified, contentType }: StoredObject): Record<string, string> {
  return {
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
