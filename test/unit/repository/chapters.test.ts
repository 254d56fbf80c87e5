/** What the page on deployment tells a reader to type is run by test/e2e/chapters.test.ts, but for what says here why not. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { filledIn, shellBlocks } from '../../support/chapters.ts';
import { root } from './pages.ts';

const blocks = shellBlocks(readFileSync(join(root, 'docs/deploy.md'), 'utf8'));
const runner = readFileSync(join(root, 'test/e2e/chapters.test.ts'), 'utf8');
const followed = new Set([...runner.matchAll(/follow\(\s*'([^']+)'/g)].map(([, chapter = '']) => chapter));

test('every command of the page on deployment is run, or the page says why not', () => {
  expect(blocks.filter(({ notRun }) => notRun !== undefined)).toEqual([
    expect.objectContaining({ language: 'bat', notRun: 'a domain controller on Windows' }),
    expect.objectContaining({
      chapter: '1. In the directory',
      notRun: 'the sandbox’s domain is made with these rights',
    }),
    expect.objectContaining({
      chapter: '3. Roles and bucket',
      notRun: 'the sandbox has one Region',
    }),
    expect.objectContaining({
      chapter: '4. Deploy',
      notRun: 'the package’s commands have tests of their own',
    }),
    expect.objectContaining({
      chapter: '5. Put the credential',
      notRun: 'the package’s commands have tests of their own',
    }),
    expect.objectContaining({
      chapter: '8. Restrict access',
      notRun: expect.stringContaining('plugin for sessions'),
    }),
  ]);
  const run = blocks.filter(({ notRun }) => notRun === undefined);
  expect(new Set(run.map(({ chapter }) => chapter))).toEqual(followed);
  const lines = run.flatMap((block) => block.lines);
  expect(lines.join('\n')).toContain('aws cloudformation deploy');
  // A prompt on the page is no command: a block that shows one is not typed as it stands.
  expect(lines.filter((line) => line.startsWith('$ '))).toEqual([]);
});

test('blocks are found by their heading and their language; a mark counts for the next one only', () => {
  const page = [
    '## One',
    '```bash',
    'echo "# a" …',
    '## no heading',
    '```',
    '<!-- not run: it waits -->',
    '```bash',
    'sleep 9',
    '```',
    '```json',
    '{}',
    '```',
    '## Two',
    '```bash',
    'true',
    '```',
  ].join('\n');
  const [first, ...others] = shellBlocks(page);
  expect(first).toEqual({ chapter: 'One', language: 'bash', lines: ['echo "# a" …', '## no heading'] });
  expect(others).toEqual([
    { chapter: 'One', language: 'bash', lines: ['sleep 9'], notRun: 'it waits' },
    { chapter: 'Two', language: 'bash', lines: ['true'] },
  ]);
  const used = new Set<string>();
  const values = new Map([
    ['…', '$& is here'],
    ['not there', ''],
  ]);
  expect(first && filledIn(first, values, used)[0]).toBe('echo "# a" $& is here');
  expect([...used]).toEqual(['…']);
});
