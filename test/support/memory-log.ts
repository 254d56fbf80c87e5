/** Logs for tests. As with the agent's own, a log made by `with` puts its fields on every line. */
import { inspect } from 'node:util';
import type { Fields, Log } from '../../agent/log.ts';

export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly event: string;
  readonly fields: Fields;
}

/** As the agent's own, it takes little memory. */
class HandingOn implements Log {
  readonly #write: (line: LogLine) => void;
  readonly #carried: Fields;

  constructor(write: (line: LogLine) => void, carried: Fields) {
    this.#write = write;
    this.#carried = carried;
  }

  debug(event: string, fields?: Fields): void {
    this.#hand('debug', event, fields);
  }

  info(event: string, fields?: Fields): void {
    this.#hand('info', event, fields);
  }

  warn(event: string, fields?: Fields): void {
    this.#hand('warn', event, fields);
  }

  error(event: string, fields?: Fields): void {
    this.#hand('error', event, fields);
  }

  with(fields: Fields): Log {
    return new HandingOn(this.#write, { ...this.#carried, ...fields });
  }

  #hand(level: LogLine['level'], event: string, fields: Fields | undefined): void {
    this.#write({ level, event, fields: { ...this.#carried, ...fields } });
  }
}

/** A log that hands on each line. */
export const logTo = (write: (line: LogLine) => void): Log => new HandingOn(write, {});

export interface MemoryLog extends Log {
  readonly lines: LogLine[];
}

export function createMemoryLog(): MemoryLog {
  const lines: LogLine[] = [];
  return Object.assign(
    logTo((line) => void lines.push(line)),
    { lines },
  );
}

/** For a test that says nothing about the log. */
export const silentLog: Log = logTo(() => undefined);

/** The whole of a line, errors with their causes and stacks: nothing that was logged is left out. */
export const textOf = ({ level, event, fields }: LogLine): string =>
  `${level} ${event} ${inspect(fields, { depth: Infinity, breakLength: Infinity, maxStringLength: Infinity })}`;
