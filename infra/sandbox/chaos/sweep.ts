/** The sweep as an operator would run it, and what it says that it found. */
import type { Sandbox } from '../inside/sandbox.ts';
import { runProcess } from '../machine/process.ts';
import type { Clock } from '../clock.ts';

export interface SweepOutcome {
  readonly code: number | null;
  /** What it printed. */
  readonly text: string;
}

const sweepLimitMs = 90_000;
const busyExitCode = 75;
/** A worker's own sweep may be under way: it takes seconds, and a minute where much is left on a busy machine. */
const busyLimitMs = 120_000;
const busyPauseMs = 3_000;

/** One sweep as the first worker. @returns its outcome, which says `busy` only where the workers' own did not end */
export function sweepOnce(sandbox: Sandbox, clock: Clock, signal: AbortSignal): Promise<SweepOutcome> {
  const [program, file, ...config] = sandbox.agentCommand;
  return unlessBusy(
    async () => {
      const { code, stdout, stderr } = await runProcess([program, file ?? '', 'sweep', ...config], {
        env: sandbox.agentEnvironment,
        timeoutMs: sweepLimitMs,
      });
      return { code, text: stdout + stderr };
    },
    clock,
    signal,
  );
}

/** Sweeps again for as long as a worker is sweeping. */
export async function unlessBusy(
  sweep: () => Promise<SweepOutcome>,
  clock: Clock,
  signal: AbortSignal,
): Promise<SweepOutcome> {
  const deadline = clock.now() + busyLimitMs;
  for (;;) {
    const outcome = await sweep();
    if (outcome.code !== busyExitCode || clock.now() >= deadline) return outcome;
    await clock.sleep(busyPauseMs, signal);
  }
}

const saidWhat =
  /(\d+) accounts? and (\d+) memberships? examined: (\d+) removed, (\d+) kept, (\d+) reported, (\d+) errors?\./;

export interface SweepFindings {
  readonly accounts: number;
  readonly memberships: number;
  /** Removed, kept, reported, or an error. */
  readonly found: number;
}

/** Undefined when it does not say what it found. */
export function findingsOf({ text }: SweepOutcome): SweepFindings | undefined {
  const said = saidWhat.exec(text.replaceAll(/\s+/g, ' '))?.slice(1).map(Number);
  if (!said) return undefined;
  const [accounts = 0, memberships = 0, ...found] = said;
  return { accounts, memberships, found: found.reduce((sum, each) => sum + each, 0) };
}
