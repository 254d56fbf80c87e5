import { expect, test } from '@jest/globals';
import { parts } from './fuzz.ts';

test('a run plays at least 100,000 cases in all', () => {
  expect(Object.values(parts).reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(100_000);
});
