import { describe, expect, test } from '@jest/globals';
import { search } from '../support/schedule-check.ts';
import { defects } from '../support/schedule-defects.ts';
import { promises } from '../support/schedule-invariants.ts';

/** Fewer than are played when nothing is wrong. */
const ENOUGH = 4_000;

describe('the schedules find it when', () => {
  test.each([
    ['the message is deleted before its action is completed', ['deleted']],
    ['the ledger writes without looking at the fencing token', ['fenced']],
    ['the join is not verified', ['verified']],
    ['the account is removed by its name, whatever its stamp', ['strangers']],
    ['a renewal that fails does not stop the work', ['prompt', 'alone', 'deleted', 'accounted']],
    ['an account goes without a look at the hold after the search', ['alone', 'swept']],
    ['the names are not noted before the account is deleted', ['swept']],
    ['the sweep forgets the age guard', ['spared']],
    ['the sweep takes a failed call for an instance that is gone', ['spared']],
    ['the sweep pays what another holds the lease on', ['alone']],
    ['two sweep at a time', ['turns']],
  ] as const)(
    '%s',
    async (name, broken) => {
      const found = await search({ workers: 2, runs: ENOUGH, seed: 1, defect: defects[name] });
      expect(broken.map((promise) => `Error: ${promises[promise]}`)).toContain(found.broken?.split('\n')[0]);
      expect(found.played).toBeLessThan(ENOUGH);
      // The story is short enough to be read: the whole of it, one line an event.
      expect(found.broken?.split('\n').length).toBeLessThan(600);
      expect(found.broken).toMatch(/^Error: .*\n.*\nSeed 1, path [\d:]+, schedule \{/);
    },
    // Seconds on a machine that is not busy with other things.
    600_000,
  );
});
