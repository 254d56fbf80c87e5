import { ServiceFailure } from '../failure.ts';

/** A page that says it. */
export interface Source {
  readonly title: string;
  readonly url: string;
}

/**
 * One documented limit of a service. The emulated operations refuse what is beyond it, and so does the deployment of a stack where
 * a resource has no operations here.
 */
export interface Limit {
  /** What is limited, unique among all limits. */
  readonly what: string;
  /** Of a number, or of a text's length in characters, unless `unit` says otherwise. */
  readonly least?: number;
  readonly most?: number;
  readonly unit?: 'bytes';
  /** What a whole text has to match. */
  readonly pattern?: RegExp;
  readonly source: Source;
  readonly refusal: Refusal;
}

/** How the service refuses. */
export interface Refusal {
  readonly code: string;
  /** HTTP status, where it is not 400. */
  readonly status?: number;
  /** The message; `given` is the value, or how much of it there is. */
  readonly words: (given: string | number) => string;
  /** Where these words of the service were read. Without it they were not found, and are this emulator's. */
  readonly seen?: Source;
}

/** The refusal of a value that is beyond the limit. */
export function beyond(limit: Limit, value: string | number): ServiceFailure | undefined {
  const { least = -Infinity, most = Infinity, pattern, unit, refusal } = limit;
  const size = typeof value === 'number' ? value : unit === 'bytes' ? Buffer.byteLength(value) : value.length;
  const fits = size >= least && size <= most && (pattern === undefined || pattern.test(String(value)));
  if (fits) return undefined;
  const given = typeof value === 'string' && pattern === undefined ? size : value;
  return new ServiceFailure(refusal.code, refusal.words(given), refusal.status);
}

/** @throws ServiceFailure in the service's words */
export function enforce(limit: Limit, value: string | number): void {
  const failure = beyond(limit, value);
  if (failure) throw failure;
}
