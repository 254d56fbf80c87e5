import { expect, test } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readReport, type FileResult } from '../../runner/jest.ts';
import { closing, layerPart } from '../../runner/table.ts';

const result = (file: string, seconds: number, passed: number, failed = 0, skipped = 0): FileResult => ({
  file,
  seconds,
  count: { passed, failed, skipped },
});
const unit = layerPart('unit', {
  passed: true,
  seconds: 21.25,
  files: [
    result('test/unit/batch.test.ts', 0.2, 12),
    result('test/unit/aws/clients.test.ts', 8.7, 5),
    result('test/unit/aws/a-name-that-is-longer-than-its-column-can-take.test.ts', 3.6, 4),
    result('test/unit/lifecycle/action.test.ts', 4.4, 9),
  ],
});

const statuses = (...names: string[]) => names.map((status) => ({ status }));

test('the table shows layers, tests, seconds and the three slowest files in 80 columns, and ends with the count', () => {
  const lines = closing([{ title: 'types', passed: true, seconds: 7.66 }, unit], undefined);
  expect(lines).toEqual([
    '',
    '  layer            tests   seconds   slowest files',
    '✔ types                        7.7',
    '✔ unit                30      21.3   aws/clients 8.7',
    '                                     lifecycle/action 4.4',
    '                                     …-is-longer-than-its-column-can-take 3.6',
    '',
    'tests: 30 passed, 0 failed, 0 skipped',
  ]);
  expect(lines.filter((line) => line.length > 80)).toEqual([]);
});

test('files that failed are named, and why tests were skipped is said', () => {
  const files = [result('test/e2e/story.test.ts', 1, 0, 1, 2)];
  const lines = closing([layerPart('e2e', { passed: true, seconds: 1, files })], 'It needs root.');
  expect(lines.slice(2)).toEqual([
    '✘ e2e                  3       1.0   story 1.0',
    '',
    '✘ test/e2e/story.test.ts: 1 failed',
    '',
    '2 tests skipped: It needs root.',
    '',
    'tests: 0 passed, 1 failed, 2 skipped',
  ]);
});

test('what a failure said is repeated at the end, shortened, for the one who sees the end alone', () => {
  const said = `\n  Error: ${'x'.repeat(300)}\n\n    at one\n${'    at more\n'.repeat(9)}`;
  const files = [{ ...result('test/e2e/story.test.ts', 1, 0, 1), said }];
  const lines = closing([layerPart('e2e', { passed: true, seconds: 1, files })], undefined);
  expect(lines.slice(4, -2)).toEqual([
    '✘ test/e2e/story.test.ts: 1 failed',
    `    Error: ${'x'.repeat(192)}…`,
    '    at one',
    ...Array.from({ length: 4 }, () => '    at more'),
  ]);
});

test('a layer passes when its run did and tested something', () => {
  const passed = (files: FileResult[], run = true) =>
    layerPart('unit', { passed: run, seconds: 1, files }).passed;
  expect(passed([result('a', 1, 1)])).toBe(true);
  expect(passed([result('a', 1, 0, 0, 1)])).toBe(true);
  expect(passed([])).toBe(false);
  expect(passed([result('a', 1, 0)])).toBe(false);
  expect(passed([result('a', 1, 1, 1)])).toBe(false);
  expect(passed([result('a', 1, 1)], false)).toBe(false);
});

test('a report is read file by file; one that is missing says nothing, and a file that could not run has failed', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'adjoin-report-'));
  const file = join(folder, 'report.json');
  writeFileSync(
    file,
    JSON.stringify({
      testResults: [
        {
          name: join(process.cwd(), 'test/unit/batch.test.ts'),
          status: 'failed',
          startTime: 1_000,
          endTime: 3_500,
          assertionResults: [
            ...statuses('passed', 'passed'),
            { status: 'failed', failureMessages: ['\u001b[31mno\u001b[0m domain', 'more'] },
            ...statuses('pending', 'todo'),
          ],
        },
        {
          name: '/elsewhere.test.ts',
          status: 'failed',
          startTime: 0,
          endTime: 0,
          message: 'no such module',
          assertionResults: [],
        },
      ],
    }),
  );
  expect(await readReport(file)).toEqual([
    { ...result('test/unit/batch.test.ts', 2.5, 2, 1, 2), said: 'no domain' },
    { ...result('/elsewhere.test.ts', 0, 0, 1), said: 'no such module' },
  ]);
  expect(await readReport(join(folder, 'none.json'))).toEqual([]);
  rmSync(folder, { recursive: true });
});
