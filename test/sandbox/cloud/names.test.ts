/** Requests by AWS's own names, as a client without an endpoint address sends them. */
import { createHash } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { text } from 'node:stream/consumers';
import {
  CreateChangeSetCommand,
  DescribeStacksCommand,
  ExecuteChangeSetCommand,
} from '@aws-sdk/client-cloudformation';
import { Sha256 } from '@smithy/core/checksum';
import { HttpRequest } from '@smithy/core/protocols';
import { SignatureV4 } from '@smithy/signature-v4';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { accountId, region, startBench, type Bench } from './bench.ts';

let bench: Bench;
beforeEach(async () => {
  bench = await startBench();
});
afterEach(async () => {
  await bench[Symbol.asyncDispose]();
});

/** A signed request to S3 at this name. */
async function s3(host: string, method: string, path: string, body = ''): Promise<string> {
  const signer = new SignatureV4({
    region,
    service: 's3',
    credentials: { accessKeyId: 'AKIAOPERATOR', secretAccessKey: 'the operator’s' },
    sha256: Sha256,
    uriEscapePath: false,
    applyChecksum: false,
  });
  const hash = createHash('sha256').update(body).digest('hex');
  const { headers } = await signer.sign(
    new HttpRequest({ method, path, headers: { host, 'x-amz-content-sha256': hash }, body }),
    { signingDate: new Date(bench.clock.now()) },
  );
  return new Promise((resolve, reject) => {
    const sent = httpRequest(bench.endpoint, { method, path, headers }, (answer) => {
      text(answer).then((said) => resolve(`${answer.statusCode} ${said}`), reject);
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

test('a bucket is in the name or in the path: both are the same', async () => {
  await s3(`files.s3.${region}.amazonaws.com`, 'PUT', '/');
  await s3(`files.s3.${region}.amazonaws.com`, 'PUT', '/a/b', 'text');
  expect(bench.cloud.buckets.objects('files').map(({ key }) => key)).toEqual(['a/b']);
  expect(await s3(`s3.${region}.amazonaws.com`, 'GET', '/files/a/b')).toBe('200 text');
  expect(await s3(`other.s3.${region}.amazonaws.com`, 'GET', '/a/b')).toMatch(/^404 .*NoSuchBucket/s);
});

test('a stack that is deployed by the name has a queue with the name of SQS, by TLS', async () => {
  const { cloudFormation } = bench.as('operator');
  cloudFormation.middlewareStack.add(
    (next) => (args) => {
      if (HttpRequest.isInstance(args.request))
        args.request.headers['host'] = `cloudformation.${region}.amazonaws.com`;
      return next(args);
    },
    { step: 'build' },
  );
  const at = { StackName: 'stack', ChangeSetName: 'change' };
  await s3(`s3.${region}.amazonaws.com`, 'PUT', '/files');
  const template = {
    Resources: { Queue: { Type: 'AWS::SQS::Queue', Properties: { QueueName: 'one' } } },
    Outputs: { Url: { Value: { Ref: 'Queue' } } },
  };
  await s3(`s3.${region}.amazonaws.com`, 'PUT', '/files/t.json', JSON.stringify(template));
  await cloudFormation.send(
    new CreateChangeSetCommand({
      ...at,
      ChangeSetType: 'CREATE',
      TemplateURL: `https://s3.${region}.amazonaws.com/files/t.json`,
    }),
  );
  await cloudFormation.send(new ExecuteChangeSetCommand(at));
  const { Stacks } = await cloudFormation.send(new DescribeStacksCommand({ StackName: 'stack' }));
  expect(Stacks?.[0]).toMatchObject({
    StackStatus: 'CREATE_COMPLETE',
    Outputs: [{ OutputKey: 'Url', OutputValue: `https://sqs.${region}.amazonaws.com/${accountId}/one` }],
  });
});
