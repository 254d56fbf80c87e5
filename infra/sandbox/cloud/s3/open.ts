/** Requests of S3 without a signature of the caller: of public objects, and at addresses that CloudFormation has signed. */
import { bucketIn } from '../names.ts';
import type { Answer, Requirement } from '../service.ts';
import type { SignedRequest } from '../signature.ts';
import { waitBucket, type WaitHandles } from '../wait/wait-handles.ts';
import type { Place } from '../place.ts';
import type { Buckets } from './buckets.ts';

export interface OpenRequest {
  readonly requirement: Requirement;
  /** @throws ServiceFailure */
  carryOut(): Answer;
}

export interface OpenParts {
  readonly place: Place;
  readonly buckets: Buckets;
  readonly waitHandles: WaitHandles;
}

/** Undefined for a request that is none of them. */
export function openRequest(
  { place, buckets, waitHandles }: OpenParts,
  request: SignedRequest,
): OpenRequest | undefined {
  const { headers, method, url } = request;
  if (headers.authorization !== undefined) return undefined;
  const handleKey = waitHandles.keyOf(request);
  if (handleKey !== undefined)
    return {
      requirement: { action: 's3:PutObject', resources: [objectIn(waitBucket(place.region), handleKey)] },
      carryOut() {
        waitHandles.receive(request);
        return { status: 200, headers: {}, body: '' };
      },
    };
  const bucket = bucketIn(headers.host ?? '');
  if (bucket === undefined || (method !== 'GET' && method !== 'HEAD')) return undefined;
  const key = decodeURIComponent(url.split('?', 1)[0]?.slice(1) ?? '');
  return {
    requirement: { action: 's3:GetObject', resources: [objectIn(bucket, key)] },
    carryOut() {
      const { body, contentType, etag } = buckets.get(bucket, key);
      const length = { 'content-length': String(body.length) };
      return {
        status: 200,
        headers: { 'content-type': contentType, etag, ...length },
        body: method === 'HEAD' ? '' : body,
      };
    },
  };
}

const objectIn = (bucket: string, key: string) => ({ arn: `arn:aws:s3:::${bucket}/${key}` });
