/** Signatures made with Node's own primitives, by the rules of the documentation: not with the library that checks them. */
import { createHash, createHmac } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { verifySignature, type SignedRequest, type Verdict } from '../../../infra/sandbox/cloud/signature.ts';

const now = Date.UTC(2026, 10, 21, 18, 37, 4);
const region = 'eu-central-1';
const secret = 'the worker’s';

const sha256 = (data: string): string => createHash('sha256').update(data).digest('hex');
const hmac = (key: string | Buffer, data: string): Buffer => createHmac('sha256', key).update(data).digest();

interface Wish {
  readonly secret?: string;
  readonly body?: string;
  readonly url?: string;
  /** Path and query as they are signed. */
  readonly canonicalUrl?: readonly [path: string, query: string];
  readonly headers?: Record<string, string>;
  readonly signedHeaders?: readonly string[];
  readonly time?: string;
}

/** https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html */
function signed(wish: Wish = {}): SignedRequest {
  const { body = '{}', url = '/', canonicalUrl = ['/', ''], time = '20261121T183704Z' } = wish;
  const headers: Record<string, string> = {
    host: '127.0.0.1:4566',
    'content-type': 'application/x-amz-json-1.1',
    'x-amz-date': time,
    'x-amz-target': 'AmazonSSM.ListCommands',
    ...wish.headers,
  };
  const names = (wish.signedHeaders ?? Object.keys(headers)).toSorted();
  const canonical = [
    'POST',
    ...canonicalUrl,
    ...names.map((name) => `${name}:${(headers[name] ?? '').trim().replaceAll(/ +/g, ' ')}`),
    '',
    names.join(';'),
    headers['x-amz-content-sha256'] ?? sha256(body),
  ].join('\n');
  const scope = `${time.slice(0, 8)}/${region}/ssm/aws4_request`;
  const key = scope.split('/').reduce<string | Buffer>(hmac, `AWS4${wish.secret ?? secret}`);
  const signature = hmac(key, ['AWS4-HMAC-SHA256', time, scope, sha256(canonical)].join('\n')).toString(
    'hex',
  );
  const authorization = `AWS4-HMAC-SHA256 Credential=AKIAWORKER/${scope}, SignedHeaders=${names.join(';')}, Signature=${signature}`;
  return { method: 'POST', url, headers: { ...headers, authorization }, body: Buffer.from(body) };
}

const verify = (request: SignedRequest): Promise<Verdict> =>
  verifySignature(request, now, region, (id) => (id === 'AKIAWORKER' ? secret : undefined));

const problem = (kind: string, words: string) => ({
  ok: false,
  problem: kind,
  message: expect.stringContaining(words),
});
const noMatch = problem('mismatch', 'does not match the signature you provided');

describe('a signed request is taken', () => {
  test('and says who signed it, and for what', async () => {
    await expect(verify(signed())).resolves.toEqual({
      ok: true,
      scope: { accessKeyId: 'AKIAWORKER', date: '20261121', region, service: 'ssm' },
    });
  });

  test.each<[string, Wish]>([
    ['with an empty body', { body: '' }],
    ['that declares the hash of its body', { headers: { 'x-amz-content-sha256': sha256('{}') } }],
    ['with a header that signers leave out', { headers: { 'user-agent': 'curl  by   hand ' } }],
    [
      'whose path and query are encoded',
      {
        url: '/a%20b/%E2%82%AC?q=2&q=1&flag&e=a%3Db%2Bc',
        canonicalUrl: ['/a%2520b/%25E2%2582%25AC', 'e=a%3Db%2Bc&flag=&q=1&q=2'],
      },
    ],
    ['fifteen minutes ago', { time: '20261121T182204Z' }],
    ['by a clock that is fifteen minutes fast', { time: '20261121T185204Z' }],
  ])('%s', async (_what, wish) => {
    await expect(verify(signed(wish))).resolves.toMatchObject({ ok: true });
  });
});

describe('a request is refused', () => {
  test.each<[string, Wish, object]>([
    ['with a wrong secret', { secret: 'wrong' }, noMatch],
    ['sixteen minutes ago', { time: '20261121T182104Z' }, problem('expired', 'Signature expired')],
    [
      'by a clock that is sixteen minutes fast',
      { time: '20261121T185304Z' },
      problem('expired', 'not yet current'),
    ],
    [
      'that declares the hash of another body',
      { headers: { 'x-amz-content-sha256': sha256('{"other":1}') } },
      noMatch,
    ],
    ['that wants its body left out', { headers: { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' } }, noMatch],
    [
      'without the host in its signature',
      { signedHeaders: ['x-amz-date', 'x-amz-target'] },
      problem('malformed', "'Host' must be a 'SignedHeader'"),
    ],
    [
      'without what it asks for in its signature',
      { signedHeaders: ['host', 'x-amz-date'] },
      problem('malformed', "'x-amz-target' must be a 'SignedHeader'"),
    ],
    ['whose query is no query', { url: '/?q=%E2%82', canonicalUrl: ['/', 'q=%E2%82'] }, noMatch],
  ])('signed %s', async (_what, wish, refusal) => {
    await expect(verify(signed(wish))).resolves.toEqual(refusal);
  });

  test.each<[string, (request: SignedRequest) => SignedRequest]>([
    ['its body', (request) => ({ ...request, body: Buffer.from('{"Target":"i-1"}') })],
    ['its method', (request) => ({ ...request, method: 'PUT' })],
    ['its path', (request) => ({ ...request, url: '/other' })],
    ['its query', (request) => ({ ...request, url: '/?Action=Other' })],
    [
      'a signed header',
      ({ headers, ...request }) => ({
        ...request,
        headers: { ...headers, 'x-amz-target': 'AmazonSSM.SendCommand' },
      }),
    ],
    ['its host', ({ headers, ...request }) => ({ ...request, headers: { ...headers, host: '127.0.0.1:1' } })],
    [
      'a second of its time',
      ({ headers, ...request }) => ({
        ...request,
        headers: { ...headers, 'x-amz-date': '20261121T183705Z' },
      }),
    ],
    [
      'a digit of its signature',
      ({ headers, ...request }) => ({
        ...request,
        headers: {
          ...headers,
          authorization: headers.authorization?.replace(/.$/, (last) => (last === '0' ? '1' : '0')),
        },
      }),
    ],
    [
      'a signed header, which it lost',
      ({ headers: { 'content-type': _lost, ...headers }, ...request }) => ({ ...request, headers }),
    ],
  ])('that has %s changed on the way', async (_what, change) => {
    await expect(verify(change(signed()))).resolves.toEqual(noMatch);
  });

  test('that has its query changed behind a second equals sign', async () => {
    const request = signed({ url: '/?a=b', canonicalUrl: ['/', 'a=b'] });
    await expect(verify(request)).resolves.toMatchObject({ ok: true });
    await expect(verify({ ...request, url: '/?a=b=c' })).resolves.toEqual(noMatch);
  });

  test('that came with a header more of the kind that must be signed', async () => {
    const { headers, ...request } = signed();
    const added = { ...request, headers: { ...headers, 'x-amz-security-token': 'mine' } };
    await expect(verify(added)).resolves.toEqual(problem('malformed', "'x-amz-security-token'"));
  });

  test('without a signature, with half of one, or for a key that there is not', async () => {
    const { headers, ...request } = signed();
    const as = (authorization: string | undefined) =>
      verify({ ...request, headers: { ...headers, authorization } });
    await expect(as(undefined)).resolves.toEqual(problem('missing', 'missing Authentication Token'));
    await expect(as(headers.authorization?.slice(0, -1))).resolves.toEqual(problem('malformed', 'malformed'));
    await expect(as(headers.authorization?.replace('AKIAWORKER', 'AKIANOBODY'))).resolves.toEqual(
      problem('unknown-key', 'security token included in the request is invalid'),
    );
  });
});
