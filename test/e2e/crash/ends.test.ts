import { describe, expect, test } from '@jest/globals';
import { isHeld } from './ends.ts';

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
