import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Agent, startAgent } from '../../../infra/sandbox/inside/agent.ts';

let directory: string;
let agent: Agent | undefined;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'adjoin-agent-'));
});
afterEach(async () => {
  await agent?.stop(0);
  await rm(directory, { recursive: true });
});

/** Starts a program as the agent; `starts` yields each process ID. */
function start(program: string, env: Record<string, string> = {}) {
  const waiting: ((pid: number) => void)[] = [];
  const pids: number[] = [];
  const logFile = join(directory, 'agent.log');
  agent = startAgent({
    argv: [process.execPath, '-e', program],
    env,
    logFile,
    restartDelayMs: 0,
    onPid(pid) {
      if (pid === undefined) return;
      const next = waiting.shift();
      if (next) next(pid);
      else pids.push(pid);
    },
  });
  const next = async (): Promise<number> => pids.shift() ?? new Promise((resolve) => waiting.push(resolve));
  return { agent, next, log: () => readFile(logFile, 'utf8') };
}

const waits = 'setInterval(() => {}, 1000)';

describe('the agent as a process', () => {
  test('under sudo, its log belongs to the person who called it', async () => {
    const owner = process.getuid?.() === 0 ? 12_345 : Number(process.getuid?.());
    process.env['SUDO_UID'] = String(owner);
    process.env['SUDO_GID'] = String(process.getgid?.());
    const { next } = start(waits);
    delete process.env['SUDO_UID'];
    delete process.env['SUDO_GID'];
    await next();
    const { uid, mode } = await stat(join(directory, 'agent.log'));
    expect([uid, mode & 0o777]).toEqual([owner, 0o600]);
  });

  test('it is started again when it dies, under a new process ID', async () => {
    const { agent: own, next } = start(waits);
    const first = await next();
    own.kill('SIGKILL');
    const second = await next();
    expect(second).not.toBe(first);
    expect(own.pid()).toBe(second);
    expect(own.deaths).toEqual([{ code: null, signal: 'SIGKILL' }]);
  });

  test('it is not started again once it was told to stop', async () => {
    const { agent: own, next } = start(waits);
    await next();
    expect(await own.stop(5_000)).toEqual({ code: null, signal: 'SIGTERM' });
    expect(own.pid()).toBeUndefined();
    expect(own.deaths).toEqual([]);
  });

  test('it ends with the exit code that it chose on SIGTERM', async () => {
    const {
      agent: own,
      next,
      log,
    } = start(`process.on('SIGTERM', () => process.exit(7)); console.log('up'); ${waits}`);
    await next();
    while (!(await log()).includes('up'));
    expect(await own.stop(5_000)).toEqual({ code: 7, signal: null });
  });

  test('one that does not end in time is killed, and that is told', async () => {
    const { agent: own, next, log } = start(`process.on('SIGTERM', () => {}); console.log('up'); ${waits}`);
    await next();
    while (!(await log()).includes('up'));
    expect(await own.stop(1)).toBeNull();
  });

  test('what it says is appended to the log across its lives', async () => {
    const { next, log } = start('console.log(process.pid); console.error("oops")');
    await next();
    const pid = await next();
    await next();
    expect(await log()).toContain(String(pid));
    expect((await log()).match(/oops/g)?.length).toBeGreaterThan(1);
  });

  test('it inherits nothing of this process’s environment but a PATH', async () => {
    process.env['ADJOIN_TEST_SECRET'] = 'canary';
    const { next, log } = start('console.log(JSON.stringify(Object.keys(process.env)))', {
      AWS_REGION: 'eu-central-1',
    });
    await next();
    await next();
    delete process.env['ADJOIN_TEST_SECRET'];
    expect(JSON.parse((await log()).split('\n')[0] ?? '')).toEqual(['PATH', 'AWS_REGION']);
  });
});
