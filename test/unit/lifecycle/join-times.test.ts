import { expect, test } from '@jest/globals';
import { joinSeconds } from '../../../agent/lifecycle/join-times.ts';
import { createWorld } from '../../support/world.ts';

const times = {
  received: 0,
  node: 12_000,
  probe: 13_500,
  stage: 13_750,
  join: 19_000,
  verify: 19_200,
  'post-join': 25_200,
};

test('steps follow each other from the time that the node was there, and are the whole together', () => {
  const seconds = joinSeconds(times, 10_000, 25_300);
  expect(seconds).toEqual({
    total: 15.3,
    slot: 2,
    probe: 1.5,
    stage: 0.25,
    join: 5.25,
    verify: 0.2,
    postJoin: 6,
    complete: 0.1,
  });
});

test('a step that did not happen is absent, one that was tried again has no negative time', () => {
  expect(joinSeconds({ node: 5_000, verify: 6_000, probe: 5_500 }, undefined, 6_500)).toEqual({
    total: 1.5,
    slot: 0,
    probe: 0.5,
    verify: 0.5,
    complete: 0.5,
  });
  expect(joinSeconds({ node: 9_000, probe: 8_000 }, 8_500, 9_500)).toMatchObject({ probe: 0, complete: 0.5 });
  expect(joinSeconds({ verify: 6_000 }, undefined, 6_500)).toBeUndefined();
});

const timed = (world: ReturnType<typeof createWorld>) =>
  world.log.filter(({ event }) => event === 'join timed').map(({ fields }) => fields);

test('a launch that is continued tells its times with its group, from the time that its node was there', async () => {
  const world = createWorld();
  world.node.registered = false;
  const began = world.clock.now();
  const handled = world.handler.handle(world.deliver(world.launch()));
  await world.clock.until(world.clock.sleep(30_000));
  world.node.registered = true;
  await world.clock.until(handled);
  const [fields, ...others] = timed(world);
  expect(others).toEqual([]);
  expect(fields).toMatchObject({ group: 'fleet', seconds: { total: expect.any(Number) } });
  const seconds: unknown = fields?.['seconds'];
  const total = Number(typeof seconds === 'object' && seconds ? Reflect.get(seconds, 'total') : NaN);
  // The 30 seconds before are the machine's, and not the join's.
  expect(total * 1000).toBeLessThanOrEqual(world.clock.now() - began - 30_000);
});

test('a launch that waits for a slot says for how long', async () => {
  const world = createWorld(1);
  const place = world.slots.enter({ transition: 'launching', group: 'another' });
  await place?.take(new AbortController().signal);
  const handled = world.handler.handle(world.deliver(world.launch()));
  await world.clock.until(world.clock.sleep(20_000));
  place?.leave();
  await world.clock.until(handled);
  expect(timed(world)).toMatchObject([{ seconds: { slot: expect.any(Number) } }]);
  const { slot, total }: { slot?: number; total?: number } = Object(timed(world)[0]?.['seconds']);
  expect(slot).toBeGreaterThan(15);
  expect(total).toBeGreaterThanOrEqual(slot ?? NaN);
});

test('a launch that fails and a termination tell none', async () => {
  const world = createWorld();
  world.node.joins = 'fails';
  await world.clock.until(world.handler.handle(world.deliver(world.launch())));
  expect(timed(world)).toEqual([]);
  const other = createWorld();
  await other.clock.until(other.handler.handle(other.deliver(other.terminate())));
  expect(timed(other)).toEqual([]);
});
