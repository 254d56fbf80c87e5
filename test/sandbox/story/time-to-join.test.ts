import { expect, test } from '@jest/globals';
import type { Life } from '../../../infra/sandbox/story/lives.ts';
import { readMembership } from '../../../infra/sandbox/story/memberships.ts';
import { timeToJoinLines } from '../../../infra/sandbox/story/summary.ts';
import { joinSeconds, percentile, timeToJoin } from '../../../infra/sandbox/story/time-to-join.ts';
import { idOf, item, watched } from './fixtures.ts';

/** A join that takes so many seconds from the registration on, two of which are probe and stage. */
function joined(n: number, seconds: number, group = 'fleet') {
  const online = 10_000;
  const end = online + seconds * 1_000;
  const membership = readMembership(
    item(idOf(n), {
      received: 9_000,
      node: online + 500,
      probe: online + 1_500,
      stage: online + 2_500,
      join: end - 200,
      verify: end - 100,
      // Written much later, with something else.
      complete: end + 60_000,
    }),
  );
  const life: Life = { instanceId: idOf(n), group, launchedAt: 8_000, onlineAt: online, continuedAt: end };
  return { life, instance: watched(n, { membership }) };
}

const fleet = (...joins: readonly ReturnType<typeof joined>[]) =>
  [
    joins.map(({ instance }) => instance),
    new Map(joins.map(({ life }) => [life.instanceId, life] as const)),
  ] as const;

test('a join counts from the registration to the answer, whenever the ledger notes it, and its steps add up', () => {
  const { life, instance } = joined(1, 10);
  const seconds = joinSeconds(life, instance.membership) ?? new Map();
  expect(Object.fromEntries(seconds)).toEqual({
    node: 0.5,
    probe: 1,
    stage: 1,
    join: 7.3,
    verify: 0.1,
    complete: 0.1,
    total: 10,
  });
});

test('a launch that was not seen online, or not continued, is no join', () => {
  const { life, instance } = joined(1, 10);
  const { onlineAt: _online, ...unseen } = life;
  const { continuedAt: _continued, ...failed } = life;
  for (const other of [unseen, failed, undefined])
    expect(joinSeconds(other, instance.membership)).toBeUndefined();
  expect(joinSeconds(life, undefined)).toBeUndefined();
});

test('a percentile is the nearest rank', () => {
  const values = Array.from({ length: 200 }, (_, index) => 200 - index);
  expect([50, 99, 100].map((percent) => percentile(values, percent))).toEqual([100, 198, 200]);
  expect(percentile([7], 50)).toBe(7);
  expect(percentile([], 99)).toBeUndefined();
});

test('each group has its percentiles by step, and a line for each within 80 columns', () => {
  const groups = timeToJoin(...fleet(joined(1, 10), joined(2, 12), joined(3, 9, 'windows')));
  expect(
    groups.map(({ group, joins, p50, p99 }) => [group, joins, p50.get('total'), p99.get('total')]),
  ).toEqual([
    ['fleet', 2, 10, 12],
    ['windows', 1, 9, 9],
  ]);
  const lines = timeToJoinLines(groups);
  expect(lines.slice(1, 4)).toEqual([
    'agent online to CONTINUE (seconds)   wait probe stage  join verify compl. total',
    'p50 of 2: fleet                      0.50  1.00  1.00  7.30   0.10   0.10 10.00',
    'p99 of 2: fleet                      0.50  1.00  1.00  9.30   0.10   0.10 12.00',
  ]);
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(80);
});

test('one group needs no name, and no join has no lines', () => {
  expect(timeToJoinLines(timeToJoin(...fleet(joined(1, 10))))[2]).toMatch(/^p50 of 1 +0\.50/);
  expect(timeToJoinLines([])).toEqual([]);
});
