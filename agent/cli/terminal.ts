/** Where a command writes: answers to the output, explanations and questions to the error output. */
export interface Terminal {
  out(text: string): void;
  err(text: string): void;
  /** Whether it shows colours, and nobody said NO_COLOR. @default false */
  readonly colors?: boolean;
  /** Whether the error output is a terminal, so that a line can be written over. @default false */
  readonly isLive?: boolean;
  /** Calls back when the output can no longer be written: its reader has closed it. */
  onClosed(listener: () => void): void;
}

export const processTerminal: Terminal = {
  colors: process.stdout.isTTY && process.stdout.hasColors(),
  isLive: process.stderr.isTTY,
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  onClosed: (listener) => void process.stdout.on('error', listener),
};
