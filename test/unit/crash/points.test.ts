import { describe, expect, test } from '@jest/globals';
import { pointsOf, shareOf, tableOf } from '../../e2e/crash/points.ts';

describe('points at which the agent may die', () => {
  test('are before and after each call', () => {
    expect(pointsOf('join', 'ldap:add', { fresh: true })).toEqual([
      { action: 'join', call: 'ldap:add', side: 'before', world: { fresh: true } },
      { action: 'join', call: 'ldap:add', side: 'after', world: { fresh: true } },
    ]);
  });

  test('are shared out among machines, each to one of them, whatever other calls a machine has seen', () => {
    const calls = Array.from({ length: 60 }, (_, index) => `ldap:search ${index}`);
    const all = calls.flatMap((call) => [...pointsOf('join', call, {}), ...pointsOf('unjoin', call, {})]);
    const shares = ['1/3', '2/3', '3/3'].map((share) => shareOf(all, share));
    expect(new Set(shares.flat())).toEqual(new Set(all));
    expect(shares.flat()).toHaveLength(all.length);
    for (const share of shares) expect(share.length).toBeGreaterThan(all.length / 5);
    const others = shares[1]?.filter(({ call }) => call !== calls[0]);
    expect(shareOf(all.slice(4), '2/3')).toEqual(others);
    expect(shareOf(all, undefined)).toEqual(all);
  });

  test.each(['', '0/3', '4/3', '1', '1/3/5', 'first'])('are not shared out by "%s"', (share) => {
    expect(() => shareOf([], share)).toThrow('is no share');
  });

  test('are told in a table, one line a call, with what went wrong below', () => {
    const [before, after] = pointsOf('join', 'ldap:add', {});
    const [other] = pointsOf('unjoin', 'sqs:DeleteMessage', {});
    if (!before || !after || !other) throw new Error('there are no points');
    const lines = tableOf([
      { point: after, seconds: 12.34, problems: ['two accounts'] },
      { point: before, seconds: 9, problems: [] },
      { point: other, seconds: 10, problems: [] },
    ]);
    expect(lines).toEqual([
      '',
      'join: killed at     before      after',
      'ldap:add            ✔   9.0 s   ✘  12.3 s',
      '✘ join, after ldap:add: two accounts',
      '',
      'unjoin: killed at   before      after',
      'sqs:DeleteMessage   ✔  10.0 s',
    ]);
  });

  test('are told in lines of at most 80 columns', () => {
    const [before, after] = pointsOf('join', `ldap:search ${'DC=corp,'.repeat(20)}`, {});
    if (!before || !after) throw new Error('there are no points');
    const lines = tableOf([before, after].map((point) => ({ point, seconds: 123.4, problems: [] })));
    expect(Math.max(...lines.map((line) => line.length))).toBe(80);
  });
});
