import { ServiceFailure } from './failure.ts';

export interface Page<T> {
  items: T[];
  /** Present when more follow. */
  next: string | undefined;
}

/**
 * One page of `items`. The token is the key of the last item given out, so that a page stays right when items before it
 * come and go; `key` must be unique and `items` in the order of it.
 */
export function page<T>(
  items: readonly T[],
  key: (item: T) => string,
  token: string | undefined,
  size: number,
  invalidToken: string,
): Page<T> {
  const last = token === undefined ? undefined : decode(token, invalidToken);
  const ordered = items.toSorted((a, b) => compare(key(a), key(b)));
  const rest = last === undefined ? ordered : ordered.filter((item) => compare(key(item), last) > 0);
  const given = rest.slice(0, size);
  const end = given.at(-1);
  return {
    items: given,
    next: rest.length > given.length && end !== undefined ? encode(key(end)) : undefined,
  };
}

const mark = 'page:';

function encode(key: string): string {
  return Buffer.from(mark + key).toString('base64url');
}

function decode(token: string, invalidToken: string): string {
  const text = Buffer.from(token, 'base64url').toString();
  if (!text.startsWith(mark)) throw new ServiceFailure(invalidToken, 'The specified token is not valid.');
  return text.slice(mark.length);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
