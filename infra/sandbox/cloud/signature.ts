import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

/** AWS refuses a signature whose time is further off than this, either way. */
const allowedSkewMs = 15 * 60_000;

export interface SignedRequest {
  method: string;
  /** Path and query, as on the request line. */
  url: string;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

export interface Scope {
  accessKeyId: string;
  date: string;
  region: string;
  service: string;
}

export type SignatureProblem = 'missing' | 'malformed' | 'unknown-key' | 'scope' | 'expired' | 'mismatch';

export type Verdict = { ok: true; scope: Scope } | { ok: false; problem: SignatureProblem; message: string };

/** Recomputes a Signature Version 4. `secretOf` gives the secret of an access key ID, or undefined. */
export function verifySignature(
  request: SignedRequest,
  now: number,
  region: string,
  secretOf: (accessKeyId: string) => string | undefined,
): Verdict {
  const header = request.headers.authorization;
  if (header === undefined) return refuse('missing', 'Request is missing Authentication Token');
  const parts =
    /^AWS4-HMAC-SHA256\s+Credential=([^,\s]+),\s*SignedHeaders=([^,\s]+),\s*Signature=([0-9a-f]{64})$/.exec(
      header,
    );
  const [accessKeyId, date, scopeRegion, service, terminator] = (parts?.[1] ?? '').split('/');
  const signedHeaders = (parts?.[2] ?? '').split(';');
  const time = single(request.headers['x-amz-date']) ?? '';
  if (
    !accessKeyId ||
    !date ||
    !scopeRegion ||
    !service ||
    terminator !== 'aws4_request' ||
    !time.startsWith(date)
  ) {
    return refuse('malformed', 'Authorization header is malformed or X-Amz-Date is missing.');
  }
  const secret = secretOf(accessKeyId);
  if (secret === undefined)
    return refuse('unknown-key', 'The security token included in the request is invalid.');
  if (scopeRegion !== region) {
    return refuse('scope', `Credential should be scoped to a valid region, not '${scopeRegion}'.`);
  }
  if (!signedHeaders.includes('host')) return refuse('malformed', "'Host' must be a 'SignedHeader'.");
  const skew = now - epochMs(time);
  if (Number.isNaN(skew) || Math.abs(skew) > allowedSkewMs) {
    const state = skew > 0 ? 'expired' : 'not yet current';
    return refuse(
      'expired',
      `Signature ${state}: ${time} is not within 15 minutes of ${new Date(now).toISOString()}`,
    );
  }
  const bodyHash = sha256(request.body);
  const declaredHash = single(request.headers['x-amz-content-sha256']);
  if (declaredHash !== undefined && declaredHash !== bodyHash) return mismatch();
  const canonical = [
    request.method,
    ...canonicalTarget(request.url),
    ...signedHeaders.map((name) => `${name}:${canonicalHeader(request.headers[name])}`),
    '',
    signedHeaders.join(';'),
    bodyHash,
  ].join('\n');
  const scope = `${date}/${scopeRegion}/${service}/aws4_request`;
  const toSign = ['AWS4-HMAC-SHA256', time, scope, sha256(canonical)].join('\n');
  const key = [date, scopeRegion, service, 'aws4_request'].reduce(hmac, Buffer.from(`AWS4${secret}`));
  const expected = hmac(key, toSign);
  if (!timingSafeEqual(expected, Buffer.from(parts?.[3] ?? '', 'hex'))) return mismatch();
  return { ok: true, scope: { accessKeyId, date, region: scopeRegion, service } };
}

function canonicalTarget(url: string): [path: string, query: string] {
  const [path = '/', query = ''] = url.split('?', 2);
  const pairs = query === '' ? [] : query.split('&').map((pair) => (pair.includes('=') ? pair : `${pair}=`));
  // Every service here but S3 has the path encoded once more for signing.
  const encoded = path.split('/').map(encodeRfc3986).join('/');
  return [encoded, pairs.toSorted().join('&')];
}

function encodeRfc3986(text: string): string {
  return encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (each) => `%${each.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function canonicalHeader(value: string | string[] | undefined): string {
  return [value ?? ''].flat().join(',').trim().replaceAll(/\s+/g, ' ');
}

/** `20261121T183704Z` as milliseconds; NaN for anything else. */
function epochMs(time: string): number {
  return Date.parse(time.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'));
}

function single(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}

function sha256(data: string | Buffer): string {
  return createHash('sha256').update(data).digest('hex');
}

function hmac(key: Buffer, data: string): Buffer {
  return createHmac('sha256', key).update(data).digest();
}

function mismatch(): Verdict {
  return refuse(
    'mismatch',
    'The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method.',
  );
}

function refuse(problem: SignatureProblem, message: string): Verdict {
  return { ok: false, problem, message };
}
