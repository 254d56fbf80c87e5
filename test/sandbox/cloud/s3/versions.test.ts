/** What S3 keeps of a key, and what it answers for it: https://docs.aws.amazon.com/AmazonS3/latest/userguide/versioning-workflows.html */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { startBench, type Bench } from '../bench.ts';
import { code, send as signed, type Told, type Wish } from './signed.ts';

let bench: Bench;
const denied: string[] = [];
const asked: string[] = [];

beforeEach(async () => {
  denied.length = 0;
  asked.length = 0;
  bench = await startBench({
    authorize({ action, resource, context }) {
      const prefix = context['s3:prefix'];
      asked.push(`${action} ${resource.arn}${prefix === undefined ? '' : ` ${String(prefix)}`}`);
      return denied.includes(action) ? { allowed: false, reason: 'by the test' } : { allowed: true };
    },
  });
  bench.cloud.buckets.create('files');
  bench.cloud.buckets.setVersioning('files', 'Enabled');
});
afterEach(async () => {
  await bench[Symbol.asyncDispose]();
});

const send = (method: string, target: string, wish?: Wish) => signed(bench, method, target, wish);
const version = ({ headers }: Told): string => headers.get('x-amz-version-id') ?? '';
const put = async (body: string): Promise<string> => version(await send('PUT', '/files/a', { body }));

interface Entry {
  readonly kind: string;
  readonly id: string;
  readonly isLatest: boolean;
}

async function list(query = ''): Promise<Entry[]> {
  const { text } = await send('GET', `/files?versions=${query}`);
  return [...text.matchAll(/<(Version|DeleteMarker)>(.*?)<\/\1>/g)].map(([, kind = '', inner = '']) => ({
    kind,
    id: /<VersionId>(.*)<\/VersionId>/.exec(inner)?.[1] ?? '',
    isLatest: inner.includes('<IsLatest>true</IsLatest>'),
  }));
}

test('what is overwritten stays under a version of its own', async () => {
  const first = await put('first');
  const second = await put('second');
  expect(first).toMatch(/^[A-Za-z0-9._]{32}$/);
  const now = await send('GET', '/files/a');
  expect([now.text, version(now)]).toEqual(['second', second]);
  expect((await send('GET', `/files/a?versionId=${first}`)).text).toBe('first');
  const head = await send('HEAD', `/files/a?versionId=${first}`);
  expect([head.headers.get('content-length'), version(head)]).toEqual(['5', first]);
  expect(await list()).toEqual([
    { kind: 'Version', id: second, isLatest: true },
    { kind: 'Version', id: first, isLatest: false },
  ]);
  expect((await send('GET', '/files?list-type=2')).text).toContain('<KeyCount>1</KeyCount>');
});

test('a deletion leaves a mark, behind which everything is still there; without the mark it is as before', async () => {
  const kept = await put('kept');
  const deleted = await send('DELETE', '/files/a');
  const marker = version(deleted);
  expect([deleted.status, deleted.headers.get('x-amz-delete-marker')]).toEqual([204, 'true']);
  const gone = await send('GET', '/files/a');
  expect([gone.status, code(gone), gone.headers.get('x-amz-delete-marker'), version(gone)]).toEqual([
    404,
    'NoSuchKey',
    'true',
    marker,
  ]);
  expect((await send('GET', '/files?list-type=2')).text).toContain('<KeyCount>0</KeyCount>');
  expect((await send('GET', `/files/a?versionId=${kept}`)).text).toBe('kept');
  const mark = await send('GET', `/files/a?versionId=${marker}`);
  expect([mark.status, code(mark), mark.headers.get('allow')]).toEqual([405, 'MethodNotAllowed', 'DELETE']);
  expect(await list()).toEqual([
    { kind: 'DeleteMarker', id: marker, isLatest: true },
    { kind: 'Version', id: kept, isLatest: false },
  ]);
  const unmarked = await send('DELETE', `/files/a?versionId=${marker}`);
  expect([unmarked.status, unmarked.headers.get('x-amz-delete-marker')]).toEqual([204, 'true']);
  expect((await send('GET', '/files/a')).text).toBe('kept');
});

test('a deletion of what was never there leaves a mark, too; a version is deleted for good, and not a second time', async () => {
  expect((await send('DELETE', '/files/nothing')).headers.get('x-amz-delete-marker')).toBe('true');
  const id = await put('x');
  for (let time = 1; time <= 2; time += 1) {
    const removed = await send('DELETE', `/files/a?versionId=${id}`);
    expect([removed.status, removed.headers.get('x-amz-delete-marker')]).toEqual([204, null]);
  }
  expect(code(await send('GET', `/files/a?versionId=${id}`))).toBe('NoSuchVersion');
  // The mark alone keeps the bucket.
  const refused = await send('DELETE', '/files');
  expect([code(refused), refused.text]).toEqual([
    'BucketNotEmpty',
    expect.stringContaining('You must delete all versions in the bucket.'),
  ]);
});

test('before versions are kept, and while they are suspended, there is one that is called null', async () => {
  bench.cloud.buckets.create('plain');
  const before = await send('PUT', '/plain/a', { body: 'before' });
  expect(before.headers.get('x-amz-version-id')).toBeNull();
  expect((await send('GET', '/plain/a?versionId=null')).text).toBe('before');
  expect((await send('DELETE', '/plain/b')).headers.get('x-amz-delete-marker')).toBeNull();
  bench.cloud.buckets.setVersioning('plain', 'Enabled');
  const id = version(await send('PUT', '/plain/a', { body: 'kept' }));
  expect((await send('GET', '/plain/a?versionId=null')).text).toBe('before');
  bench.cloud.buckets.setVersioning('plain', 'Suspended');
  expect(version(await send('PUT', '/plain/a', { body: 'after' }))).toBe('null');
  expect((await send('GET', '/plain/a?versionId=null')).text).toBe('after');
  expect(version(await send('DELETE', '/plain/a'))).toBe('null');
  expect((await send('GET', '/plain/a?versionId=null')).status).toBe(405);
  expect((await send('GET', `/plain/a?versionId=${id}`)).text).toBe('kept');
});

test('a list comes in pages, each from where the last one ended, with keys as they may stand in XML', async () => {
  const ids = [await put('1'), await put('2'), await put('3')].toReversed();
  await send('PUT', '/files/a%20b', { body: 'x' });
  const first = await send('GET', '/files?versions=&max-keys=2&prefix=a');
  expect(first.text).toContain('<IsTruncated>true</IsTruncated><Version>');
  expect(first.text).toContain(`<NextVersionIdMarker>${ids[1]}</NextVersionIdMarker>`);
  const seen = await list(`&key-marker=a&version-id-marker=${ids[1]}`);
  expect(seen).toEqual([
    { kind: 'Version', id: ids[2], isLatest: false },
    { kind: 'Version', id: expect.any(String), isLatest: true },
  ]);
  // A key alone leaves out all of it.
  expect(await list('&key-marker=a')).toHaveLength(1);
  expect((await send('GET', '/files?versions=&prefix=a%20&encoding-type=url')).text).toContain(
    '<Key>a%20b</Key>',
  );
});

test('what can be no version, or no list, is refused in S3’s words', async () => {
  await put('x');
  for (const [target, refusal, method] of [
    ['/files/a?versionId=', 'InvalidArgument'],
    ['/files/a?versionId=no-version', 'InvalidArgument'],
    [`/files/a?versionId=${'x'.repeat(32)}`, 'NoSuchVersion'],
    ['/files/a?versionId=null', 'InvalidArgument', 'PUT'],
    ['/files?versions=&version-id-marker=x', 'InvalidArgument'],
    ['/files?versions=&max-keys=many', 'InvalidArgument'],
    ['/files?versions=&delimiter=%2F', 'NotImplemented'],
    ['/nowhere?versions=', 'NoSuchBucket'],
  ] as const)
    expect([target, code(await send(method ?? 'GET', target))]).toEqual([target, refusal]);
});

test('each version is another right, and a list that of the bucket, with its prefix', async () => {
  const id = await put('x');
  asked.length = 0;
  await send('GET', '/files/a');
  await send('HEAD', `/files/a?versionId=${id}`);
  await send('GET', '/files?versions=&prefix=a');
  await send('DELETE', '/files/a');
  await send('DELETE', `/files/a?versionId=${id}`);
  expect(asked).toEqual([
    's3:GetObject arn:aws:s3:::files/a',
    's3:GetObjectVersion arn:aws:s3:::files/a',
    's3:ListBucketVersions arn:aws:s3:::files a',
    's3:DeleteObject arn:aws:s3:::files/a',
    's3:DeleteObjectVersion arn:aws:s3:::files/a',
  ]);
  denied.push('s3:GetObjectVersion', 's3:ListBucketVersions');
  expect(code(await send('GET', `/files/a?versionId=${id}`))).toBe('AccessDenied');
  expect(code(await send('GET', '/files?versions='))).toBe('AccessDenied');
});

test('whoever may not list a bucket is not told that a key is missing', async () => {
  denied.push('s3:ListBucket');
  const refused = await send('GET', '/files/missing');
  expect([refused.status, code(refused), refused.text]).toEqual([
    403,
    'AccessDenied',
    expect.stringContaining('s3:ListBucket'),
  ]);
});
