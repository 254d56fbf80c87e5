/** A command that a person waits for, and may interrupt. What it says of secrets goes through a redactor. */
import { untilInterrupted } from '../cli/attended.ts';
import { EXIT } from '../cli/exit.ts';
import type { Terminal } from '../cli/terminal.ts';
import { AdjoinError } from '../errors.ts';
import type { Redactor } from '../redact.ts';

/**
 * Does the work under a signal that an interruption aborts, and says why it failed.
 * @param whenStopped what to know after an interruption
 * @returns the exit code
 */
export async function attend(
  terminal: Terminal,
  whenStopped: () => string,
  work: (signal: AbortSignal) => Promise<number>,
): Promise<number> {
  try {
    return await untilInterrupted(() => new AdjoinError('draining', whenStopped()), work);
  } catch (error) {
    if (!(error instanceof AdjoinError)) throw error;
    // The hint of this code is for workers.
    const { code, hint, message } = error;
    terminal.err(code === 'draining' ? `\n${message}\n` : `${code}: ${message}\n${hint}\n`);
    return EXIT.failed;
  }
}

export const redacted = (terminal: Terminal, redactor: Redactor): Terminal => ({
  ...terminal,
  out: (text) => terminal.out(redactor.clean(text)),
  err: (text) => terminal.err(redactor.clean(text)),
  onClosed: (listener) => terminal.onClosed(listener),
});
