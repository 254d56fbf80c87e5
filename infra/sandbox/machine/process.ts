import { spawn } from 'node:child_process';

/** What became of a process. Output is text, each stream cut after `outputLimit` characters. */
export interface Outcome {
  /** The exit code; null when a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** It ran longer than it was allowed to and was killed. */
  readonly timedOut: boolean;
}

export interface ProcessOptions {
  /** Written to standard input, which is then closed. The way for secrets: never argv, never the environment. */
  readonly input?: string;
  readonly cwd?: string;
  /** The whole environment; nothing of the caller's is inherited. */
  readonly env?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
  /** Kills the process group at once. The outcome then has code null. */
  readonly signal?: AbortSignal;
}

/** Where Debian and Ubuntu keep every command that is used here. */
export const systemPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** More than Run Command keeps (24,000 characters), so that what it cuts is still seen to be cut. */
const outputLimit = 262_144;

/** A child that left its output to a daemon never closes it; what was written before it exited is read in this time. */
const drainMs = 200;

/**
 * Runs a program in a process group of its own and collects what it prints. Time-out and abort kill that group hard;
 * processes that left it (daemons) live on. Rejects only when the program can't be started.
 */
export function runProcess(argv: readonly string[], options: ProcessOptions = {}): Promise<Outcome> {
  const { promise, resolve, reject } = Promise.withResolvers<Outcome>();
  const [program = '', ...rest] = argv;
  const child = spawn(program, rest, {
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { PATH: systemPath, ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });

  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8');
    child[name].on('data', (text: string) => {
      const room = outputLimit - output[name].length;
      if (room > 0) output[name] += text.slice(0, room);
    });
  }

  const killGroup = () => {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      // gone already
    }
  };
  let timedOut = false;
  const timer =
    options.timeoutMs === undefined
      ? undefined
      : setTimeout(() => {
          timedOut = true;
          killGroup();
        }, options.timeoutMs);
  options.signal?.addEventListener('abort', killGroup);
  if (options.signal?.aborted) killGroup();

  child.on('error', reject);
  child.on('exit', (code) => {
    clearTimeout(timer);
    options.signal?.removeEventListener('abort', killGroup);
    const drained = setTimeout(() => {
      child.stdout.destroy();
      child.stderr.destroy();
    }, drainMs);
    child.on('close', () => {
      clearTimeout(drained);
      resolve({ code, ...output, timedOut });
    });
  });
  // A program that doesn't read its input closes it under us.
  child.stdin.on('error', () => {});
  child.stdin.end(options.input ?? '');
  return promise;
}

/** Runs a program that has to succeed; an Error names it and says what it printed. */
export async function mustRun(argv: readonly string[], options: ProcessOptions = {}): Promise<string> {
  const { code, stdout, stderr, timedOut } = await runProcess(argv, options);
  if (code !== 0) {
    const how = timedOut ? `ran longer than ${options.timeoutMs} ms` : `ended with ${code ?? 'a signal'}`;
    throw new Error(`${argv.join(' ')}: ${how}: ${(stderr.trim() || stdout.trim()).slice(-2_000)}`);
  }
  return stdout;
}
