/** Jest's command line, and what its own report says. */
import { readFile } from 'node:fs/promises';
import { stripVTControlCharacters } from 'node:util';

/** The pinned Node, with what Jest's native modules need. */
export const jest = [
  process.execPath,
  '--experimental-vm-modules',
  '--disable-warning=ExperimentalWarning',
  'node_modules/jest/bin/jest.js',
];

/** How many tests did what. */
export interface Count {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** One test file of a run. */
export interface FileResult {
  /** Relative to the clone. */
  readonly file: string;
  readonly seconds: number;
  readonly count: Count;
  /** What its first failed test, or the file itself, said: that of a `beforeAll` is the same for all tests. */
  readonly said?: string;
}

export const none: Count = { passed: 0, failed: 0, skipped: 0 };

export function sum(counts: readonly Count[]): Count {
  const of = (key: keyof Count): number => counts.reduce((total, count) => total + count[key], 0);
  return { passed: of('passed'), failed: of('failed'), skipped: of('skipped') };
}

/** What a run's report says of each file; nothing when it wrote none. A file that can't be loaded has one failed test. */
export async function readReport(file: string): Promise<FileResult[]> {
  let report: unknown;
  try {
    report = JSON.parse(await readFile(file, 'utf8'));
  } catch {
    return [];
  }
  return listAt(report, 'testResults').map((each) => {
    const statuses = listAt(each, 'assertionResults').map((test) => at(test, 'status'));
    const count = (...names: string[]): number =>
      statuses.filter((status) => typeof status === 'string' && names.includes(status)).length;
    const failed = count('failed');
    const couldNotRun = failed === 0 && at(each, 'status') === 'failed';
    const [said] = listAt(each, 'assertionResults').flatMap((test) => listAt(test, 'failureMessages'));
    const why = said ?? (couldNotRun ? at(each, 'message') : undefined);
    return {
      file: String(at(each, 'name')).replace(`${process.cwd()}/`, ''),
      seconds: (Number(at(each, 'endTime')) - Number(at(each, 'startTime'))) / 1000,
      count: {
        passed: count('passed'),
        failed: couldNotRun ? 1 : failed,
        skipped: count('pending', 'skipped', 'todo', 'disabled'),
      },
      ...(typeof why === 'string' && { said: stripVTControlCharacters(why) }),
    };
  });
}

function at(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
}

function listAt(value: unknown, key: string): readonly unknown[] {
  const list = at(value, key);
  return Array.isArray(list) ? list : [];
}
