import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runInNewContext } from 'node:vm';
import { expect, test } from '@jest/globals';
import { bundleAgent, inLatin1, literalKeys } from '../../../scripts/bundle.ts';

test('keys that are constants become their text, and others stay', () => {
  const source = [
    'const _xN = "xmlName";',
    'const _odd = "a\\"b";',
    'let _free = "free";',
    'export const Result$ = [3, 0, [[0, { [_xN]: _odd, [_odd]: 1, [_free]: [_xN], [other]: 2 }]]];',
  ].join('\n');
  expect(literalKeys(source).split('\n').at(-1)).toBe(
    'export const Result$ = [3, 0, [[0, { ["xmlName"]: _odd, [_odd]: 1, [_free]: [_xN], [other]: 2 }]]];',
  );
});

const WIDE = /[\u0100-\uffff]/;

test('a regular expression of a bundle matches the same without characters that take two bytes', () => {
  const matches = "[/^[–’]é$/.test('\\u2019é'), /^[–’]é$/.test('xé'), /^😀$/u.test('\\u{1f600}')].join()";
  const source = inLatin1(`// a dash — and é\n${matches}`);
  expect(source).not.toMatch(WIDE);
  expect(runInNewContext(source)).toBe('true,false,true');
});

test('the agent’s bundle has of the SDK what it uses, in characters of one byte', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'adjoin-bundle-'));
  try {
    const file = join(folder, 'agent.mjs');
    await bundleAgent(file);
    // 2.2 MB. With all operations of all clients there would be 5.8, and at start twice the memory.
    expect(statSync(file).size).toBeLessThan(2_600_000);
    // V8 would keep two bytes for each of the others.
    expect(readFileSync(file, 'utf8')).not.toMatch(WIDE);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
