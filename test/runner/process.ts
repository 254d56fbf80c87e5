/** Programs that the runner starts, and their end together with its own. */
import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import { once } from 'node:events';

const running = new Set<ChildProcess>();
/** What a person or a supervisor ends a run with. */
const stopSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
let stoppedBy: NodeJS.Signals | undefined;

/** From now on a signal that stops the runner reaches what it has started. It ends when they have: nothing is left behind. */
export function passSignals(): void {
  for (const signal of stopSignals) {
    process.on(signal, () => {
      // A second one is a person's who does not want to wait.
      const passed = stoppedBy === undefined ? signal : 'SIGKILL';
      stoppedBy = signal;
      for (const child of running) child.kill(passed);
    });
  }
}

/** Whether the run was told to stop: what would come next must not start. */
export function isStopped(): boolean {
  return stoppedBy !== undefined;
}

const failureCode = 1;

function start(argv: readonly string[], stdio: StdioOptions): ChildProcess {
  const [program = '', ...rest] = argv;
  const child = spawn(program, rest, { stdio });
  running.add(child);
  child.on('exit', () => running.delete(child));
  return child;
}

/** Runs a program whose output is the runner's. @returns its exit code */
export async function run(argv: readonly string[]): Promise<number> {
  if (isStopped()) return failureCode;
  const [code] = await once(start(argv, ['ignore', 'inherit', 'inherit']), 'exit');
  return typeof code === 'number' ? code : failureCode;
}

/** Runs a program, and keeps what it says for when it has ended. */
export async function capture(argv: readonly string[]): Promise<{ code: number; output: string }> {
  if (isStopped()) return { code: failureCode, output: 'stopped' };
  const child = start(argv, ['ignore', 'pipe', 'pipe']);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8');
    stream?.on('data', (text: string) => (output += text));
  }
  const [code] = await once(child, 'close');
  return { code: typeof code === 'number' ? code : failureCode, output };
}
