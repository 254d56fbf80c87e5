import { describe, expect, test } from '@jest/globals';
import { play } from '../support/schedule-run.ts';
import { plainSchedule, type Happening, type Life, type Schedule } from '../support/schedule.ts';

const schedule = (lives: readonly Life[], happenings: readonly Happening[]): Schedule => ({
  ...plainSchedule,
  instances: [{ warm: false, lives }],
  happenings,
});

/** More calls than a launch makes, renewals left out. */
const CALLS = 40;

/** What becomes of the instance, and of its messages. */
async function ends(lives: readonly Life[], happenings: readonly Happening[]): Promise<string> {
  const { cloud, endings } = await play(schedule(lives, happenings));
  const [instance] = [...cloud.instances.values()];
  return `${instance?.state}: ${endings.join(', ')}`;
}

describe('a launch, whatever happens at whichever of its calls', () => {
  test.each(['join cut short', 'users unknown'] as const)(
    'and heals: %s: the node enters service when it resolves users',
    async (what) => {
      for (let nth = 1; nth <= CALLS; nth += 1) {
        const moment = { call: 'any', nth } as const;
        expect([nth, await ends([], [{ moment, what: [what] }])]).toEqual([nth, 'InService: joined']);
      }
    },
  );

  test('is given up when the node resolves none for long, and its account is removed', async () => {
    const moment = { call: 'nodes.join', nth: 1 } as const;
    const { cloud, domain, endings } = await play(
      schedule([], [{ moment, what: ['users unknown for long'] }]),
    );
    expect([...cloud.instances.values()].map(({ state }) => state)).toEqual(['gone']);
    expect([endings, domain.accounts.size]).toEqual([['abandoned'], 0]);
  });
});

describe('on its way out of the warm pool', () => {
  const lives = ['into the warm pool', 'out of the warm pool'] as const;

  test('a member on which sssd is down enters service when it is back', async () => {
    const moment = { call: 'nodes.join', nth: 2 } as const;
    expect(await ends(lives, [{ moment, what: ['users unknown'] }])).toBe('InService: joined, kept, joined');
  });

  test('a member on which sssd stays down does not', async () => {
    const moment = { call: 'nodes.join', nth: 2 } as const;
    expect(await ends(lives, [{ moment, what: ['users unknown for long'] }])).toBe(
      'gone: joined, kept, abandoned',
    );
  });
});
