/** Structured logs: one JSON object a line, secrets redacted, a correlation ID carried by child logs. */
import { Writable } from 'node:stream';
import winston from 'winston';
import { AdjoinError, asAdjoinError } from './errors.ts';
import type { Redactor } from './redact.ts';

export type Fields = Readonly<Record<string, unknown>>;

/** A log of events. An event is a short constant sentence; what varies stands in its fields. */
export interface Log {
  debug(event: string, fields?: Fields): void;
  info(event: string, fields?: Fields): void;
  warn(event: string, fields?: Fields): void;
  error(event: string, fields?: Fields): void;
  /** A log whose every line carries these fields, too. */
  with(fields: Fields): Log;
}

/** Field names whose value is never printed, whatever it is. */
const SECRET_NAME = /password|secret(?!Id)|credential$|privatekey/i;

function printable(name: string, value: unknown): unknown {
  if (SECRET_NAME.test(name) && (typeof value === 'string' || typeof value === 'object') && value !== null)
    return '[redacted]';
  if (value instanceof Error) return describeError(value);
  if (typeof value === 'bigint') return value.toString();
  if (Array.isArray(value)) return value.map((item) => printable(name, item));
  if (typeof value === 'object' && value !== null) return printableFields(value);
  return value;
}

function printableFields(fields: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, printable(name, value)]));
}

/** An error as a log shows it: code, message and hint; the stack only when adjoin has no code for it. */
export function describeError(error: unknown): Record<string, unknown> {
  const known = asAdjoinError(error);
  const cause = known.cause instanceof AdjoinError ? describeError(known.cause) : undefined;
  return {
    code: known.code,
    message: known.message,
    hint: known.hint,
    ...(cause ? { cause } : {}),
    ...(known.code === 'unexpected' && known.cause instanceof Error ? { stack: known.cause.stack } : {}),
  };
}

/**
 * JSON escapes no control character above U+001F, no line separator and no mark that reverses text. Foreign text could
 * move a terminal's cursor with them, or end the line for a reader that is not strict.
 */
function escapeInvisible(json: string): string {
  return json.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (sign) =>
    Array.from({ length: sign.length }, (_, index) => sign.charCodeAt(index))
      .map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`)
      .join(''),
  );
}

export interface LogOptions {
  readonly level: 'error' | 'warn' | 'info' | 'debug';
  readonly redactor: Redactor;
  /** Where the lines go, each with its line feed. */
  readonly write: (line: string) => void;
  readonly now: () => number;
}

export function createLog(options: LogOptions): Log {
  const print = winston.format.printf((info) => {
    const { level, message, ...fields } = info;
    const line = {
      time: new Date(options.now()).toISOString(),
      level,
      event: message,
      ...printableFields(fields),
    };
    // Secrets are looked for as JSON writes them, so what JSON leaves as it is comes last.
    return escapeInvisible(options.redactor.clean(JSON.stringify(line)));
  });
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      options.write(chunk.toString('utf8'));
      done();
    },
  });
  const logger = winston.createLogger({
    level: options.level,
    format: print,
    transports: [new winston.transports.Stream({ stream, eol: '\n' })],
  });
  return new WinstonLog(logger);
}

/** A class, for each of the thousands of actions that wait has one. */
class WinstonLog implements Log {
  readonly #logger: winston.Logger;
  readonly #carried: Fields;

  constructor(logger: winston.Logger, carried: Fields = {}) {
    this.#logger = logger;
    this.#carried = carried;
  }

  debug(event: string, fields?: Fields): void {
    this.#write('debug', event, fields);
  }

  info(event: string, fields?: Fields): void {
    this.#write('info', event, fields);
  }

  warn(event: string, fields?: Fields): void {
    this.#write('warn', event, fields);
  }

  error(event: string, fields?: Fields): void {
    this.#write('error', event, fields);
  }

  /** Not a child of winston's, which has a function of its own. */
  with(fields: Fields): Log {
    return new WinstonLog(this.#logger, { ...this.#carried, ...fields });
  }

  #write(level: string, message: string, fields: Fields | undefined): void {
    this.#logger.log({ ...this.#carried, ...fields, level, message });
  }
}
