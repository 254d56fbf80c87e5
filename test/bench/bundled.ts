/**
 * Programs of the bench in processes of their own, so that their memory is their own. Each is one file, bundled as the worker is: the
 * sources themselves would have Node compile TypeScript, which takes more memory than the program.
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { bundleAgent } from '../../scripts/bundle.ts';

/** @param entry a program of this repository; its bundle is there, in a folder of its own, while `use` runs */
export async function inBundle<T>(entry: string, use: (program: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'adjoin-bench-'));
  try {
    const program = join(folder, 'program.mjs');
    await bundleAgent(program, entry);
    return await use(program);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** What the program prints, which is JSON, when it is started as a worker is. @throws when it fails */
export async function answerOf(program: string, given: readonly string[]): Promise<string> {
  const env = { ...process.env, ...workerEnvironment() };
  const argv = [...workerOptions(), program, ...given];
  const { stdout } = await promisify(execFile)(process.execPath, argv, { env });
  return stdout;
}

const UNIT = join(import.meta.dirname, '..', '..', 'infra', 'worker', 'adjoin.service');

/** Options of Node that a deployed worker is started with. */
export function workerOptions(): string[] {
  const [, options] =
    /^ExecStart=\S*node\S*((?: --\S+)*) \S+agent\.mjs /m.exec(readFileSync(UNIT, 'utf8')) ?? [];
  if (options === undefined) throw new Error(`${UNIT} does not start the agent.`);
  return options.split(' ').filter((option) => option !== '');
}

/** What the unit adds to its environment. */
export function workerEnvironment(): Record<string, string> {
  const found = readFileSync(UNIT, 'utf8').matchAll(/^Environment=(\w+)=(\S+)$/gm);
  return Object.fromEntries([...found].map(([, name = '', value = '']) => [name, value]));
}
