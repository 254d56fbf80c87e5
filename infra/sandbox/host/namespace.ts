import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, mkdir, readFile, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { openForwards } from './forward.ts';

/**
 * The outer namespace: new mount, network and PID namespaces around everything that runs. Its end is the kernel's work,
 * so nothing is left on the host however this process ends:
 *
 *   this process ── dies ──▶ setpriv's parent-death signal kills unshare ──▶ --kill-child kills PID 1 ──▶ all inside die
 *
 * The lock on `.sandbox/lock` is a flock that unshare and the namespace's PID 1 inherit: it is held as long as they live.
 */
export interface Outer {
  /** Resolves with the command's exit code, or 137 if it was killed. */
  readonly exited: Promise<number>;
  /** Asks the command to end (SIGTERM), gives it `stopLimitMs`, then leaves it to the kernel. */
  stop(): void;
  /** Kills everything inside at once. */
  kill(): void;
  /** The terminal's size has changed. */
  resize(): void;
}

export interface NamespaceOptions {
  /** The command to run inside, in the clone. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly image: string;
  readonly desk?: string | undefined;
  /** Names of loopback ports that lead into the namespace. */
  readonly forwards: readonly string[];
}

/** What the namespace's processes are told about their ground, as JSON in `SANDBOX_GROUND`. */
export interface GroundFacts {
  /** The machine image's directory. */
  readonly image: string;
  /** What lies over the image on an operator's desk, where it was asked for. */
  readonly desk?: string | undefined;
  /** A tmpfs that ends with the namespace. */
  readonly runtime: string;
  /** The host's loopback port of each forward. */
  readonly ports: Readonly<Record<string, number>>;
}

/** A second run wants the sandbox while the first one has it. */
export class SandboxBusyError extends Error {
  constructor(holder: string) {
    super(
      `Another sandbox is running from this clone${holder === '' ? '' : ` (process ${holder})`}. Stop it first, or wait.`,
    );
    this.name = 'SandboxBusyError';
  }
}

/** A sandbox of six instances drains in three seconds; what takes five times that hangs. */
export const stopLimitMs = 15_000;
/** A run whose npm was just killed tidies up for two seconds (bootstrap.mjs) before it lets go of the lock. In seconds. */
const lockWaitSeconds = 4;
/** EX_TEMPFAIL: what flock answers when the lock is taken. A command may end with it as well. */
const busyCode = 75;
const killedCode = 137;

/** Must be called with the clone as the current directory, as root. Rejects with SandboxBusyError when another run has it. */
export async function enterNamespace(options: NamespaceOptions): Promise<Outer> {
  await mkdir('.sandbox', { recursive: true, mode: 0o755 });
  await giveToOwner('.sandbox');
  // Asked first, because a port is only worth remembering when this run is the one that serves it.
  if (!(await lockIsFree())) throw new SandboxBusyError(await lockHolder());
  const forwards = await openForwards(options.forwards);
  const facts: GroundFacts = {
    image: options.image,
    desk: options.desk,
    runtime: join(process.cwd(), '.sandbox', 'run'),
    ports: Object.fromEntries(forwards.map(({ name, port }) => [name, port])),
  };

  const child = spawn(
    'flock',
    [
      '--timeout',
      String(lockWaitSeconds),
      '--conflict-exit-code',
      String(busyCode),
      '--no-fork',
      '.sandbox/lock',
      'setpriv',
      '--pdeathsig',
      'KILL',
      'unshare',
      '--mount',
      '--net',
      '--pid',
      '--fork',
      '--kill-child',
      '--mount-proc',
      '--propagation=private',
      'sh',
      join(import.meta.dirname, 'init.sh'),
      String(process.pid),
      ...options.argv,
    ],
    {
      // a session of its own: Ctrl-C reaches this process alone, which passes it on once
      detached: true,
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      env: { ...options.env, SANDBOX_GROUND: JSON.stringify(facts) },
    },
  );

  child.on('message', (message) => {
    const inner = pidAsked(message);
    if (inner === undefined) return;
    void hostPid(child.pid ?? 0, inner).then((pid) =>
      child.send({ innerPid: inner, hostPid: pid ?? null }, () => {}),
    );
  });

  // PID 1 passes it on to the command; unshare itself would only die of it.
  const signalInit = async (signal: NodeJS.Signals) => {
    const init = await initOf(child.pid ?? 0);
    if (init === undefined) throw new Error('the namespace has no process');
    process.kill(init, signal);
  };
  let stopping = false;
  const kill = () => {
    child.kill('SIGKILL');
  };
  const { promise: exited, resolve, reject } = Promise.withResolvers<number>();
  child.on('error', reject);
  child.on('exit', (code) => {
    for (const forward of forwards) forward.close();
    if (code !== busyCode) resolve(code ?? killedCode);
    // Whoever has the lock writes its name there before anything runs: ours is there only if flock let us in.
    else
      void lockHolder().then((holder) =>
        holder === String(process.pid) ? resolve(code) : reject(new SandboxBusyError(holder)),
      );
  });

  return {
    exited,
    stop() {
      if (stopping) return;
      stopping = true;
      void signalInit('SIGTERM').catch(kill);
      setTimeout(kill, stopLimitMs).unref();
    },
    kill,
    resize: () => void signalInit('SIGWINCH').catch(() => {}),
  };
}

/**
 * Removes what a run left in `.sandbox`, but for the lock, the remembered ports and the names to keep. Done under the
 * lock: when another run has it already, that run has swept up before it began.
 */
export async function sweepUp(keep: readonly string[]): Promise<void> {
  const spared = ['lock', 'ports.json', ...keep].flatMap((name) => ['!', '-name', name]);
  const sweep = [
    'find',
    '.sandbox',
    '-mindepth',
    '1',
    '-maxdepth',
    '1',
    ...spared,
    '-exec',
    'rm',
    '-rf',
    '{}',
    '+',
  ];
  const child = spawn('flock', ['--timeout', String(lockWaitSeconds), '.sandbox/lock', ...sweep], {
    stdio: 'ignore',
  });
  await once(child, 'exit');
}

async function lockIsFree(): Promise<boolean> {
  const child = spawn('flock', ['--timeout', String(lockWaitSeconds), '.sandbox/lock', 'true'], {
    stdio: 'ignore',
  });
  const [code] = await once(child, 'exit');
  return code === 0;
}

/** The process ID of the run that has the lock, or had it last; empty when there was none. */
async function lockHolder(): Promise<string> {
  return readFile('.sandbox/lock', 'utf8').then(
    (pid) => pid.trim(),
    () => '',
  );
}

/** When sudo brought us here, the caller keeps what lies in the clone. */
export async function giveToOwner(path: string, mode?: number): Promise<void> {
  const { SUDO_UID: uid, SUDO_GID: gid } = process.env;
  if (uid !== undefined && gid !== undefined) await chown(path, Number(uid), Number(gid));
  if (mode !== undefined) await chmod(path, mode);
}

function pidAsked(message: unknown): number | undefined {
  if (typeof message !== 'object' || message === null || !('askPid' in message)) return undefined;
  return typeof message.askPid === 'number' ? message.askPid : undefined;
}

/** The namespace's PID 1 as the host sees it: unshare's only child. Undefined when the namespace is gone. */
async function initOf(unsharePid: number): Promise<number | undefined> {
  const children = await orNothing(readFile(`/proc/${unsharePid}/task/${unsharePid}/children`, 'utf8'));
  const pid = Number(children?.trim().split(' ')[0]);
  return pid > 0 ? pid : undefined;
}

/** The process ID on the host of a process that the namespace knows as `inner`; undefined when either is gone. */
export async function hostPid(unsharePid: number, inner: number): Promise<number | undefined> {
  const init = await initOf(unsharePid);
  const namespace = await orNothing(readlink(`/proc/${init}/ns/pid`));
  if (namespace === undefined) return undefined;
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    if ((await orNothing(readlink(`/proc/${name}/ns/pid`))) !== namespace) continue;
    const status = await orNothing(readFile(`/proc/${name}/status`, 'utf8'));
    if (status !== undefined && lastPid(status) === inner) return Number(name);
  }
  return undefined;
}

/** A process may end at any time, and what the kernel says of it goes with it. */
async function orNothing(look: Promise<string>): Promise<string | undefined> {
  return look.catch(() => undefined);
}

/** The process ID in the innermost namespace, from `/proc/PID/status`. */
export function lastPid(status: string): number | undefined {
  const pids = /^NSpid:\s*([\d\s]+)$/m.exec(status)?.[1]?.trim().split(/\s+/);
  return pids === undefined ? undefined : Number(pids.at(-1));
}
