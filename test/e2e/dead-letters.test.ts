import { DeleteMessageCommand, ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { describeReal } from '../support/sandbox.ts';
import {
  eventually,
  inService,
  onlyInstance,
  openSystem,
  queuesOf,
  type Queues,
  type System,
} from './sandbox.ts';

type Key = System['keys']['worker'];

interface Told {
  readonly code: number;
  readonly text: string;
}

describeReal('a dead letter that can be read', (ground) => {
  let system: System;
  let queues: Queues;

  beforeAll(async () => {
    system = await openSystem(ground, { workers: 1 });
    queues = queuesOf(system);
  }, 300_000);
  afterAll(async () => {
    queues.close();
    await system.stop();
  }, 180_000);

  /** The command line as a person has it who took this role: a process of its own, from outside the VPC. */
  function deadLetters(key: Key, verb: 'list' | 'replay'): Promise<Told> {
    const [node, agent] = system.agentCommand;
    const options = ['--config', system.agentConfigFile, '--queue', system.stack.deadLetterQueueUrl];
    const env = {
      ...system.agentEnvironment,
      AWS_ENDPOINT_URL: system.endpoint,
      AWS_ACCESS_KEY_ID: key.accessKeyId,
      AWS_SECRET_ACCESS_KEY: key.secretAccessKey,
      AWS_SESSION_TOKEN: key.sessionToken ?? '',
      ADJOIN_QUEUE_URL: system.stack.queueUrl,
    };
    return new Promise((resolve) => {
      execFile(node, [String(agent), 'dead-letters', verb, ...options], { env }, (error, stdout, stderr) => {
        resolve({
          code: typeof error?.code === 'number' ? error.code : error ? 1 : 0,
          text: stdout + stderr,
        });
      });
    });
  }

  test('waits for the dead-letter operator, whose replay it is worked on', async () => {
    await system.setDesiredCapacity(1);
    const instanceId = await onlyInstance(system, 'Pending:Wait', 30_000);
    // A worker that takes it again and again and never gets anywhere.
    const client = { ...system.developer, endpoint: system.vpcEndpoint, credentials: system.keys.worker };
    const worker = new SQSClient(client);
    const QueueUrl = system.stack.queueUrl;
    await eventually('a dead letter', 30_000, async () => {
      const taken = await worker.send(new ReceiveMessageCommand({ QueueUrl, VisibilityTimeout: 0 }));
      for (const { Body = '', ReceiptHandle } of taken.Messages ?? []) {
        if (!Body.includes('TEST_NOTIFICATION')) continue;
        await worker.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
      }
      return (await queues.depth(system.stack.deadLetterQueueUrl)) === 1 ? true : undefined;
    });
    worker.destroy();

    // The publisher may send, but take nothing; an administrator may take, but send nothing.
    const { deadLetterOperatorRoleArn, publisherRoleArn } = system.stack;
    const session = (roleArn: string): Key => system.cloud.issue({ roleArn, sessionName: 'somebody' });
    for (const key of [session(publisherRoleArn), system.keys.administrator]) {
      const told = await deadLetters(key, 'replay');
      expect(told.text).toContain('aws-denied');
      expect(told.code).not.toBe(0);
    }
    expect(await queues.depth(QueueUrl)).toBe(0);
    expect(await queues.depth(system.stack.deadLetterQueueUrl)).toBe(1);

    const operator = session(deadLetterOperatorRoleArn);
    const listed = await deadLetters(operator, 'list');
    expect(listed.text).toContain(`${instanceId} launching`);
    expect(listed.code).toBe(0);
    const replayed = await deadLetters(operator, 'replay');
    expect(replayed.text).toContain('sent to the main queue');
    expect(replayed.code).toBe(0);
    expect(await queues.depth(QueueUrl)).toBe(1);
    expect(await queues.depth(system.stack.deadLetterQueueUrl)).toBe(0);

    system.startAgent();
    expect(await inService(system, 1, 90_000)).toEqual([instanceId]);
  }, 240_000);
});
