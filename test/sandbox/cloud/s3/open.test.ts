/** Requests of S3 that nobody of the account signed. */
import { once } from 'node:events';
import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { expect, test } from '@jest/globals';
import type { AuthorizationRequest } from '../../../../infra/sandbox/cloud/seams.ts';
import { region, startBench, type Bench } from '../bench.ts';

/** As a program does that is led to the sandbox by AWS's name. */
async function send(bench: Bench, method: string, url: string, body = '') {
  const { host, pathname, search } = new URL(url);
  const { hostname, port } = new URL(bench.endpoint);
  const sent = request({ host: hostname, port, method, path: pathname + search, headers: { host } });
  sent.end(body);
  const [answer] = await once(sent, 'response');
  return { status: Number(answer.statusCode), body: await text(answer) };
}

test('a public object is read by a name of the bucket, if its bucket lets anybody', async () => {
  const asked: AuthorizationRequest[] = [];
  await using bench = await startBench({
    authorize(question) {
      asked.push(question);
      return question.resource.arn.includes('public')
        ? { allowed: true }
        : { allowed: false, reason: 'by the test' };
    },
  });
  for (const bucket of ['public-bucket', 'own-bucket']) {
    bench.cloud.buckets.create(bucket);
    bench.cloud.buckets.put(bucket, 'a/b.txt', Buffer.from('hello'), 'text/plain');
  }
  const at = (bucket: string, middle = 's3') => `https://${bucket}.${middle}.${region}.amazonaws.com/a/b.txt`;
  expect(await send(bench, 'GET', at('public-bucket'))).toEqual({ status: 200, body: 'hello' });
  expect(await send(bench, 'GET', at('public-bucket', 's3.dualstack'))).toEqual({
    status: 200,
    body: 'hello',
  });
  expect(asked[0]).toMatchObject({
    principal: { arn: 'anonymous' },
    action: 's3:GetObject',
    resource: { arn: 'arn:aws:s3:::public-bucket/a/b.txt' },
  });
  const refused = await send(bench, 'GET', at('own-bucket'));
  expect(refused.status).toBe(403);
  expect(refused.body).toContain('<Code>AccessDenied</Code>');
  expect((await send(bench, 'DELETE', at('public-bucket'))).status).not.toBe(200);
});

test('a signal of a wait condition comes to it, and needs the right to write into CloudFormation’s bucket', async () => {
  let allowed = false;
  await using bench = await startBench({
    signalled: true,
    authorize: ({ action }) =>
      allowed && action === 's3:PutObject' ? { allowed } : { allowed: false, reason: 'by the test' },
  });
  const url = bench.cloud.waitHandles.make('name');
  const signal = '{"Status":"SUCCESS","Reason":"works","UniqueId":"ip-1","Data":"-"}';
  expect((await send(bench, 'PUT', url, signal)).status).toBe(403);
  allowed = true;
  expect((await send(bench, 'PUT', url, signal)).status).toBe(200);
  expect(await bench.cloud.waitHandles.wait(url, 1, 60)).toBe('{"ip-1":"-"}');
});
