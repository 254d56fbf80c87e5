import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { anchorsOf, commandsOf, faultOf, filesOf, pages, pathsOf, root, targetsOf } from './pages.ts';

const { scripts }: { scripts: Record<string, string> } = JSON.parse(
  readFileSync(join(root, 'package.json'), 'utf8'),
);
const tests = filesOf('test/**/*.test.ts');

test('the pages that a reader looks for are there', () => {
  expect(pages.map(({ file }) => file)).toEqual(
    expect.arrayContaining([
      '.github/pull_request_template.md',
      'CHANGELOG.md',
      'CONTRIBUTING.md',
      'README.md',
      'SECURITY.md',
      'docs/architecture.md',
      'policies/README.md',
    ]),
  );
});

describe.each(pages)('$file', (page) => {
  const { text } = page;

  test('has no link that leads nowhere', () => {
    expect(targetsOf(text).flatMap((target) => faultOf(page, target) ?? [])).toEqual([]);
  });

  test('names no npm script that package.json lacks, and no pattern that finds no test', () => {
    const { scripts: named, patterns } = commandsOf(text);
    expect(named.filter((name) => scripts[name] === undefined)).toEqual([]);
    expect(patterns.filter((pattern) => !tests.some((file) => file.includes(pattern)))).toEqual([]);
  });
});

// What an earlier release was made of may have moved since, so the changelog is not among them.
test.each(pages.filter(({ file }) => file !== 'CHANGELOG.md'))(
  '$file names no file and no folder that is not there',
  ({ text }) => {
    expect(pathsOf(text).filter((path) => !existsSync(join(root, path)))).toEqual([]);
  },
);

test('the README is short: what, for whom, how to try and to deploy it, and where to read on', () => {
  const text = pages.find(({ file }) => file === 'README.md')?.text ?? '';
  expect(text.split('\n').length).toBeLessThanOrEqual(250);
});

test('the words of docs/architecture.md are those of agent/terms.ts', () => {
  const [terminology = ''] = readFileSync(join(root, 'agent/terms.ts'), 'utf8').split('*/');
  const terms = [...terminology.matchAll(/\*\*([^*]+)\*\*/g)].map(([, term]) => term);
  const page = readFileSync(join(root, 'docs/architecture.md'), 'utf8');
  const [, words = ''] = page.split(/^## Words$/m);
  const [table = ''] = words.split(/^## /m);
  const named = [...table.matchAll(/^\| ([^|]+) \|/gm)].map(([, word]) => word).slice(2);
  expect(terms.length).toBeGreaterThan(20);
  expect(named).toEqual(terms);
});

describe('what a page points at', () => {
  test('is found in links, pictures and definitions, and not in code', () => {
    const text =
      '[a](b.md) ![c](d.svg "e")\n[f]: g.md\n`[h](i)`\n```\n[j](k)\n```\n[`l`](m#n) [o](<p q.md>)\n';
    expect(targetsOf(text)).toEqual(['b.md', 'd.svg', 'g.md', 'm#n', 'p q.md']);
  });

  test('is a heading by the anchor that GitHub gives it', () => {
    const text =
      "# Who can show `MFA`?\n## deny-tampering.json\n## It's [a link](b)\n## Twice\n## Twice\n```\n# no\n```\n";
    expect([...anchorsOf(text)]).toEqual([
      'who-can-show-mfa',
      'deny-tamperingjson',
      'its-a-link',
      'twice',
      'twice-1',
    ]);
  });

  test('is a path in code, unless it stands for several', () => {
    const text =
      '`agent/worker.ts`, `infra/sandbox/`, `policies/*.json`, `docs/NAME.md`, `cdk.out/agent/a.mjs`\n';
    expect(pathsOf(text)).toEqual(['agent/worker.ts', 'infra/sandbox/']);
  });

  test('is an npm script, or a pattern of tests', () => {
    const text =
      '`npm run test:e2e`, `npm run test:unit -- ledger`, `npm test -- PATTERN`, `npm test -- a/b -t c`\n';
    expect(commandsOf(text)).toEqual({ scripts: ['test:e2e', 'test:unit'], patterns: ['ledger', 'a/b'] });
  });

  test('is missed when it is not there', () => {
    const page = { file: 'docs/a.md', text: '# Here\n' };
    expect(faultOf(page, '#here')).toBeUndefined();
    expect(faultOf(page, '#there')).toBe('#there leads to no heading');
    expect(faultOf(page, '../README.md#try-it')).toBeUndefined();
    expect(faultOf(page, 'README.md')).toBe('README.md leads to no file');
    expect(faultOf(page, '../../README.md')).toBe('../../README.md leads out of the repository');
    expect(faultOf(page, 'https://example.com/x')).toBeUndefined();
  });
});
