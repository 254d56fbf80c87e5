import { expect, test } from '@jest/globals';
import { absence, proofLines, proofOf } from '../../../infra/sandbox/story/proof.ts';

test('a proven claim is one line with its figures', () => {
  expect(proofLines(proofOf('machines: adcli testjoin', 6, []))).toEqual([
    '✔ machines: adcli testjoin: 6 of 6',
  ]);
});

test('a claim that failed names what contradicts it', () => {
  expect(proofLines(absence('DNS records of terminated instances', ['a1']))).toEqual([
    '✘ DNS records of terminated instances: 1 left',
    '    a1',
  ]);
});

test('only some of many contradictions are printed, and the others are counted', () => {
  const lines = proofLines(
    proofOf(
      'machines: adcli testjoin',
      20,
      Array.from({ length: 20 }, (_, n) => `i-${n}`),
    ),
  );
  expect(lines).toHaveLength(10);
  expect(lines[0]).toContain('0 of 20');
  expect(lines.at(-1)).toBe('    … and 12 more');
});
