import { describe, expect, test } from '@jest/globals';
import { search } from '../support/schedule-check.ts';
import { defects } from '../support/schedule-defects.ts';
import { promises, type Promised } from '../support/schedule-invariants.ts';
import { slice } from '../support/slice.ts';

/** Fewer than are played when nothing is wrong. */
const ENOUGH = 4_000;

/** The mistake, the promises that it breaks, and the seed of a search that finds it. */
const expected: readonly (readonly [keyof typeof defects, readonly Promised[], number])[] = [
  ['the message is deleted before its action is completed', ['deleted'], 1],
  ['the ledger writes without looking at the fencing token', ['fenced'], 1],
  ['the join is not verified', ['verified'], 3],
  ['an earlier join is adopted by what keytab and directory say', ['usable'], 1],
  ['the account is removed by its name, whatever its stamp', ['strangers'], 1],
  ['an account that is not in its unit is taken for gone', ['removed'], 1],
  ['a renewal that fails does not stop the work', ['prompt', 'alone'], 1],
  ['an account goes without a check of the keep-alive after the search', ['alone'], 10],
  ['a termination is answered although DNS still knows the computer', ['forgotten'], 1],
  ['an answer that seems lost is followed by another one', ['once'], 6],
  ['a message goes back each time that the ledger is away', ['kept'], 3],
  ['the names are not noted before the account is deleted', ['swept'], 1],
  ['the sweep forgets the age guard', ['spared'], 1],
  ['the sweep takes a failed call for an instance that is gone', ['spared'], 11],
  // It takes a rare meeting: this seed has one.
  ['the sweep pays what another holds the lease on', ['alone'], 21],
  ['two sweep at a time', ['turns'], 1],
];

/** Of these the story is told in as few events as it takes, which costs more than to find them. */
const told = new Set(slice(expected, 2).map(([name]) => name));

describe('the schedules find it when', () => {
  test.each(expected)(
    '%s',
    async (name, broken, seed) => {
      const defect = defects[name];
      const shrink = told.has(name);
      const found = await search({ workers: 2, runs: ENOUGH, seed, defect, promised: broken, shrink });
      expect(broken.map((promise) => `Error: ${promises[promise]}`)).toContain(found.broken?.split('\n')[0]);
      expect(found.played).toBeLessThan(ENOUGH);
      // The story is short enough to be read: the whole of it, one line an event.
      expect(found.broken?.split('\n').length).toBeLessThan(shrink ? 600 : Number.POSITIVE_INFINITY);
      expect(found.broken).toMatch(/^Error: .*\n.*\nSeed \d+, path [\d:]+, schedule \{/);
    },
    // Seconds on a machine that is not busy with other things.
    600_000,
  );
});
