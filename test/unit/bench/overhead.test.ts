import { expect, test } from '@jest/globals';
import { isFailure, isMissed } from '../../bench/figures.ts';
import { overheadFigures, overheadPicture, type OverheadCost } from '../../bench/overhead.ts';

const run = (outMs: number, inMs: number, cpuSeconds: number, label: string) => ({
  outMs,
  inMs,
  cpuSeconds,
  from: 1_000,
  bars: [{ label, spans: [{ what: 'join' as const, from: 1_000, to: 1_000 + outMs }] }],
});

const cost: OverheadCost = {
  instances: 2,
  idleCpuSeconds: 1,
  adjoin: run(11_000, 2_000, 7, 'MEMBER'),
  floors: [
    { ...run(20_000, 1_000, 5, 'SLOW'), atOnce: 1, joinedMs: 19_000 },
    { ...run(9_000, 1_000, 6, 'FAST'), atOnce: 2, joinedMs: 7_000 },
  ],
  withoutLogIn: { ...run(7_000, 1_000, 4, 'BARE'), atOnce: 2, joinedMs: 6_000 },
};

const valueOf = (costs: readonly OverheadCost[], name: string): number | undefined =>
  overheadFigures(costs).find((figure) => figure.name === name)?.value;

test('time is measured by the fastest script, out and in together', () => {
  expect(valueOf([cost], 'time, as a ratio')).toBeCloseTo(13 / 10);
  expect(valueOf([cost], 'bare script, 2 at once: until all can be used')).toBe(9);
  expect(valueOf([cost], '  in')).toBe(2);
});

test('processor time is measured by the thriftiest script, without what a boot costs', () => {
  expect(valueOf([cost], 'processor time of the nodes, as a ratio')).toBeCloseTo((7 - 1) / (5 - 1));
  expect(valueOf([cost], 'adjoin: processor time of a node')).toBe(3);
});

test('both stand beside those of a script that makes no home directories, which has no goal', () => {
  const figures = overheadFigures([cost]).filter(({ name }) => name.includes('without home directories'));
  expect(figures.map(({ value }) => value)).toEqual([13 / 8, (7 - 1) / (4 - 1)]);
  expect(figures.some(({ goal }) => goal !== undefined)).toBe(false);
});

test('a goal that is missed on this machine shows, and fails nothing', () => {
  const missed = overheadFigures([cost]).filter(isMissed);
  expect(missed.map(({ name }) => name)).toEqual([
    'time, as a ratio',
    'processor time of the nodes, as a ratio',
  ]);
  expect(missed.filter(isFailure)).toEqual([]);
});

test('the picture has adjoin and the fastest script, one below the other', () => {
  const svg = overheadPicture([cost]);
  expect(svg.indexOf('>MEMBER<')).toBeGreaterThan(0);
  expect(svg.indexOf('>FAST<')).toBeGreaterThan(svg.indexOf('>MEMBER<'));
  expect(svg).not.toContain('>SLOW<');
});

test('without a run of the script there is nothing to compare with', () => {
  expect(() => overheadFigures([{ ...cost, floors: [] }])).toThrow('The bare script has not run.');
});
