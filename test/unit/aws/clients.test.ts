import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { GetSecretValueCommand } from '@aws-sdk/client-secrets-manager';
import { ReceiveMessageCommand } from '@aws-sdk/client-sqs';
import { ListCommandInvocationsCommand } from '@aws-sdk/client-ssm';
import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { createAutoScaling } from '../../../agent/aws/auto-scaling.ts';
import { createClients, destroyClients, type Clients } from '../../../agent/aws/clients.ts';
import { systemClock } from '../../../agent/clock.ts';
import { createQueue } from '../../../agent/aws/queue.ts';
import { selfSigned } from '../../support/certificate.ts';
import { createVirtualClock } from '../../support/virtual-clock.ts';

const environment = {
  AWS_ACCESS_KEY_ID: 'AKIAEXAMPLE',
  AWS_SECRET_ACCESS_KEY: 'example',
  AWS_ENDPOINT_URL: '',
};
/** Milliseconds; long enough for the first call of a process on a busy machine to get there. */
const limits = { answerMs: 400, pollMs: 400 };

let before: NodeJS.ProcessEnv;
let server: Server;
let clients: Clients;
/** What the service does with each request, in order; the last one stays. */
let behaviours: ((response: ServerResponse) => void)[];

const silent = (): void => {};
/** Signs of life, and never an answer. */
const busy = (response: ServerResponse): void => {
  const processing = setInterval(() => response.writeProcessing(), limits.answerMs / 8);
  response.on('close', () => clearInterval(processing));
};
/** Half an answer, and nothing more on a connection that stays open. */
const halfway = (response: ServerResponse): void => {
  response.writeHead(200, { 'content-type': 'application/x-amz-json-1.1', 'content-length': '1000' });
  response.write('{"CommandInvocations":[');
};
const empty = (response: ServerResponse): void => {
  response.writeHead(200, { 'content-type': 'application/x-amz-json-1.1' });
  response.end('{}');
};

beforeEach(async () => {
  behaviours = [silent];
  server = createServer((request, response) => {
    request.resume();
    const next = behaviours.length > 1 ? behaviours.shift() : behaviours[0];
    next?.(response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  before = process.env;
  process.env = { ...before, ...environment, AWS_ENDPOINT_URL: `http://127.0.0.1:${port}` };
  clients = createClients('eu-central-1', limits);
});

afterEach(async () => {
  process.env = before;
  destroyClients(clients);
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
});

describe('a call', () => {
  test.each([
    ['that is never answered', silent],
    ['that keeps its connection busy and is never answered', busy],
    ['whose connection dies in mid-answer', halfway],
  ])('%s is cut, and tried three times', async (_, behaviour) => {
    behaviours = [behaviour];
    await expect(clients.ssm.send(new ListCommandInvocationsCommand({}))).rejects.toMatchObject({
      name: 'TimeoutError',
      $metadata: { attempts: 3 },
    });
  });

  test('is answered by the next connection when one has died', async () => {
    behaviours = [silent, empty];
    await expect(clients.ssm.send(new ListCommandInvocationsCommand({}))).resolves.toMatchObject({
      $metadata: { httpStatusCode: 200 },
    });
  });

  test('that no connection answers is an outage of the service, so that what it asked for is asked again', async () => {
    const queue = createQueue(clients.sqs, {
      url: 'https://sqs.eu-central-1.amazonaws.com/111122223333/queue',
      waitSeconds: 20,
      visibilitySeconds: 60,
      clock: systemClock,
    });
    await expect(queue.receive(10)).rejects.toMatchObject({ code: 'aws-unavailable' });
    const autoScaling = createAutoScaling(clients.autoScaling, createVirtualClock());
    const action = {
      token: 'token',
      hook: 'hook',
      group: 'fleet',
      instanceId: 'i-0123456789abcdef0',
      transition: 'launching',
      origin: 'EC2',
      destination: 'AutoScalingGroup',
      startedAt: 0,
    } as const;
    await expect(autoScaling.complete(action, 'CONTINUE')).rejects.toMatchObject({
      code: 'aws-unavailable',
    });
  });
});

test('the secret is read at an endpoint of its own, where the environment of the service names one', async () => {
  behaviours = [empty];
  const everywhereElse = process.env['AWS_ENDPOINT_URL'];
  process.env['AWS_ENDPOINT_URL'] = 'http://127.0.0.1:9';
  process.env['AWS_ENDPOINT_URL_SECRETS_MANAGER'] = everywhereElse;
  const own = createClients('eu-central-1', limits);
  try {
    await expect(
      own.secretsManager.send(new GetSecretValueCommand({ SecretId: 'x' })),
    ).resolves.toBeDefined();
  } finally {
    destroyClients(own);
  }
});

test('the queue is found at the endpoint of SQS, whatever host its URL names', async () => {
  behaviours = [empty];
  const options = { waitSeconds: 20, visibilitySeconds: 60 };
  const url = 'https://sqs.invalid/111122223333/queue';
  await expect(
    createQueue(clients.sqs, { url, ...options, clock: systemClock }).receive(10),
  ).resolves.toEqual([]);
});

test('a client waits for an answer for longer than SQS polls, and slows down when it is throttled', async () => {
  behaviours = [empty];
  const standard = createClients('eu-central-1');
  try {
    await Promise.all([
      standard.ssm.send(new ListCommandInvocationsCommand({})),
      standard.sqs.send(new ReceiveMessageCommand({ QueueUrl: 'https://sqs.invalid/111122223333/queue' })),
    ]);
    for (const [client, silenceMs] of [
      [standard.ssm, 15_000],
      [standard.sqs, 35_000],
    ] as const) {
      expect(client.config.requestHandler).toHaveProperty(
        'config',
        expect.objectContaining({
          connectionTimeout: 5_000,
          requestTimeout: silenceMs,
          socketTimeout: silenceMs,
          throwOnRequestTimeout: true,
        }),
      );
      await expect(client.config.region()).resolves.toBe('eu-central-1');
      await expect(client.config.maxAttempts()).resolves.toBe(3);
      await expect(client.config.retryStrategy()).resolves.toMatchObject({ mode: 'adaptive' });
    }
  } finally {
    destroyClients(standard);
  }
});

describe('a host that answers under the name of an AWS endpoint', () => {
  test('is asked for nothing when its certificate is not from an authority of the system', async () => {
    const { cert, key } = selfSigned(['localhost']);
    let asked = 0;
    const forger = createHttpsServer({ cert, key }, (_request, response) => {
      asked += 1;
      response.end('{}');
    });
    forger.listen(0, '127.0.0.1');
    await once(forger, 'listening');
    const address = forger.address();
    process.env['AWS_ENDPOINT_URL'] = `https://localhost:${typeof address === 'object' ? address?.port : ''}`;
    const deceived = createClients('eu-central-1');
    try {
      const read = deceived.secretsManager.send(new GetSecretValueCommand({ SecretId: 'adjoin' }));
      await expect(read).rejects.toThrow('self-signed certificate');
    } finally {
      destroyClients(deceived);
      forger.close();
    }
    expect(asked).toBe(0);
  });
});

describe('credentials of the instance profile', () => {
  /** Milliseconds: more than the second that the SDK waits for, and as much as a worker may take that boots among others. */
  const late = 1_100;
  let metadata: Server;
  let questions: string[];

  beforeEach(async () => {
    questions = [];
    const answers: Readonly<Record<string, string>> = {
      '/latest/api/token': 'token',
      '/latest/meta-data/iam/security-credentials/': 'worker',
      '/latest/meta-data/iam/security-credentials/worker': JSON.stringify({
        Code: 'Success',
        AccessKeyId: 'ASIAEXAMPLE',
        SecretAccessKey: 'example',
        Token: 'session',
        Expiration: new Date(Date.now() + 6 * 3_600_000).toISOString(),
      }),
    };
    metadata = createServer(({ url = '', headers }, response) => {
      questions.push(url);
      // Version 2 alone: without a token there is nothing.
      const isAllowed = url.endsWith('/token') || headers['x-aws-ec2-metadata-token'] === 'token';
      setTimeout(
        () => response.writeHead(isAllowed ? 200 : 401).end(answers[url] ?? ''),
        questions.length === 1 ? late : 0,
      );
    });
    metadata.listen(0, '127.0.0.1');
    await once(metadata, 'listening');
    const address = metadata.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    const { AWS_ACCESS_KEY_ID: _id, AWS_SECRET_ACCESS_KEY: _key, ...keyless } = process.env;
    process.env = {
      ...keyless,
      AWS_EC2_METADATA_SERVICE_ENDPOINT: `http://127.0.0.1:${port}`,
      AWS_CONFIG_FILE: '/dev/null',
      AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
    };
  });
  afterEach(() => void metadata.close());

  test('are waited for where their service is late, and asked for once by all clients', async () => {
    behaviours = [empty];
    const [one, other] = await Promise.all([
      clients.secretsManager.config.credentials(),
      clients.ssm.config.credentials(),
    ]);
    expect([one.accessKeyId, other.accessKeyId]).toEqual(['ASIAEXAMPLE', 'ASIAEXAMPLE']);
    await clients.ssm.send(new ListCommandInvocationsCommand({}));
    expect(questions).toEqual([
      '/latest/api/token',
      '/latest/meta-data/iam/security-credentials/',
      '/latest/meta-data/iam/security-credentials/worker',
    ]);
  });
});
