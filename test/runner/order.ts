/** Which test files on a real domain go first, and which go side by side. */
import { basename } from 'node:path';

/** Keeps two processors busy by itself: it runs alone, and first. */
const alone = 'crash-points';
/** Each takes a processor for minutes: never two of them at once, and as early as possible. */
const heavy: readonly string[] = ['chaos', 'documents'];
/** The long ones of the others, so that none of them is what all wait for at the end. */
const longestFirst = [alone, ...heavy, 'two-controllers', 'trouble', 'credential', 'directory', 'domain'];

export const nameOf = (file: string): string => basename(file, '.test.ts');

function rank(file: string): number {
  const place = longestFirst.indexOf(nameOf(file));
  return place < 0 ? longestFirst.length : place;
}

/** The order in which they should begin. */
export function inOrder(files: readonly string[]): string[] {
  return files.toSorted((one, other) => rank(one) - rank(other));
}

/** Takes out of those that wait the first that may begin beside those that run, if there is one. */
export function take(waiting: string[], running: readonly string[]): string | undefined {
  const beside = new Set(running.map(nameOf));
  if (beside.has(alone)) return undefined;
  const isHeavyRunning = heavy.some((name) => beside.has(name));
  const mayBegin = (name: string): boolean =>
    name === alone ? beside.size === 0 : !(isHeavyRunning && heavy.includes(name));
  const index = waiting.findIndex((file) => mayBegin(nameOf(file)));
  return index < 0 ? undefined : waiting.splice(index, 1)[0];
}
