import { expect, test } from '@jest/globals';
import { runs, search, seed } from '../support/schedule-check.ts';

test(
  'with one worker, whatever happens whenever it happens, every promise holds',
  async () => {
    const { played, endings, broken } = await search({ workers: 1, runs: Math.ceil(runs / 2), seed });
    if (broken !== undefined) throw new Error(broken);
    expect(played).toBe(Math.ceil(runs / 2));
    // The schedules reach every way that a message can end, but for those that need a message of another kind.
    const reached = [
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
    expect([...endings.keys()].toSorted()).toEqual(reached.toSorted());
  },
  // The time of a jest worker on a machine that is busy with other things; it takes half a minute on one that is not.
  Math.max(600_000, runs * 60),
);
