import { expect, test } from '@jest/globals';
import { play } from '../support/schedule-run.ts';
import { isMember } from '../support/schedule-domain.ts';
import { plainSchedule, type Happening, type Life, type Schedule } from '../support/schedule.ts';

const schedule = (lives: readonly Life[], happenings: readonly Happening[]): Schedule => ({
  ...plainSchedule,
  instances: [{ warm: false, lives }],
  happenings,
});

/** More calls than the three actions make together, renewals left out. */
const CALLS = 90;

test('an instance that returns to the pool and leaves it again stays a member, whenever a worker dies', async () => {
  for (let nth = 0; nth <= CALLS; nth += 1) {
    const { cloud, domain } = await play(
      schedule(
        ['into the warm pool', 'out of the warm pool'],
        [{ moment: { call: 'any', nth }, what: ['worker killed'] }],
      ),
    );
    const [instance] = [...cloud.instances.values()];
    const actions = [...cloud.actions.values()].map(
      ({ transition, origin, destination, ended }) =>
        `${transition} ${origin} ${destination}: ${ended?.by} ${ended?.result}`,
    );
    expect([nth, instance?.state, ...actions]).toEqual([
      nth,
      'InService',
      'launching EC2 AutoScalingGroup: worker CONTINUE',
      'terminating AutoScalingGroup WarmPool: worker CONTINUE',
      'launching WarmPool AutoScalingGroup: worker CONTINUE',
    ]);
    expect(isMember(domain, instance?.id ?? '')).toBe(true);
  }
});

test('a return to the pool counts as kept, and the way out of it as joined', async () => {
  const { endings } = await play(schedule(['into the warm pool', 'out of the warm pool'], []));
  expect(endings).toEqual(['joined', 'kept', 'joined']);
});

test('a new root volume is joined again, by the same instance', async () => {
  const { cloud, domain, endings } = await play(schedule(['root volume replaced'], []));
  const [instance] = [...cloud.instances.values()];
  expect(instance?.state).toBe('InService');
  expect(isMember(domain, instance?.id ?? '')).toBe(true);
  expect(endings).toEqual(['joined', 'unjoined', 'joined']);
});
