import { expect, test } from '@jest/globals';
import type { Ending } from '../../agent/terms.ts';
import { runs, search, seed, tellingRuns } from '../support/schedule-check.ts';

/** Every way in which a message can end, but for those that need a message of another kind. */
const endings: readonly Ending[] = [
  'joined',
  'abandoned',
  'held',
  'unjoined',
  'owed',
  'kept',
  'void',
  'handed-back',
  'failed',
];

/** What a sweep can come upon, but for its cap, and what may stop it. */
const found = [
  'run complete',
  'run incomplete',
  'debt removed',
  'debt kept failed',
  'debt kept in-work',
  'orphan removed',
  'orphan kept too-young',
  'orphan kept in-auto-scaling',
  'orphan kept in-work',
  'orphan kept unproven',
  'orphan kept failed',
  'orphan kept stopped',
  'ended removed',
  'ended kept too-young',
  'ended kept in-work',
  'ended kept unproven',
  'twin removed',
  'twin kept too-young',
  'vanished reported',
  'moved reported',
  'debt kept denied',
];

test.each([1, 2] as const)(
  'with this many workers: %i, whatever happens whenever it happens, every promise holds',
  async (workers) => {
    const half = Math.ceil(runs / 2);
    const outcome = await search({ workers, runs: half, seed });
    if (outcome.broken !== undefined) throw new Error(outcome.broken);
    expect(outcome.played).toBe(half);
    // Nothing but these happens, and all of them do with as many schedules as that takes. Fewer are for a quick look.
    const met = { endings: [...outcome.endings.keys()], found: [...outcome.swept.keys()] };
    const mustMeet = runs >= tellingRuns ? { endings, found } : { endings: [], found: [] };
    expect(endings).toEqual(expect.arrayContaining(met.endings));
    expect(met.endings).toEqual(expect.arrayContaining([...mustMeet.endings]));
    expect(met.found).toEqual(expect.arrayContaining(mustMeet.found));
  },
  // The time of a jest worker on a machine that is busy with other things; it takes a minute on one that is not.
  Math.max(600_000, runs * 60),
);
