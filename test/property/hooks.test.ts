import { describe, expect, test } from '@jest/globals';
import { slice } from '../support/slice.ts';
import { play } from '../support/schedule-run.ts';
import { plainSchedule, type Happening, type Schedule } from '../support/schedule.ts';

/** Seconds between heartbeats: the shortest that a hook can have, the longest, and what lies between. */
const heartbeats = slice([30, 7_200, 60, 300], 2);
/** More calls than a launch and a termination make together, renewals left out. */
const CALLS = 70;

const schedule = (launching: number, terminating: number, happening: Happening): Schedule => ({
  ...plainSchedule,
  instances: [{ warm: false, lives: ['scale-in'] }],
  latencies: [200],
  happenings: [happening],
  heartbeats: { launching, terminating },
});

/** How each action of the instance ended, when this happens at this call. */
async function ends(launching: number, terminating: number, happening: Happening): Promise<string[]> {
  const { cloud } = await play(schedule(launching, terminating, happening));
  return [...cloud.actions.values()].map(({ transition, ended }) => `${transition}: ${ended?.by}`);
}

test('a second message waits for the lease of a worker that lives, however short the hook, and is no dead letter', async () => {
  const found = await ends(30, 30, {
    moment: { call: 'directory.stage', nth: 1 },
    what: ['message again', 'directory away for long'],
  });
  expect(found).toEqual(['launching: worker']);
});

const each = Array.from({ length: CALLS }, (_, index) => index + 1);

describe.each(heartbeats)('with %d s between heartbeats', (heartbeat) => {
  test('no action times out because a worker dies, whenever it dies', async () => {
    for (const nth of each) {
      const found = await ends(heartbeat, heartbeat, {
        moment: { call: 'any', nth },
        what: ['worker killed'],
      });
      expect([nth, ...found]).toEqual([nth, 'launching: worker', 'terminating: worker']);
    }
  });

  test.each(heartbeats)(
    'a termination with %d s meets the lease of a dead worker, and does not time out',
    async (terminating) => {
      for (const nth of each) {
        const what = ['scale-in', 'worker killed'] as const;
        const found = await ends(heartbeat, terminating, { moment: { call: 'any', nth }, what });
        expect([nth, found.at(-1)]).toEqual([nth, 'terminating: worker']);
        expect(found).not.toContain('launching: time-out');
      }
    },
  );
});
