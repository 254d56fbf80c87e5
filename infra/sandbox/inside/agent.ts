/**
 * The agent as a process of its own, kept alive as systemd would (`Restart=always`, `RestartSec=1`).
 *
 *   running ── it ends by itself ──▶ waiting ── after the delay ──▶ running     this file
 *   running, waiting ── stop ──▶ stopped                                        caller
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, fchownSync, openSync } from 'node:fs';
import { systemPath } from '../machine/process.ts';

/** How a process ended. */
export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface AgentOptions {
  readonly argv: readonly [string, ...string[]];
  /** The whole environment besides PATH. */
  readonly env: Readonly<Record<string, string>>;
  /** Where standard output and standard error are appended. */
  readonly logFile: string;
  /** Told each process ID, and undefined while the agent is down. */
  readonly onPid: (pid: number | undefined) => void;
  readonly restartDelayMs?: number;
}

export interface Agent {
  pid(): number | undefined;
  /** Every end that was not asked for. */
  readonly deaths: readonly Ending[];
  /** Whether it was told to stop: it is not started again. */
  stopped(): boolean;
  /** Sends a signal and does not wait for what the agent does about it. */
  kill(signal: NodeJS.Signals): void;
  /** SIGTERM, and SIGKILL after the limit; null when it had to be killed. Idempotent; resolves when it is gone. */
  stop(limitMs: number): Promise<Ending | null>;
}

/** systemd's customary pause: a person sees the restart, and a crash loop does not heat the machine. */
const restartDelayMs = 1_000;

export function startAgent(options: AgentOptions): Agent {
  const deaths: Ending[] = [];
  let child: ChildProcess | undefined;
  let timer: NodeJS.Timeout | undefined;
  let stopping: Promise<Ending | null> | undefined;

  const start = (): void => {
    const [program, ...rest] = options.argv;
    // A file, not a pipe: what the agent says last is kept even if this process dies first.
    const log = openSync(options.logFile, 'a', 0o600);
    // Under sudo, the person who called it reads the log.
    const { SUDO_UID: uid, SUDO_GID: gid } = process.env;
    if (uid !== undefined && gid !== undefined) fchownSync(log, Number(uid), Number(gid));
    // A group of its own, so that Ctrl-C at the terminal reaches the agent as the SIGTERM that the sandbox sends.
    const own = spawn(program, rest, {
      env: { PATH: systemPath, ...options.env },
      stdio: ['ignore', log, log],
      detached: true,
    });
    closeSync(log);
    child = own;
    let ended = false;
    const end = (ending: Ending): void => {
      if (ended) return;
      ended = true;
      child = undefined;
      options.onPid(undefined);
      if (stopping) return;
      deaths.push(ending);
      timer = setTimeout(start, options.restartDelayMs ?? restartDelayMs);
    };
    own.once('error', () => end({ code: null, signal: null }));
    own.once('exit', (code, signal) => end({ code, signal }));
    options.onPid(own.pid);
  };

  const stop = async (limitMs: number): Promise<Ending | null> => {
    clearTimeout(timer);
    const own = child;
    if (!own) return deaths.at(-1) ?? null;
    let killed = false;
    const limit = setTimeout(() => {
      killed = true;
      own.kill('SIGKILL');
    }, limitMs);
    const exit = once(own, 'exit');
    own.kill('SIGTERM');
    await exit;
    clearTimeout(limit);
    return killed ? null : { code: own.exitCode, signal: own.signalCode };
  };

  start();
  return {
    pid: () => child?.pid,
    deaths,
    stopped: () => stopping !== undefined,
    kill: (signal) => void child?.kill(signal),
    stop: (limitMs) => (stopping ??= stop(limitMs)),
  };
}
