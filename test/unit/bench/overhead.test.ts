import { expect, test } from '@jest/globals';
import { isFailure, isMissed } from '../../bench/figures.ts';
import { overheadFigures, overheadPicture, type OverheadCost } from '../../bench/overhead.ts';

const run = (atOnce: number, outMs: number, inMs: number, cpuSeconds: number, label: string) => ({
  atOnce,
  outMs,
  inMs,
  cpuSeconds,
  from: 1_000,
  bars: [{ label, spans: [{ what: 'join' as const, from: 1_000, to: 1_000 + outMs }] }],
});

const cost: OverheadCost = {
  instances: 2,
  idleCpuSeconds: 1,
  adjoin: [run(1, 11_000, 2_000, 8, 'MEMBER'), run(2, 13_000, 2_000, 7, 'ALL')],
  floors: [
    { ...run(1, 20_000, 1_000, 5, 'SLOW'), joinedMs: 19_000 },
    { ...run(2, 9_000, 1_000, 6, 'FAST'), joinedMs: 7_000 },
  ],
  withoutLogIn: { ...run(2, 7_000, 1_000, 4, 'BARE'), joinedMs: 6_000 },
};

const valueOf = (costs: readonly OverheadCost[], name: string): number | undefined =>
  overheadFigures(costs).find((figure) => figure.name === name)?.value;

test('time is that of the fastest runs of both, out and in together', () => {
  expect(valueOf([cost], 'time, as a ratio')).toBeCloseTo(13 / 10);
  expect(valueOf([cost], 'bare script, 2 at once: until all can be used')).toBe(9);
  expect(valueOf([cost], '  in')).toBe(2);
});

test('processor time is that of the thriftiest runs of both, without what a boot costs', () => {
  expect(valueOf([cost], 'processor time of the nodes, as a ratio')).toBeCloseTo((7 - 1) / (5 - 1));
  expect(valueOf([cost], 'adjoin: processor time of a node')).toBe(3);
});

test('both are told of the default settings, too, with which all nodes join at once', () => {
  const figures = overheadFigures([cost]).filter(({ name }) => name.includes('by default'));
  expect(figures.map(({ value }) => value)).toEqual([15 / 10, (7 - 1) / (5 - 1)]);
  expect(figures.some(({ goal }) => goal !== undefined)).toBe(false);
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

test('the picture has the fastest runs of both, one below the other', () => {
  const svg = overheadPicture([cost]);
  expect(svg.indexOf('>MEMBER<')).toBeGreaterThan(0);
  expect(svg.indexOf('>FAST<')).toBeGreaterThan(svg.indexOf('>MEMBER<'));
  expect(svg).not.toMatch(/>(SLOW|ALL)</);
});

test('without a run of the script there is nothing to compare with', () => {
  expect(() => overheadFigures([{ ...cost, floors: [] }])).toThrow('There was no run.');
});
