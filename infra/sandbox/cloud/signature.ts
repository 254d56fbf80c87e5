import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { Sha256 } from '@smithy/core/checksum';
import { HttpRequest } from '@smithy/core/protocols';
import { SignatureV4 } from '@smithy/signature-v4';

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

/** What the Authorization header says. */
interface Claim extends Scope {
  signedHeaders: readonly string[];
  /** Lower-case hexadecimal. */
  signature: string;
}

/**
 * Verifies a Signature Version 4 of the Authorization header: the SDK's own signer signs the request as it was received
 * once more. Presigned URLs are not taken: no service here has a use for them.
 * @param secretOf the secret of an access key ID; undefined for a key that there is not
 */
export async function verifySignature(
  request: SignedRequest,
  now: number,
  region: string,
  secretOf: (accessKeyId: string) => string | undefined,
): Promise<Verdict> {
  const { authorization } = request.headers;
  if (authorization === undefined) return refuse('missing', 'Request is missing Authentication Token');
  const claim = readClaim(authorization);
  const time = single(request.headers['x-amz-date']) ?? '';
  if (!claim || !time.startsWith(claim.date))
    return refuse('malformed', 'Authorization header is malformed or X-Amz-Date is missing.');
  const secretAccessKey = secretOf(claim.accessKeyId);
  if (secretAccessKey === undefined)
    return refuse('unknown-key', 'The security token included in the request is invalid.');
  if (claim.region !== region)
    return refuse('scope', `Credential should be scoped to a valid region, not '${claim.region}'.`);
  const unsigned = mustBeSigned(request.headers).find(
    (name) => !claim.signedHeaders.includes(name.toLowerCase()),
  );
  if (unsigned !== undefined) return refuse('malformed', `'${unsigned}' must be a 'SignedHeader'.`);
  const signedAt = epochMs(time);
  const skew = now - signedAt;
  if (Number.isNaN(skew) || Math.abs(skew) > allowedSkewMs) {
    const state = skew > 0 ? 'expired' : 'not yet current';
    return refuse(
      'expired',
      `Signature ${state}: ${time} is not within 15 minutes of ${new Date(now).toISOString()}`,
    );
  }
  const expected = await signatureOf(request, claim, secretAccessKey, new Date(signedAt));
  if (expected === undefined || !sameSignature(expected, claim.signature)) return mismatch();
  const { accessKeyId, date, service } = claim;
  return { ok: true, scope: { accessKeyId, date, region, service } };
}

/** The service in the scope of a request's signature, before anything is proven. */
export function scopedService({ headers }: SignedRequest): string | undefined {
  return headers.authorization === undefined ? undefined : readClaim(headers.authorization)?.service;
}

function readClaim(authorization: string): Claim | undefined {
  const [, credential = '', signedHeaders = '', signature = ''] =
    /^AWS4-HMAC-SHA256\s+Credential=([^,\s]+),\s*SignedHeaders=([^,\s]+),\s*Signature=([0-9a-f]{64})$/.exec(
      authorization,
    ) ?? [];
  const [accessKeyId, date, region, service, terminator] = credential.split('/');
  if (!accessKeyId || !date || !region || !service || terminator !== 'aws4_request') return undefined;
  return { accessKeyId, date, region, service, signedHeaders: signedHeaders.split(';'), signature };
}

/**
 * "You must include the host header […] and any x-amz-* headers in the signature": otherwise what such a header says
 * could be changed on the way.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 */
function mustBeSigned(headers: IncomingHttpHeaders): string[] {
  return ['Host', ...Object.keys(headers).filter((name) => name.startsWith('x-amz-'))];
}

/** What the holder of this secret would have signed; undefined for a request that has no valid signature. */
async function signatureOf(
  request: SignedRequest,
  { accessKeyId, region, service, signedHeaders }: Claim,
  secretAccessKey: string,
  signingDate: Date,
): Promise<string | undefined> {
  const [path = '/', queryString] = split(request.url, '?');
  const query = queryOf(queryString ?? '');
  // The signer believes a declared hash of the body.
  const declaredHash = single(request.headers['x-amz-content-sha256']);
  const isUnsigned = service === 's3' && declaredHash === 'UNSIGNED-PAYLOAD';
  if (
    query === undefined ||
    (declaredHash !== undefined && !isUnsigned && declaredHash !== sha256(request.body))
  )
    return undefined;
  // A header that is listed and was not sent counts as an empty one.
  const headers = Object.fromEntries(
    signedHeaders.map((name) => [name, [request.headers[name] ?? ''].flat().join(',')]),
  );
  // Every service but S3 has the path encoded once more for signing.
  const signer = new SignatureV4({
    region,
    service,
    credentials: { accessKeyId, secretAccessKey },
    sha256: Sha256,
    applyChecksum: false,
    uriEscapePath: service !== 's3',
  });
  const signed = await signer.sign(
    new HttpRequest({ method: request.method, path, query, headers, body: request.body }),
    // Signed by their own choice, headers count that this signer would leave out, such as User-Agent.
    { signingDate, signableHeaders: new Set(signedHeaders) },
  );
  return readClaim(signed.headers['authorization'] ?? '')?.signature;
}

/** In a time that does not tell how much of it is right. */
function sameSignature(expected: string, given: string): boolean {
  return timingSafeEqual(Buffer.from(expected, 'hex'), Buffer.from(given, 'hex'));
}

/** The decoded pairs of a query; undefined when they are not encoded as a URL's. */
function queryOf(text: string): Record<string, string[]> | undefined {
  const query = new Map<string, string[]>();
  try {
    for (const pair of text === '' ? [] : text.split('&')) {
      const [name = '', value = ''] = split(pair, '=').map(decodeURIComponent);
      query.set(name, [...(query.get(name) ?? []), value]);
    }
  } catch {
    return undefined;
  }
  return Object.fromEntries(query);
}

/** The text before the first separator and, if there is one, all that is behind it. */
function split(text: string, separator: string): string[] {
  const at = text.indexOf(separator);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + separator.length)];
}

/** `20261121T183704Z` as milliseconds; NaN for anything else. */
function epochMs(time: string): number {
  return Date.parse(time.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'));
}

function single(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}

function sha256(data: Buffer): string {
  return createHash('sha256').update(data).digest('hex');
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
