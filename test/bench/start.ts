/** The bundled agent in a process of its own: how long until it asks for messages, how large it is, what memory it has at idle. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { startAwsEndpoint } from '../support/aws-endpoint.ts';
import { inBundle, workerEnvironment, workerOptions } from './bundled.ts';
import type { Figure } from './figures.ts';
import { memoryOf } from './peak.ts';

const GOAL_START = 1;
const GOAL_IDLE = 90;
/** Milliseconds after which a worker that waits for its first message is at rest. */
const IDLE_MS = 5_000;
const STARTS = 5;

export interface Start {
  /** Milliseconds from the start of the process to the first ReceiveMessage. */
  readonly firstReceiveMs: number;
  readonly bundleBytes: number;
  readonly idleBytes: number;
}

function configuration(endpoint: string): string {
  const document = { name: 'adjoin-probe', version: '1', hash: '0'.repeat(64) };
  return JSON.stringify({
    region: 'eu-central-1',
    accountId: '123456789012',
    queueUrl: `${endpoint}/123456789012/adjoin`,
    table: 'adjoin',
    secretId: 'adjoin',
    documents: { probe: document, joinLinux: document, joinWindows: document, leave: document },
    // No controller is there, and none is looked for in this machine's DNS.
    directory: { controllers: ['127.0.0.1:9'] },
  });
}

/** @param isIdle whether it is looked at once it has come to rest */
async function startOnce(program: string, isIdle: boolean): Promise<Start> {
  const asked = Promise.withResolvers<number>();
  // No message ever comes: the long poll stays open. Everything else is refused.
  await using endpoint = await startAwsEndpoint(({ operation }) => {
    if (operation !== 'ReceiveMessage') return { error: 'AccessDeniedException' };
    asked.resolve(performance.now());
    return 'silence';
  });
  const config = join(dirname(program), 'config.json');
  writeFileSync(config, configuration(endpoint.client.endpoint));
  const began = performance.now();
  const agent = spawn(process.execPath, [...workerOptions(), program, '--config', config], {
    env: {
      ...workerEnvironment(),
      AWS_ENDPOINT_URL: endpoint.client.endpoint,
      AWS_ACCESS_KEY_ID: endpoint.client.credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: endpoint.client.credentials.secretAccessKey,
      AWS_EC2_METADATA_DISABLED: 'true',
    },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const ended = once(agent, 'exit').then(() => {
    throw new Error('The agent ended before it asked for messages.');
  });
  // Its end is expected once it was asked for.
  ended.catch(() => undefined);
  try {
    const firstReceiveMs = (await Promise.race([asked.promise, ended])) - began;
    if (isIdle) await new Promise((resolve) => void setTimeout(resolve, IDLE_MS));
    return {
      firstReceiveMs,
      bundleBytes: statSync(program).size,
      idleBytes: isIdle ? memoryOf(agent.pid ?? NaN, 'VmRSS') : NaN,
    };
  } finally {
    agent.kill('SIGKILL');
    await ended.catch(() => undefined);
  }
}

export function measureStart(): Promise<Start> {
  return inBundle('agent/main.ts', async (program) => {
    const idle = await startOnce(program, true);
    const starts = [idle.firstReceiveMs];
    while (starts.length < STARTS) starts.push((await startOnce(program, false)).firstReceiveMs);
    const [, , median = NaN] = starts.toSorted((one, other) => one - other);
    return { ...idle, firstReceiveMs: median };
  });
}

const megabytes = (bytes: number): number => Math.round((bytes / 2 ** 20) * 10) / 10;

export async function startFigures(): Promise<Figure[]> {
  const section = 'Start of the bundled agent';
  const { firstReceiveMs, bundleBytes, idleBytes } = await measureStart();
  return [
    {
      section,
      name: `to the first receive, median of ${STARTS}`,
      value: Math.round(firstReceiveMs) / 1000,
      unit: 's',
      goal: GOAL_START,
      onMachine: true,
    },
    { section, name: 'size of the bundle', value: megabytes(bundleBytes), unit: 'MB' },
    {
      section,
      name: 'memory at idle',
      value: megabytes(idleBytes),
      unit: 'MB',
      goal: GOAL_IDLE,
      onMachine: true,
    },
  ];
}
