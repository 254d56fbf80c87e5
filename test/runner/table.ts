/** The table at the end of a run. */
import { none, sum, type Count, type FileResult } from './jest.ts';

/** One check, or one layer of tests. */
export interface Part {
  readonly title: string;
  readonly passed: boolean;
  /** From its start to its end. */
  readonly seconds: number;
  /** A layer's test files. */
  readonly files?: readonly FileResult[];
}

/** A layer that tested nothing has not passed. */
export function layerPart(
  title: string,
  run: { readonly passed: boolean; readonly seconds: number; readonly files: readonly FileResult[] },
): Part {
  const { passed, failed, skipped } = countOf(run.files);
  return { title, ...run, passed: run.passed && failed === 0 && passed + skipped > 0 };
}

const countOf = (files: readonly FileResult[]): Count => sum(files.map(({ count }) => count));

const slowestShown = 3;
const width = 80;
const fileWidth = 36;

/** The end of a long path says more than its beginning. */
const cut = (path: string): string => (path.length <= fileWidth ? path : `…${path.slice(1 - fileWidth)}`);

const linesShown = 6;
const lineShown = 200;

/** A long run scrolls what a failure said out of sight, and a build server may keep the end alone. */
const beginning = (text: string): string[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .slice(0, linesShown)
    .map((line) => (line.length <= lineShown ? line : `${line.slice(0, lineShown - 1)}…`));

/**
 * What was run, how long it took, and the line that counts all tests.
 * @param unavailable why tests were skipped
 */
export function closing(parts: readonly Part[], unavailable: string | undefined): string[] {
  const head = `${'  layer'.padEnd(16)}${'tests'.padStart(8)}${'seconds'.padStart(10)}   slowest files`;
  const rows = parts.flatMap(({ title, passed, seconds, files }) => {
    const { passed: ok, failed, skipped } = files ? countOf(files) : none;
    const tests = files ? String(ok + failed + skipped) : '';
    const lead = `${passed ? '✔' : '✘'} ${title.padEnd(14)}${tests.padStart(8)}${seconds.toFixed(1).padStart(10)}`;
    const slowest = (files ?? [])
      .toSorted((one, other) => other.seconds - one.seconds)
      .slice(0, slowestShown)
      .map((each) => `${cut(shorter(each.file, title))} ${each.seconds.toFixed(1)}`);
    const [first = '', ...others] = slowest;
    return [`${lead}   ${first}`, ...others.map((line) => `${' '.repeat(lead.length)}   ${line}`)].map(
      (line) => line.trimEnd().slice(0, width),
    );
  });
  const failures = parts
    .flatMap(({ files }) => files ?? [])
    .filter(({ count }) => count.failed > 0)
    .flatMap(({ file, count, said }) => [
      `✘ ${file}: ${count.failed} failed`,
      ...beginning(said ?? '').map((line) => `    ${line}`),
    ]);
  const all = sum(parts.map(({ files }) => countOf(files ?? [])));
  return [
    '',
    head,
    ...rows,
    ...(failures.length > 0 ? ['', ...failures] : []),
    ...(all.skipped > 0 ? ['', `${all.skipped} tests skipped: ${unavailable ?? 'see above'}`] : []),
    '',
    `tests: ${all.passed} passed, ${all.failed} failed, ${all.skipped} skipped`,
  ];
}

const shorter = (file: string, layer: string): string =>
  file.replace(`test/${layer}/`, '').replace(/\.test\.ts$/, '');
