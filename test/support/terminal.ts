import type { Terminal } from '../../agent/cli/terminal.ts';

/** A terminal that keeps what is written to it, and can be closed by its reader. */
export interface RecordedTerminal extends Terminal {
  readonly written: { readonly out: string; readonly err: string };
  close(): void;
}

/** @param onOut called with each text that goes to the output */
export function recordTerminal(onOut: (text: string) => void = () => undefined): RecordedTerminal {
  const written = { out: '', err: '' };
  const listeners: (() => void)[] = [];
  return {
    written,
    out(text) {
      written.out += text;
      onOut(text);
    },
    err(text) {
      written.err += text;
    },
    onClosed: (listener) => void listeners.push(listener),
    close() {
      for (const listener of listeners) listener();
    },
  };
}
