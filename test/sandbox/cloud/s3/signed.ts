/** Requests of S3, signed by the SDK's signer as S3 wants it. */
import { createHash } from 'node:crypto';
import { Sha256 } from '@smithy/core/checksum';
import { HttpRequest } from '@smithy/core/protocols';
import { SignatureV4 } from '@smithy/signature-v4';
import { region, type Bench } from '../bench.ts';

export interface Wish {
  readonly body?: string;
  /** Of the body; default: the right one. */
  readonly hash?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly secretAccessKey?: string;
}

export interface Told {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

export async function send(bench: Bench, method: string, target: string, wish: Wish = {}): Promise<Told> {
  const { body = '' } = wish;
  const url = new URL(bench.endpoint + target);
  const request = new HttpRequest({
    method,
    path: url.pathname,
    query: Object.fromEntries(url.searchParams),
    headers: {
      host: url.host,
      'x-amz-content-sha256': wish.hash ?? createHash('sha256').update(body).digest('hex'),
      ...wish.headers,
    },
    body,
  });
  const signer = new SignatureV4({
    region,
    service: 's3',
    credentials: { accessKeyId: 'AKIAOPERATOR', secretAccessKey: wish.secretAccessKey ?? 'the operator’s' },
    sha256: Sha256,
    uriEscapePath: false,
    applyChecksum: false,
  });
  const signed = await signer.sign(request, { signingDate: new Date(bench.clock.now()) });
  const answer = await fetch(url, {
    method,
    headers: signed.headers,
    ...(body === '' ? {} : { body }),
  });
  return { status: answer.status, headers: answer.headers, text: await answer.text() };
}

export const code = ({ text }: Pick<Told, 'text'>): string | undefined =>
  /<Code>(.*)<\/Code>/.exec(text)?.[1];
