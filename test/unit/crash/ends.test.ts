import { describe, expect, test } from '@jest/globals';
import { isHeld, isStray } from '../../e2e/crash/ends.ts';

const visibilityMs = 10_000;

describe('a lease that the ledger still shows', () => {
  test('is held by somebody who lives when nobody was killed', () => {
    expect(isHeld(5_000, 4_999, undefined, visibilityMs)).toBe(true);
    expect(isHeld(5_000, 5_000, undefined, visibilityMs)).toBe(false);
  });

  test('is nobody’s when it is what a killed agent left', () => {
    expect(isHeld(9_000, 7_800, 1_000, visibilityMs)).toBe(false);
    expect(isHeld(11_000, 7_800, 1_000, visibilityMs)).toBe(false);
  });

  test('is held by somebody who lives when it was taken or renewed after the kill', () => {
    expect(isHeld(11_001, 7_800, 1_000, visibilityMs)).toBe(true);
  });
});

describe('a DNS record that is there after the unjoin', () => {
  const soughtAt = Date.parse('2026-01-02T03:04:05.600Z');

  test('was the agent’s to delete when it was there before the agent looked', () => {
    expect(isStray('20260102030404.0Z', soughtAt)).toBe(false);
    expect(isStray('', soughtAt)).toBe(false);
    expect(isStray('20260102030404.0Z', Infinity)).toBe(false);
  });

  test('is the sweep’s when it came later, or may have', () => {
    expect(isStray('20260102030405.0Z', soughtAt)).toBe(true);
    expect(isStray('20260102030406.0Z', soughtAt)).toBe(true);
  });
});
