/** The figures of `npm run bench` that are the same on each machine, in a form that takes seconds. Each may fall, and none may rise. */
import { describe, expect, test } from '@jest/globals';
import { countAnother, countCalls, total } from '../bench/calls.ts';
import { burst, floorOf } from '../bench/burst-run.ts';
import { besideTrouble } from '../bench/fairness.ts';
import { isFailure, isMissed, markdownOf, tableOf, withTable } from '../bench/figures.ts';
import { countWaiting } from '../bench/growth.ts';
import { bareMs, idsOf } from '../bench/scene.ts';
import { countSweeps } from '../bench/sweep.ts';

describe('calls to AWS', () => {
  test.each([
    [1, { join: 34, unjoin: 16 }],
    [50, { join: 4.5, unjoin: 3 }],
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

test('a node is looked for less often once the worker knows how long those of its group boot and join', async () => {
  const counts = await countAnother();
  expect(total(counts)).toBeLessThanOrEqual(26);
  expect(counts.get('ssm.DescribeInstanceInformation')).toBeLessThanOrEqual(5);
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

test('a burst under quotas takes as long as the quotas want, and no hook times out', async () => {
  const { makespanMs, floorMs, timedOut, inService } = await burst({ launches: 300, workers: 2, slots: 64 });
  expect({ timedOut, inService }).toEqual({ timedOut: 0, inService: 300 });
  expect(makespanMs).toBeGreaterThanOrEqual(floorMs);
  expect(makespanMs / floorMs).toBeLessThanOrEqual(1.1);
});

test('where quotas keep launches waiting for longer than a hook waits, none times out', async () => {
  const cost = await burst({ launches: 500, workers: 2, slots: 30, quotaShare: 0.05 });
  expect(cost).toMatchObject({ timedOut: 0, inService: 500 });
  expect(cost.makespanMs).toBeGreaterThan(300_000);
});

test('by the quotas alone, fifty launches a second come into service after the first hundred', () => {
  const few = idsOf(1, 100);
  expect(floorOf(few)).toBe(Math.max(...few.map(bareMs)));
  // A proof and an answer for each, a hundred a second.
  expect(floorOf(idsOf(1, 20_000))).toBeCloseTo((2 * 20_000 - 200) * 10, -1);
});

test('a launch that waits costs no more calls beside ten times as many', async () => {
  const few = await countWaiting(50);
  const many = await countWaiting(500);
  expect(many.calls).toBeLessThanOrEqual(few.calls * 1.05);
});

test('a sweep reads what has not ended, and asks EC2 for a hundred instances at once', async () => {
  const [cost] = await countSweeps([{ accounts: 500, records: 3_000 }]);
  expect(cost).toMatchObject({
    accounts: 500,
    findings: 0,
    errors: 0,
    // Pages of 1 MB, the most that DynamoDB gives.
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
  const long = { section, name: 'a name that is longer than its column '.repeat(2), value: 1, unit: '×' };
  expect(Math.max(...tableOf([...figures, long]).map((line) => line.length))).toBeLessThanOrEqual(80);
  const lines = tableOf(figures).map((line) => line.replaceAll(/ +/g, ' ').trim());
  expect(lines.slice(3)).toEqual([
    'a join 4.10 ≤ 4 ✘',
    'an unjoin 3 ≤ 3 ✔',
    'dollars 0.012 $',
    'last ∞ s ≤ 1 ✘',
  ]);
  expect(markdownOf([...figures, { section, name: 'share', value: 0.7, unit: '×', least: 0.8 }])).toEqual([
    '| figure | measured | goal | |',
    '| --- | ---: | ---: | --- |',
    '| Calls: a join | 4.10 | ≤ 4 | ✘ |',
    '| Calls: an unjoin | 3 | ≤ 3 | ✔ |',
    '| Calls: last | ∞ s | ≤ 1 | ✘ |',
    '| Calls: share | 0.700 × | ≥ 0.8 | ✘ |',
  ]);
});

const figure = (value: number) => ({ section: 'Calls', name: 'a join', value, unit: '', goal: 4 });

test('a page gets the table, and a later one in its place', () => {
  const once = withTable('# Bench\n\nText.\n', [figure(5)]);
  expect(once).toContain('Text.\n\n<!-- made by npm run bench -->\n\n| figure |');
  expect(once).toContain('| Calls: a join | 5 | ≤ 4 | ✘ |');
  const page = once.replace('made -->', 'made -->\n\n## More');
  const again = withTable(page, [figure(3)]);
  expect(again).toContain('| Calls: a join | 3 | ≤ 4 | ✔ |');
  expect(again).not.toContain('✘');
  expect(again.endsWith('made -->\n\n## More\n')).toBe(true);
});
