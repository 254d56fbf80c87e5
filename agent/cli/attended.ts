/** What a command needs that a person waits for: a log beside its answer, and an end when it is interrupted. */
import { systemClock } from '../clock.ts';
import type { Config } from '../config.ts';
import { createLog, type Log } from '../log.ts';
import type { Redactor } from '../redact.ts';
import type { Terminal } from './terminal.ts';

/** The answer goes to the output, so the log goes to the error output. */
export const logBeside = (level: Config['logLevel'], redactor: Redactor, terminal: Terminal): Log =>
  createLog({
    level,
    redactor,
    write: (line) => terminal.err(line),
    now: () => systemClock.now(),
  });

/**
 * Does the work under a signal that SIGTERM and SIGINT abort.
 * @param reason of the signal
 */
export async function untilInterrupted<T>(
  reason: () => Error,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const stopping = new AbortController();
  const stop = (): void => stopping.abort(reason());
  process.on('SIGTERM', stop).on('SIGINT', stop);
  try {
    return await work(stopping.signal);
  } finally {
    process.off('SIGTERM', stop).off('SIGINT', stop);
  }
}
