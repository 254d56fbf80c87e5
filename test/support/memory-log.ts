/** Logs for tests. As with the agent's own, a log made by `with` puts its fields on every line. */
import { inspect } from 'node:util';
import type { Fields, Log } from '../../agent/log.ts';

export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly event: string;
  readonly fields: Fields;
}

/** A log that hands on each line. */
export function logTo(write: (line: LogLine) => void, carried: Fields = {}): Log {
  const at =
    (level: LogLine['level']) =>
    (event: string, fields: Fields = {}): void =>
      write({ level, event, fields: { ...carried, ...fields } });
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    with: (fields) => logTo(write, { ...carried, ...fields }),
  };
}

export interface MemoryLog extends Log {
  readonly lines: LogLine[];
}

export function createMemoryLog(): MemoryLog {
  const lines: LogLine[] = [];
  return { ...logTo((line) => void lines.push(line)), lines };
}

/** For a test that says nothing about the log. */
export const silentLog: Log = logTo(() => undefined);

/** The whole of a line, errors with their causes and stacks: nothing that was logged is left out. */
export const textOf = ({ level, event, fields }: LogLine): string =>
  `${level} ${event} ${inspect(fields, { depth: Infinity, breakLength: Infinity, maxStringLength: Infinity })}`;
