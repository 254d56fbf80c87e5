/** A client of a queue that another process serves. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { SQSClient } from '@aws-sdk/client-sqs';

/** What a client needs. */
export interface QueueAccess {
  readonly endpoint: string;
  readonly region: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
}

/** @param use is given a client; the process ends with it */
export async function withOwnQueue<T>(use: (sqs: SQSClient) => Promise<T>): Promise<T> {
  const program = join(import.meta.dirname, 'queue-process.ts');
  const server = spawn(process.execPath, [program], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(server, 'exit');
  try {
    const [line] = await Promise.race([
      once(createInterface(server.stdout), 'line'),
      ended.then(() => {
        throw new Error('The queue ended before it was there.');
      }),
    ]);
    const access: QueueAccess = JSON.parse(String(line));
    const sqs = new SQSClient({ ...access, maxAttempts: 1 });
    try {
      return await use(sqs);
    } finally {
      sqs.destroy();
    }
  } finally {
    server.stdin.end();
    await ended;
  }
}
