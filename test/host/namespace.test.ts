/** What the outer namespace promises to the host, seen from the host. Needs root; `npm test` runs it after the image is built. */
import { afterEach, describe, expect, test } from '@jest/globals';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';

const unavailable = process.env['SANDBOX_UNAVAILABLE'];
if (unavailable !== undefined && (process.env['CI'] ?? '') !== '') {
  throw new Error(`The host tests can't run, and must in CI: ${unavailable}`);
}
const describeHost = unavailable === undefined ? describe : describe.skip;

const program = ['infra/sandbox/host/main.ts', 'inside'];
const started: ChildProcess[] = [];

/** A run that says `ready` inside, then stays. */
async function startRun(): Promise<ChildProcess> {
  const child = spawn(process.execPath, [...program, 'sh', '-c', 'echo ready; exec sleep 1000'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  started.push(child);
  await once(child.stdout, 'data');
  return child;
}

/** Polls, because the kernel takes its time; never longer than ten seconds. */
async function eventually(condition: () => boolean): Promise<boolean> {
  for (let tries = 0; tries < 100; tries += 1) {
    if (condition()) return true;
    await wait(100);
  }
  return condition();
}

const ownNamespace = readlinkSync('/proc/self/ns/pid');

/** Processes of other PID namespaces that work in this clone. */
function inside(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return (
          readlinkSync(`/proc/${pid}/ns/pid`) !== ownNamespace &&
          readlinkSync(`/proc/${pid}/cwd`) === process.cwd()
        );
      } catch {
        return false;
      }
    })
    .map(Number);
}

const mounts = (): string => readFileSync('/proc/self/mountinfo', 'utf8');
const links = (): string => spawnSync('ip', ['-o', 'link'], { encoding: 'utf8' }).stdout;

afterEach(async () => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
  await eventually(() => inside().length === 0);
});

describeHost(`a run of the sandbox${unavailable === undefined ? '' : ` [${unavailable}]`}`, () => {
  test('leaves nothing on the host when it is killed outright, and the next one starts', async () => {
    const before = { mounts: mounts(), links: links() };
    const first = await startRun();
    expect(inside().length).toBeGreaterThan(0);
    expect({ mounts: mounts(), links: links() }).toEqual(before);
    first.kill('SIGKILL');
    expect(await eventually(() => inside().length === 0)).toBe(true);
    expect({ mounts: mounts(), links: links() }).toEqual(before);
    const second = await startRun();
    expect(second.exitCode).toBeNull();
  }, 60_000);

  test('refuses a second one while it lasts, and names the first', async () => {
    const first = await startRun();
    const second = spawnSync(process.execPath, [...program, 'true'], { encoding: 'utf8' });
    expect(second.status).toBe(1);
    expect(second.stderr).toContain(`Another sandbox is running from this clone (process ${first.pid})`);
  }, 60_000);

  test('ends on SIGTERM with everything in it', async () => {
    const run = await startRun();
    run.kill('SIGTERM');
    await once(run, 'exit');
    expect(await eventually(() => inside().length === 0)).toBe(true);
  }, 60_000);

  // 75 is what a second run is told when the lock is taken.
  test.each([7, 75])(
    'answers with the exit code %i of its command',
    (code) => {
      const run = spawnSync(process.execPath, [...program, 'sh', '-c', `exit ${code}`], { encoding: 'utf8' });
      expect(run.status).toBe(code);
      expect(run.stderr).not.toContain('Another sandbox');
    },
    60_000,
  );

  test('without root or sudo says what is missing, and changes nothing', () => {
    const state = (): string[] => readdirSync('.').toSorted();
    const before = state();
    const run = spawnSync(
      'setpriv',
      [
        '--reuid=65534',
        '--regid=65534',
        '--clear-groups',
        process.execPath,
        'infra/sandbox/bootstrap.mjs',
        'start',
      ],
      { encoding: 'utf8' },
    );
    expect(run.status).toBe(1);
    expect(run.stderr).toContain('Nothing was changed');
    expect(run.stderr).toContain('It needs root');
    expect(state()).toEqual(before);
  }, 60_000);
});
