import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { bundleAgent, literalKeys } from '../../../scripts/bundle.ts';

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

test('the agent’s bundle has of the SDK what it uses', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'adjoin-bundle-'));
  try {
    const file = join(folder, 'agent.mjs');
    await bundleAgent(file);
    // 2.2 MB. With all operations of all clients there would be 5.8, and at start twice the memory.
    expect(statSync(file).size).toBeLessThan(2_600_000);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
