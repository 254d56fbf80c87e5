/** The figures of `npm run bench` that are the same on each machine, in a form that takes seconds. Each may fall, and none may rise. */
import { describe, expect, test } from '@jest/globals';
import { countCalls, total } from '../bench/calls.ts';
import { besideTrouble } from '../bench/fairness.ts';
import { isFailure, isMissed, tableOf } from '../bench/figures.ts';
import { countSweeps } from '../bench/sweep.ts';

describe('calls to AWS', () => {
  test.each([
    [1, { join: 39, unjoin: 16 }],
    [50, { join: 5, unjoin: 2.7 }],
  ])('for each of %i nodes that come and go at once', async (nodes, most) => {
    const { join, unjoin } = await countCalls(nodes);
    expect(total(join) / nodes).toBeLessThanOrEqual(most.join);
    expect(total(unjoin) / nodes).toBeLessThanOrEqual(most.unjoin);
    // Takes the lease, intends to stage, staged, member, gives the lease back: a crash in between would lie.
    expect(join.get('units.items-written')).toBe(5 * nodes);
    expect(join.get('units.dynamodb-read')).toBeUndefined();
    expect(unjoin.get('units.items-written')).toBe(4 * nodes);
    expect(join.get('autoscaling.CompleteLifecycleAction')).toBe(nodes);
  });
});

test('launches that can’t succeed cost others nothing', async () => {
  const alone = await besideTrouble({ stuck: 0, broken: 0 });
  const beside = await besideTrouble({ stuck: 500, broken: 150 });
  expect(alone.lastMs).toBeLessThan(90_000);
  expect(beside.lastMs / alone.lastMs).toBeLessThanOrEqual(1.1);
  expect(beside.medianMs / alone.medianMs).toBeLessThanOrEqual(1.1);
  expect(beside.unjoinMs - alone.unjoinMs).toBeLessThanOrEqual(5_000);
  expect(beside.failing).toEqual(['group-3']);
});

test('a sweep reads what has not ended, and asks EC2 for a hundred instances at once', async () => {
  const [cost] = await countSweeps([{ accounts: 500, records: 3_000 }]);
  expect(cost).toMatchObject({
    accounts: 500,
    findings: 0,
    errors: 0,
    // 2,000 records are a page of 1 MB.
    scans: 2,
    directoryPages: 1,
    // The proof of the account, and five times a hundred.
    describes: 6,
    strayLooks: 1,
  });
  // Of the 2,500 that ended in a month, those of the last 25 hours.
  expect(cost?.memberships).toBeLessThanOrEqual(500 + 2_500 / 28);
});

test('a figure beyond its goal is a missed one, and the table says so', () => {
  const section = 'Calls';
  const figures = [
    { section, name: 'a join', value: 4.1, unit: '', goal: 4 },
    { section, name: 'an unjoin', value: 3, unit: '', goal: 3 },
    { section, name: 'dollars', value: 0.0123, unit: '$' },
    { section, name: 'last', value: Infinity, unit: 's', goal: 1 },
  ];
  expect(figures.filter(isMissed).map(({ name }) => name)).toEqual(['a join', 'last']);
  expect(figures.map((figure) => isFailure({ ...figure, onMachine: true }))).not.toContain(true);
  expect(figures.filter(isFailure).map(({ name }) => name)).toEqual(['a join', 'last']);
  const lines = tableOf(figures).map((line) => line.replaceAll(/ +/g, ' ').trim());
  expect(lines.slice(3)).toEqual([
    'a join 4.10 ≤ 4 ✘',
    'an unjoin 3 ≤ 3 ✔',
    'dollars 0.012 $',
    'last Infinity s ≤ 1 ✘',
  ]);
});
