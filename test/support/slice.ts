/**
 * The cases that a run of everything plays: those at the front, which stand for the others. The layer or the file alone, and
 * `npm run test:deep`, play all.
 */
export function slice<T>(cases: readonly T[], few: number): readonly T[] {
  return process.env['THIN_SLICE'] !== undefined ? cases.slice(0, few) : cases;
}
