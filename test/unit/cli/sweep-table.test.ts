import { expect, test } from '@jest/globals';
import { renderSweep } from '../../../agent/cli/sweep-table.ts';
import { AdjoinError } from '../../../agent/errors.ts';
import type { Finding, SweepReport } from '../../../agent/sweep/report.ts';

const now = Date.UTC(2026, 0, 2);
const HOUR = 3_600_000;

const finding = (change: Partial<Finding>): Finding => ({
  kind: 'orphan',
  instanceId: 'i-0123456789abcdef0',
  computerName: 'A07F3X9KQ2M4B5C',
  since: now - 5 * HOUR,
  outcome: { result: 'would-remove' },
  ...change,
});
const report = (change: Partial<SweepReport>): SweepReport => ({
  dryRun: true,
  complete: true,
  accounts: 12,
  memberships: 1,
  findings: [],
  errors: [],
  ...change,
});

test('a dry run is a table in 80 columns with its counts', () => {
  const text = renderSweep(
    report({
      findings: [
        finding({}),
        finding({ kind: 'debt', computerName: undefined, since: undefined }),
        finding({ since: now - 61_000, outcome: { result: 'kept', reason: 'too-young' } }),
        finding({ kind: 'vanished', since: now - 72 * HOUR, outcome: { result: 'reported' } }),
      ],
    }),
    now,
  );
  for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  expect(text).toBe(
    [
      'instance             computer         kind      age    outcome',
      'i-0123456789abcdef0  A07F3X9KQ2M4B5C  orphan    5 h    would be removed',
      'i-0123456789abcdef0  ?                debt      ?      would be removed',
      'i-0123456789abcdef0  A07F3X9KQ2M4B5C  orphan    1 min  kept: too young',
      'i-0123456789abcdef0  A07F3X9KQ2M4B5C  vanished  3 d    reported',
      '',
      '12 accounts and 1 membership examined: 2 would be removed, 1 kept, 1 reported, 0',
      'errors.',
      'This was a dry run: nothing was changed.',
      '',
    ].join('\n'),
  );
});

test('a sweep that did not end says so, and each error with its hint', () => {
  const error = new AdjoinError('directory-unavailable', 'No domain controller is usable.');
  const instanceId = 'i-0123456789abcdef0';
  const text = renderSweep(report({ dryRun: false, complete: false, errors: [{ error, instanceId }] }), now);
  expect(text).toContain('The sweep did not come to its end.\n');
  expect(text).toContain('directory-unavailable (i-0123456789abcdef0): No domain controller is usable.\n');
  expect(text).toContain('  Check that DNS on the worker');
  expect(text).toContain('1 error.');
});
