/**
 * The cases that a run of everything plays: those at the front, which stand for the others. The layer or the file alone, and
 * `npm run test:deep`, play all.
 */
export function slice<T>(cases: readonly T[], few: number): readonly T[] {
  return isThin() ? cases.slice(0, few) : cases;
}

/** The same where no case stands for another: one in so many, spread over all of them. */
export function sample<T>(cases: readonly T[], oneIn: number): readonly T[] {
  return isThin() ? cases.filter((_, index) => index % oneIn === 0) : cases;
}

/** Declares tests that a run of everything leaves out: other ones stand for their promise there. */
export function unlessThin(declare: () => void): void {
  if (!isThin()) declare();
}

function isThin(): boolean {
  return process.env['THIN_SLICE'] !== undefined;
}
