import { describe, expect, test } from '@jest/globals';
import { renderSweep } from '../../../agent/cli/sweep-table.ts';
import type { SweepReport } from '../../../agent/sweep/report.ts';
import { findingsOf, unlessBusy } from '../../../infra/sandbox/chaos/sweep.ts';
import { createVirtualClock } from '../../support/virtual-clock.ts';

describe('a sweep while another one is under way', () => {
  const run = async (busyMs: number) => {
    const clock = createVirtualClock(0);
    const sweep = async () => ({ code: clock.now() < busyMs ? 75 : 0, text: '' });
    const { code } = await clock.until(unlessBusy(sweep, clock, new AbortController().signal));
    return { code, at: clock.now() };
  };

  test.each([0, 20_000, 100_000])('waits until that one is over (%i ms)', async (busyMs) => {
    const { code, at } = await run(busyMs);
    expect(code).toBe(0);
    expect(at).toBeGreaterThanOrEqual(busyMs);
  });

  test('does not wait for ever', async () => {
    const { code, at } = await run(Infinity);
    expect(code).toBe(75);
    expect(at).toBeLessThan(130_000);
  });
});

describe('what a sweep says', () => {
  const report: SweepReport = {
    dryRun: false,
    complete: true,
    accounts: 4,
    memberships: 1,
    findings: [],
    errors: [],
  };
  const said = (change: Partial<SweepReport>) =>
    findingsOf({ code: 0, text: `${renderSweep({ ...report, ...change }, 0)}{"event":"sweep ended"}\n` });

  test('is read as it is printed', () => {
    expect(said({})).toEqual({ accounts: 4, memberships: 1, found: 0 });
    const finding = { kind: 'orphan', instanceId: 'i-1', computerName: 'A1', since: 0 } as const;
    const outcomes = [
      { result: 'removed' },
      { result: 'kept', reason: 'too-young' },
      { result: 'reported' },
    ] as const;
    expect(said({ findings: outcomes.map((outcome) => ({ ...finding, outcome })) })).toMatchObject({
      found: 3,
    });
  });

  test('is nothing where it failed before it said anything', () => {
    expect(findingsOf({ code: 70, text: 'no such file' })).toBeUndefined();
  });
});
