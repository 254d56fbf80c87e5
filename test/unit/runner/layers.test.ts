import { describe, expect, test } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import {
  layerOf,
  layers,
  leftOut,
  ofEverything,
  parseArguments,
  pick,
  searching,
  testFiles,
  UsageError,
} from '../../runner/layers.ts';

const files = [
  'test/e2e/crash/crash-points.test.ts',
  'test/e2e/story.test.ts',
  'test/host/namespace.test.ts',
  'test/integration/sandbox/machine.test.ts',
  'test/sandbox/host/namespace.test.ts',
  'test/unit/aws/clients.test.ts',
  'test/unit/batch.test.ts',
];
const picked = (...argv: string[]) =>
  pick(files, parseArguments(argv)).map((layer) => [layer.name, layer.ground, ...layer.files]);

describe('a pattern', () => {
  test('of a unit file means the unit layer alone, which needs neither root nor image', () => {
    expect(picked('batch')).toEqual([['unit', 'plain', 'test/unit/batch.test.ts']]);
  });

  test('of a real-domain file means a namespace', () => {
    expect(picked('crash-points')).toEqual([['e2e', 'namespace', 'test/e2e/crash/crash-points.test.ts']]);
    expect(picked('machine')).toEqual([
      ['integration', 'namespace', 'test/integration/sandbox/machine.test.ts'],
    ]);
  });

  test('that several layers know means all of them, each on its own ground', () => {
    expect(picked('namespace')).toEqual([
      ['sandbox', 'plain', 'test/sandbox/host/namespace.test.ts'],
      ['host', 'host', 'test/host/namespace.test.ts'],
    ]);
  });

  test('may be a regular expression, in whatever case, a path with or without its beginning, or one of several', () => {
    expect(picked('BATCH|clients')).toEqual([
      ['unit', 'plain', 'test/unit/aws/clients.test.ts', 'test/unit/batch.test.ts'],
    ]);
    expect(picked('./test/unit/batch.test.ts')).toEqual(picked('batch'));
    expect(picked(`${process.cwd()}/test/unit/batch.test.ts`)).toEqual(picked('batch'));
    expect(picked('batch', 'story').map(([name]) => name)).toEqual(['unit', 'e2e']);
  });

  test('within a layer narrows it', () => {
    expect(picked('--layer', 'e2e', 'story')).toEqual([['e2e', 'namespace', 'test/e2e/story.test.ts']]);
    expect(picked('--layer', 'unit').flat()).toHaveLength(4);
  });

  test('that matches nothing, a layer that does not exist and half an expression are refused: nothing tested is no pass', () => {
    expect(() => picked('no-such-file')).toThrow('No test file matches no-such-file.');
    expect(() => picked('--layer', 'host', 'batch')).toThrow(
      'No test file in the layer "host" matches batch.',
    );
    expect(() => picked('--layer', 'units')).toThrow('There is no layer "units".');
    expect(() => picked('--layer')).toThrow('--layer needs a value.');
    expect(() => picked('(')).toThrow(UsageError);
  });
});

test("Jest's options stay as they were typed, and their values are no patterns", () => {
  expect(
    parseArguments(['batch', '-t', 'may fail', '--verbose', '--maxWorkers=1', 'clients', '--bail']),
  ).toEqual({
    patterns: ['batch', 'clients'],
    options: ['-t', 'may fail', '--verbose', '--maxWorkers=1', '--bail'],
  });
  expect(parseArguments(['-t', 'may fail', 'batch']).patterns).toEqual(['batch']);
  expect(parseArguments(['--testPathPatterns', 'batch']).patterns).toEqual(['batch']);
});

test('every test file of the clone is in exactly one layer, and every layer has one', () => {
  const found = testFiles();
  expect(found.length).toBeGreaterThan(100);
  expect(new Set(found.map((file) => layerOf(file).name))).toEqual(new Set(layers.map(({ name }) => name)));
  expect(() => layerOf('test/elsewhere/some.test.ts')).toThrow('is in no layer');
  const folders = readdirSync('test', { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const others = folders
    .map(({ name }) => name)
    .filter((name) => !layers.some((layer) => layer.name === name));
  expect(found.filter((file) => others.some((name) => file.startsWith(`test/${name}/`)))).toEqual([]);
});

test('the deep run plays every file that leaves something out of a run of everything', async () => {
  const deep = await searching(testFiles());
  expect(deep).toEqual(
    expect.arrayContaining([
      'test/property/schedules.test.ts',
      'test/property/hooks.test.ts',
      'test/integration/documents/documents.test.ts',
      'test/e2e/crash/crash-points.test.ts',
      'test/chaos/chaos.test.ts',
    ]),
  );
  expect(deep).not.toContain('test/e2e/story.test.ts');
});

test('what a run of everything leaves to the deep run has a guard that it plays', async () => {
  const found = testFiles();
  const played = ofEverything(found);
  expect(played).toHaveLength(found.length - Object.keys(leftOut).length);
  expect(played).toEqual(expect.arrayContaining(Object.values(leftOut).flat()));
  expect(await searching(found)).toEqual(expect.arrayContaining(Object.keys(leftOut)));
});

test('CONTRIBUTING names every file that plays less in a run of everything', async () => {
  const page = readFileSync('CONTRIBUTING.md', 'utf8');
  const files = await searching(testFiles());
  // The folder stands for fuzz/; the others play the same everywhere.
  const same = /^test\/property\/(fuzz\/|bench|pool|usable|waiting-launches)/;
  const unnamed = files.filter((file) => !same.test(file) && !page.includes(`\`${file}\``));
  expect(unnamed).toEqual([]);
});
