/** What the pages tell a reader to type is run, but for what says here why not. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { filledIn, shellBlocks } from '../../support/chapters.ts';
import { pages, root } from './pages.ts';

const textOf = (file: string): string => readFileSync(join(root, file), 'utf8');
const atTheDesk = textOf('test/e2e/chapters.test.ts');
/** The pages by the names that the test at the desk gives them. */
const named = new Map(
  [...atTheDesk.matchAll(/^const (\w+) = '(docs\/\w+\.md)';/gm)].map(([, name = '', page = '']) => [
    name,
    page,
  ]),
);
/** Typed at a desk by chapters.test.ts, chapter by chapter. */
const followed = [...atTheDesk.matchAll(/follow\(\s*(\w+),\s*(['"])(.*?)\2/g)].map(
  ([, page = '', , chapter = '']) => `${named.get(page)}: ${chapter}`,
);

/** Run by another file, which reads the page or calls what the command calls; named by a piece of its code. */
const elsewhere: Readonly<Record<string, readonly [file: string, code: string]>> = {
  'README.md: Deploy it': ['test/e2e/life.test.ts', "chapter === 'Deploy it'"],
  'docs/doctor.md: Before there is a stack': ['test/e2e/life.test.ts', "readFile('docs/doctor.md'"],
  'docs/package.md: ': ['test/e2e/life.test.ts', "readFile('docs/package.md'"],
  'docs/operate.md: What a sweep would do (sh)': ['test/e2e/boot.test.ts', "readFile('docs/operate.md'"],
};

/** What the clone's own scripts do: what each is made of is tested, or it is the test. */
const ofTheClone = /^\$ npm (?:ci|start|test|run \w+)\b/;

const all = pages
  .filter(({ file }) => /^(?:README|docs\/.*)\.md$/.test(file))
  .flatMap(({ file, text }) =>
    shellBlocks(text).map((block) => ({
      ...block,
      id: `${file}: ${block.chapter}${block.language === 'sh' ? ' (sh)' : ''}`,
    })),
  );

test('every command of the pages is run, or the page says why not', () => {
  const run = all.filter(
    ({ lines, notRun }) => notRun === undefined && !lines.every((line) => ofTheClone.test(line)),
  );
  expect(new Set(run.map(({ id }) => id))).toEqual(new Set([...followed, ...Object.keys(elsewhere)]));
  for (const [file, code] of Object.values(elsewhere)) expect(textOf(file)).toContain(code);
  // A prompt on the page is no command: a block that shows one is not typed as it stands.
  const typed = run.filter(({ id }) => followed.includes(id)).flatMap(({ lines }) => lines);
  expect(typed.filter((line) => line.startsWith('$ '))).toEqual([]);
});

test('what is not run has a reason', () => {
  expect(all.flatMap(({ id, notRun }) => (notRun === undefined ? [] : [`${id}: ${notRun}`]))).toEqual([
    'docs/deploy.md: 1. In the directory: a domain controller on Windows',
    'docs/deploy.md: 1. In the directory: the sandbox’s domain is made with these rights',
    'docs/deploy.md: 3. Roles and bucket: the sandbox has one Region',
    'docs/deploy.md: 4. Deploy: the package’s commands have tests of their own',
    'docs/deploy.md: 5. Put the credential: the package’s commands have tests of their own',
    "docs/deploy.md: 8. Restrict access: the AWS CLI's plugin for sessions is no package of Debian",
    "docs/operate.md: What a sweep would do: the AWS CLI's plugin for sessions is no package of Debian",
    'docs/sandbox.md: : a sandbox that stays open, and an AWS CLI beside it',
    'docs/sandbox.md: : a sandbox that stays open, and an AWS CLI beside it',
  ]);
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
