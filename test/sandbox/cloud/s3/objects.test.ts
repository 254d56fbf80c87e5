/** S3's requests, signed by the SDK's signer as S3 wants it: buckets, and whole objects up and down. */
import { createHash } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { startBench, type Bench } from '../bench.ts';
import { code, send as signed, type Wish } from './signed.ts';

let bench: Bench;
const denied: string[] = [];

beforeEach(async () => {
  denied.length = 0;
  bench = await startBench({
    authorize: ({ action, resource }) =>
      denied.includes(`${action} ${resource.arn}`)
        ? { allowed: false, reason: 'by the test' }
        : { allowed: true },
  });
});
afterEach(async () => {
  await bench[Symbol.asyncDispose]();
});

const send = (method: string, target: string, wish?: Wish) => signed(bench, method, target, wish);

test('a file goes up and comes down as it was, under a name with odd characters, too', async () => {
  expect(await send('PUT', '/files')).toMatchObject({ status: 200 });
  const key = '/files/agents/a%20file%2B%C3%A9.mjs';
  const text = 'const é = 1;\n';
  const up = await send('PUT', key, { body: text, headers: { 'content-type': 'text/javascript' } });
  const etag = `"${createHash('md5').update(text).digest('hex')}"`;
  expect(up.status).toBe(200);
  expect(up.headers.get('etag')).toBe(etag);
  const down = await send('GET', key);
  expect(down).toMatchObject({ status: 200, text });
  expect(down.headers.get('content-type')).toBe('text/javascript');
  const head = await send('HEAD', key);
  expect(head).toMatchObject({ status: 200, text: '' });
  expect(head.headers.get('content-length')).toBe(String(Buffer.byteLength(text)));
  expect(head.headers.get('etag')).toBe(etag);
});

test('buckets and their objects are listed and deleted, a bucket only when it is empty', async () => {
  await send('PUT', '/files');
  await send('PUT', '/files/a/1', { body: 'x' });
  await send('PUT', '/files/b/2', { body: 'y' });
  expect((await send('GET', '/')).text).toContain('<Name>files</Name>');
  const listed = await send('GET', '/files?list-type=2&prefix=a%2F');
  expect(listed.text.match(/<Key>.*?<\/Key>/g)).toEqual(['<Key>a/1</Key>']);
  expect(code(await send('DELETE', '/files'))).toBe('BucketNotEmpty');
  await send('DELETE', '/files/a/1');
  expect((await send('DELETE', '/files/b/2')).status).toBe(204);
  expect((await send('HEAD', '/files')).status).toBe(200);
  expect((await send('DELETE', '/files')).status).toBe(204);
  expect(await send('HEAD', '/files')).toMatchObject({ status: 404, text: '' });
});

test('what is not there, and what can not be, is refused in S3’s words', async () => {
  await send('PUT', '/files');
  expect(code(await send('GET', '/nowhere/x'))).toBe('NoSuchBucket');
  expect(code(await send('GET', '/files/x'))).toBe('NoSuchKey');
  expect(code(await send('PUT', '/files'))).toBe('BucketAlreadyOwnedByYou');
  expect(code(await send('PUT', '/No_Bucket'))).toBe('InvalidBucketName');
  expect(code(await send('GET', '/files?versioning='))).toBe('NotImplemented');
  expect(code(await send('PUT', '/files/x', { headers: { 'x-amz-copy-source': '/files/y' } }))).toBe(
    'NotImplemented',
  );
  expect(code(await send('PUT', '/files/x', { body: 'x', headers: { 'content-md5': 'AAAA' } }))).toBe(
    'BadDigest',
  );
});

test('the signature covers the body, unless it says that it does not', async () => {
  await send('PUT', '/files');
  const other = createHash('sha256').update('another').digest('hex');
  expect(code(await send('PUT', '/files/x', { body: 'x', hash: other }))).toBe('SignatureDoesNotMatch');
  expect(code(await send('GET', '/', { secretAccessKey: 'wrong' }))).toBe('SignatureDoesNotMatch');
  expect((await send('PUT', '/files/x', { body: 'x', hash: 'UNSIGNED-PAYLOAD' })).status).toBe(200);
});

test('a caller without the right to an object is denied, and its head answers without a word', async () => {
  await send('PUT', '/files');
  await send('PUT', '/files/x', { body: 'x' });
  denied.push('s3:GetObject arn:aws:s3:::files/x');
  expect(code(await send('GET', '/files/x'))).toBe('AccessDenied');
  expect(await send('HEAD', '/files/x')).toMatchObject({ status: 403, text: '' });
  denied.push('s3:PutObject arn:aws:s3:::files/x');
  expect(code(await send('PUT', '/files/x', { body: 'y' }))).toBe('AccessDenied');
});
