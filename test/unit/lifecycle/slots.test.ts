import { beforeEach, describe, expect, test } from '@jest/globals';
import { AdjoinError } from '../../../agent/errors.ts';
import { createSlots, type Place, type Slots } from '../../../agent/lifecycle/slots.ts';
import type { Transition } from '../../../agent/terms.ts';
import { createVirtualClock, type VirtualClock } from '../../support/virtual-clock.ts';
import { createWorld, INSTANCE, type World } from '../../support/world.ts';

const EACH = 2;
/** Of each kind. */
const PLACES = 8 * EACH;
const open = new AbortController().signal;

let clock: VirtualClock;
let slots: Slots;
beforeEach(() => {
  clock = createVirtualClock();
  slots = createSlots(EACH, clock, PLACES);
});

function enter(transition: Transition = 'launching', group = 'fleet', deadline?: number): Place {
  const place = slots.enter({ transition, group });
  if (!place) throw new Error('There is no room.');
  if (deadline !== undefined) place.due(deadline);
  return place;
}

/** Whether the place has its slot by now. */
async function has(taken: Promise<void>): Promise<boolean> {
  return Promise.race([
    taken.then(() => true),
    new Promise<boolean>((resolve) => setImmediate(resolve, false)),
  ]);
}

describe('slots of a kind', () => {
  test('are taken by as many actions as there are; the others wait in their order', async () => {
    const places = [enter(), enter(), enter(), enter()];
    const taken = places.map((place) => place.take(open));
    expect(await Promise.all(taken.map(has))).toEqual([true, true, false, false]);
    places[1]?.leave();
    expect(await Promise.all(taken.map(has))).toEqual([true, true, true, false]);
    places[0]?.rest();
    expect(await Promise.all(taken.map(has))).toEqual([true, true, true, true]);
  });

  test('are not those of the other', async () => {
    for (let count = 0; count < PLACES; count += 1) void enter('launching').take(open);
    expect(slots.enter({ transition: 'launching', group: 'fleet' })).toBeUndefined();
    const terminations = [enter('terminating'), enter('terminating'), enter('terminating')];
    const taken = terminations.map((place) => place.take(open));
    expect(await Promise.all(taken.map(has))).toEqual([true, true, false]);
  });

  test('are taken once, and given back once', async () => {
    const [first, second, third] = [enter(), enter(), enter()];
    await first.take(open);
    await first.take(open);
    await second.take(open);
    first.rest();
    first.rest();
    first.leave();
    await third.take(open);
    expect(await has(enter().take(open))).toBe(false);
  });

  test('are taken again after a rest, behind those that wait already', async () => {
    const [first, second, third] = [enter(), enter(), enter()];
    await first.take(open);
    await second.take(open);
    const waiting = third.take(open);
    first.rest();
    expect(await has(waiting)).toBe(true);
    const again = first.take(open);
    expect(await has(again)).toBe(false);
    third.leave();
    expect(await has(again)).toBe(true);
  });

  test('are not given to one that has given up', async () => {
    const [first, second, gone, last] = [enter(), enter(), enter(), enter()];
    await first.take(open);
    await second.take(open);
    const stop = new AbortController();
    const given = gone.take(stop.signal);
    const waiting = last.take(open);
    stop.abort(new Error('stopped'));
    await expect(given).rejects.toThrow('stopped');
    await expect(gone.take(stop.signal)).rejects.toThrow('stopped');
    gone.leave();
    first.leave();
    expect(await has(waiting)).toBe(true);
    second.leave();
    expect(
      await has(
        enter()
          .take(stop.signal)
          .catch(() => undefined),
      ),
    ).toBe(true);
    expect(await has(enter().take(open))).toBe(true);
  });
});

describe('slots that several groups want', () => {
  /** Lets so many actions of a group in. @returns those that have a slot by now, with their places */
  async function crowd(group: string, count: number): Promise<Place[]> {
    const places = Array.from({ length: count }, () => enter('launching', group));
    const taken = places.map((place) => has(place.take(open)));
    const found = await Promise.all(taken);
    return places.filter((_, index) => found[index]);
  }

  test('are not all taken by one of them: an eighth stays free', async () => {
    slots = createSlots(64, clock);
    expect(await crowd('broken', 1_000)).toHaveLength(56);
    expect(await crowd('healthy', 4)).toHaveLength(4);
  });

  test('go to the group that has fewest, however long others have waited', async () => {
    slots = createSlots(8, clock);
    const working = await crowd('broken', 1_000);
    expect(working).toHaveLength(7);
    await crowd('other', 1);
    const late = enter('launching', 'healthy').take(open);
    expect(await has(late)).toBe(false);
    working[0]?.leave();
    working[1]?.leave();
    expect(await has(late)).toBe(true);
  });

  test('go within a group to the action whose time is up first', async () => {
    const places = [enter(), enter()];
    for (const place of places) await place.take(open);
    const taken = [300, 100, 200, 100].map((deadline) => enter('launching', 'fleet', deadline).take(open));
    places[0]?.leave();
    expect(await Promise.all(taken.map(has))).toEqual([false, true, false, false]);
    places[1]?.leave();
    expect(await Promise.all(taken.map(has))).toEqual([false, true, false, true]);
  });
});

describe('room', () => {
  test('is that of the kind which has most', () => {
    expect([slots.room, slots.places]).toEqual([PLACES, 2 * PLACES]);
    for (let count = 0; count < PLACES; count += 1) enter('launching');
    expect(slots.room).toBe(PLACES);
    enter('terminating');
    expect(slots.room).toBe(PLACES - 1);
    for (let count = 1; count < PLACES; count += 1) enter('terminating');
    expect(slots.room).toBe(0);
    expect(slots.enter({ transition: 'terminating', group: 'fleet' })).toBeUndefined();
  });

  test('comes back with each action that is over', () => {
    const places = Array.from({ length: PLACES }, () => enter());
    expect(slots.enter({ transition: 'launching', group: 'fleet' })).toBeUndefined();
    places[0]?.leave();
    expect(slots.enter({ transition: 'launching', group: 'fleet' })).toBeDefined();
  });
});

describe('the load', () => {
  test('is nothing where nothing is', () => {
    expect(slots.load()).toEqual({ working: 0, waiting: 0, here: 0, busy: 0, waitingSince: undefined });
  });

  test('counts what works, what waits for a slot, and since when', async () => {
    const [first, second] = [enter(), enter('launching', 'other')];
    await first.take(open);
    await second.take(open);
    void enter().take(open);
    const began = clock.now();
    clock.skip(5_000);
    void enter('launching', 'other').take(open);
    enter('terminating');
    expect(slots.load()).toEqual({ working: 2, waiting: 2, here: 5, busy: 1, waitingSince: began });
    first?.leave();
    expect(slots.load()).toEqual({ working: 2, waiting: 1, here: 4, busy: 1, waitingSince: began + 5_000 });
  });

  test('is that of the kind which has more to do: launches do not wait for the slots of terminations', async () => {
    await enter('terminating').take(open);
    expect(slots.load().busy).toBe(1 / 2);
  });

  test('is high also where actions without a slot fill all places', () => {
    for (let count = 0; count < PLACES; count += 1) enter('launching');
    expect(slots.load()).toMatchObject({ working: 0, waiting: 0, busy: 1, waitingSince: undefined });
  });
});

describe('an action', () => {
  let world: World;
  let calls: string[];
  beforeEach(() => {
    world = createWorld(1);
    calls = [];
    world.fault = (name) => void calls.push(name);
  });
  const handle = (message = world.launch()): Promise<void> => world.handler.handle(world.deliver(message));
  async function freeSlot(transition: Transition): Promise<boolean> {
    const place = world.slots.enter({ transition, group: 'fleet' });
    if (!place) throw new Error('There is no room.');
    const stop = new AbortController();
    const taken = place.take(stop.signal);
    const found = await has(taken);
    stop.abort(new Error('stopped'));
    await taken.catch(() => undefined);
    place.leave();
    return found;
  }
  async function occupy(transition: Transition): Promise<Place> {
    const place = world.slots.enter({ transition, group: 'fleet' });
    await place?.take(open);
    if (!place) throw new Error('There is no room.');
    return place;
  }

  test('without room is handed back before anything is asked, for another worker to have it soon', async () => {
    for (let count = 0; count < 8; count += 1) world.slots.enter({ transition: 'launching', group: 'fleet' });
    await world.clock.until(handle());
    expect(calls).toEqual(['queue.hide']);
    expect(world.hidden).toEqual([{ messageId: 'launch', seconds: 5 }]);
    expect(world.endings).toEqual(['handed-back']);
    await world.clock.until(handle(world.terminate()));
    expect(world.endings).toEqual(['handed-back', 'unjoined']);
  });

  test('that waits for a slot is admitted, and kept alive without a lease', async () => {
    const other = await occupy('launching');
    const handled = handle();
    await world.clock.advance(600_000);
    expect(calls.filter((call) => call === 'autoscaling.heartbeat').length).toBeGreaterThan(5);
    expect(calls.filter((call) => /^table|^nodes/.test(call))).toEqual(['nodes.wait']);
    other.leave();
    await world.clock.until(handled);
    expect(world.endings).toEqual(['joined']);
    expect(world.slots.room).toBe(8);
    expect(await freeSlot('launching')).toBe(true);
  });

  test('that waits for a slot is ended by a termination of its instance, which has a slot of its own', async () => {
    await occupy('launching');
    const launched = handle();
    await world.clock.advance(1_000);
    await world.clock.until(Promise.all([launched, handle(world.terminate())]));
    expect(world.endings.toSorted()).toEqual(['unjoined', 'void']);
    expect(await freeSlot('terminating')).toBe(true);
  });

  test('that waits for a slot goes back when the worker stops', async () => {
    await occupy('launching');
    const handled = handle();
    await world.clock.advance(1_000);
    world.handler.abortAll(new AdjoinError('draining', 'The worker stops.'));
    await world.clock.until(handled);
    expect(world.endings).toEqual(['handed-back']);
    expect(world.hidden).toEqual([{ messageId: 'launch', seconds: 0 }]);
  });

  test('that waits for its node has neither slot nor lease, and takes both before it goes on', async () => {
    world.node.registered = false;
    const handled = handle();
    await world.clock.advance(60_000);
    const other = await occupy('launching');
    world.node.registered = true;
    await world.clock.advance(600_000);
    expect(calls).not.toContain('nodes.probe');
    expect(world.table.get(INSTANCE)).toBeUndefined();
    other.leave();
    await world.clock.until(handled);
    expect(world.endings).toEqual(['joined']);
  });

  test('that waits between two attempts has no slot', async () => {
    world.fault = (name) => {
      if (name === 'directory.domain') throw new AdjoinError('directory-unavailable', 'down');
    };
    const handled = handle();
    await world.clock.advance(100_500);
    expect(await freeSlot('launching')).toBe(true);
    const other = await occupy('launching');
    world.fault = (name) => void calls.push(name);
    await world.clock.advance(100_000);
    expect(calls.filter((call) => /^nodes|^directory/.test(call))).toEqual([]);
    other.leave();
    await world.clock.until(handled);
    expect(world.endings).toEqual(['joined']);
  });

  test('works in its slot until it has only its answer to get, for which it may have to wait', async () => {
    /** Whether the slot was free when something was done for the first time. */
    const seen = new Map<string, boolean>();
    const look = (transition: Transition) => async (name: string) => {
      if (!seen.has(name)) seen.set(name, await freeSlot(transition));
    };
    world.fault = look('launching');
    await world.clock.until(handle());
    expect(seen.get('nodes.join')).toBe(false);
    expect(seen.get('directory.inspect')).toBe(false);
    expect(seen.get('autoscaling.complete CONTINUE')).toBe(true);
    seen.clear();
    world.fault = look('terminating');
    await world.clock.until(handle(world.terminate()));
    expect(seen.get('directory.remove')).toBe(false);
    expect(seen.get('table.write removed')).toBe(false);
    expect(seen.get('autoscaling.complete CONTINUE')).toBe(true);
    expect(await freeSlot('launching')).toBe(true);
    expect(await freeSlot('terminating')).toBe(true);
  });
});
