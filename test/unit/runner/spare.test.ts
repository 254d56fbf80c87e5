import { expect, test } from '@jest/globals';
import { spareShare, used } from '../../runner/spare.ts';

const processor = (times: { user: number; nice: number; idle: number }) => ({
  times: { sys: 0, irq: 0, ...times },
});

test('what is idle, and what works behind the others, is to be had', () => {
  const before = used([processor({ user: 0, nice: 0, idle: 0 }), processor({ user: 0, nice: 0, idle: 0 })]);
  const after = used([
    processor({ user: 100, nice: 0, idle: 0 }),
    processor({ user: 40, nice: 30, idle: 30 }),
  ]);
  expect(spareShare(before, after)).toBeCloseTo(0.3);
});

test('two looks at the same moment say that nothing is', () => {
  const once = used();
  expect(spareShare(once, once)).toBe(0);
});
