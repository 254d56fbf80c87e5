/**
 * Three operations of S3, signed here: a client of S3 would make the command a megabyte larger. Credentials, Region and the AWS partition
 * are those of the client that deploys. A bucket's name stands in the path, as in the addresses that CloudFormation takes.
 */
import type { CloudFormationClient } from '@aws-sdk/client-cloudformation';
import { HttpRequest } from '@smithy/core/protocols';
import { SignatureV4 } from '@smithy/signature-v4';
import { createHash } from 'node:crypto';
import { callAws } from '../../aws/errors.ts';
import type { Clock } from '../../clock.ts';
import { reasonOf } from '../../errors.ts';
import type { FilesPort } from '../deploy/ports.ts';

/** Milliseconds that one request may take: the agent's file has some megabytes. */
const LIMIT_MS = 120_000;
const TRIES = 3;
/** Milliseconds. */
const PAUSE_MS = 1_000;

/** Codes of answers without a body. */
const NAMES: Readonly<Record<number, string>> = { 403: 'AccessDenied', 404: 'NoSuchBucket' };

/** Carries the service's own code, and the status by which it is classified. */
class S3Error extends Error {
  readonly $metadata: { readonly httpStatusCode: number | undefined };

  /** @param httpStatusCode nothing where no answer came */
  constructor(name: string, message: string, httpStatusCode?: number) {
    super(message);
    this.name = name;
    this.$metadata = { httpStatusCode };
  }
}

const textOf = (xml: string, tag: string): string | undefined =>
  new RegExp(`<${tag}>([^<]*)</${tag}>`).exec(xml)?.[1];

export interface BucketOptions {
  readonly client: CloudFormationClient;
  readonly region: string;
  readonly bucket: string;
  readonly clock: Clock;
  /** Addresses in place of AWS's own. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** @throws Error */
function addressOf({ client, region, environment }: BucketOptions): URL {
  const given = environment['AWS_ENDPOINT_URL_S3'] ?? environment['AWS_ENDPOINT_URL'];
  if (given !== undefined) return new URL(given);
  const { url } = client.config.endpointProvider({ Region: region, UseDualStack: false, UseFIPS: false }, {});
  return new URL(url.href.replace('//cloudformation.', '//s3.'));
}

export interface Files extends FilesPort {
  /** Where the bucket is; nothing when there is none. */
  bucketRegion(signal: AbortSignal): Promise<string | undefined>;
}

export function createFiles(options: BucketOptions): Files {
  const { client, region, bucket, clock } = options;
  const signer = new SignatureV4({
    service: 's3',
    region,
    credentials: client.config.credentials,
    sha256: client.config.sha256,
    // S3 takes a path as it is written.
    uriEscapePath: false,
  });

  async function request(
    method: 'PUT' | 'DELETE' | 'HEAD',
    key: string,
    body: Buffer | undefined,
    contentType: string | undefined,
    signal: AbortSignal | undefined,
  ): Promise<{ readonly url: string; readonly region: string | undefined }> {
    const address = addressOf(options);
    const path = `/${bucket}${key === '' ? '' : `/${key.split('/').map(encodeURIComponent).join('/')}`}`;
    const url = new URL(path, address).href;
    const unsigned = new HttpRequest({
      method,
      protocol: address.protocol,
      hostname: address.hostname,
      path,
      headers: {
        host: address.host,
        'x-amz-content-sha256': createHash('sha256')
          .update(body ?? '')
          .digest('hex'),
        ...(contentType !== undefined && { 'content-type': contentType }),
      },
      ...(body && { body }),
    });
    const { headers } = await signer.sign(unsigned, { signingDate: new Date(clock.now()) });
    const limit = AbortSignal.timeout(LIMIT_MS);
    const answer = await fetch(url, {
      method,
      headers,
      // A bucket of another Region answers with a redirection.
      redirect: 'manual',
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
      ...(body && { body: new Uint8Array(body) }),
    }).catch((error: unknown) => {
      throw new S3Error('NetworkError', reasonOf(error instanceof Error ? (error.cause ?? error) : error));
    });
    const place = answer.headers.get('x-amz-bucket-region') ?? undefined;
    if (answer.ok || (method === 'HEAD' && answer.status === 301)) {
      await answer.arrayBuffer();
      return { url, region: place };
    }
    const text = await answer.text();
    // An answer to HEAD has no body.
    const name = textOf(text, 'Code') ?? NAMES[answer.status] ?? `Status${answer.status}`;
    throw new S3Error(name, textOf(text, 'Message') ?? answer.statusText, answer.status);
  }

  /** Again after an outage: both operations may be repeated. */
  async function persist<T>(work: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await work();
      } catch (error) {
        const isFinal = error instanceof S3Error && (error.$metadata.httpStatusCode ?? 500) < 500;
        if (isFinal || attempt === TRIES || signal?.aborted === true) throw error;
        await clock.sleep(PAUSE_MS * attempt, signal);
      }
    }
  }

  return {
    async put(key, body, contentType, signal) {
      const { url } = await callAws(`s3:PutObject ${bucket}/${key}`, signal, () =>
        persist(() => request('PUT', key, body, contentType, signal), signal),
      );
      return url;
    },
    async remove(key) {
      await callAws(`s3:DeleteObject ${bucket}/${key}`, undefined, () =>
        persist(() => request('DELETE', key, undefined, undefined, undefined), undefined),
      );
    },
    async bucketRegion(signal) {
      try {
        const { region: found } = await persist(
          () => request('HEAD', '', undefined, undefined, signal),
          signal,
        );
        return found;
      } catch (error) {
        if (error instanceof S3Error && error.$metadata.httpStatusCode === 404) return undefined;
        return callAws(`s3:HeadBucket ${bucket}`, signal, () => Promise.reject(error));
      }
    },
  };
}
