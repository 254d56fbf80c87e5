import { beforeEach, describe, expect, test } from '@jest/globals';
import { AdjoinError } from '../../../agent/errors.ts';
import {
  createPoller,
  type Invocation,
  type ListedInvocation,
  type Poller,
} from '../../../agent/nodes/poller.ts';
import { createVirtualClock, type VirtualClock } from '../../support/virtual-clock.ts';

const open = new AbortController().signal;
const HOUR = 3_600_000;

let clock: VirtualClock;
let start: number;
/** Looks at each command, milliseconds since the start. */
let looks: Map<string, number[]>;
/** The status of each node by command. */
let commands: Map<string, Map<string, string>>;
let fault: (() => void) | undefined;
/** Of listings alone. */
let listingFault: (() => void) | undefined;
/** Times at which all was listed, with the time since which. */
let listings: { readonly at: number; readonly since: number }[];
/** What a listing does not show, page by page what it shows besides, and when each command was sent. */
let hidden: Set<string>;
let others: ListedInvocation[];
let sentAt: Map<string, number>;
let pagesRead: number;
let poller: Poller;

const pollerOf = (intervalMs: number): Poller =>
  createPoller({
    clock,
    intervalMs,
    async *listSince(since) {
      listings.push({ at: clock.now() - start, since: since - start });
      listingFault?.();
      const shown = [...commands]
        .filter(([commandId]) => !hidden.has(commandId) && (sentAt.get(commandId) ?? -1) >= since)
        .flatMap(([commandId, nodes]) =>
          [...nodes].map(([instanceId, status]): ListedInvocation => ({
            commandId,
            instanceId,
            status,
            detail: status,
            output: `${commandId} on ${instanceId}`,
          })),
        );
      const all = [...others, ...shown];
      for (let from = 0; from === 0 || from < all.length; from += 50) {
        fault?.();
        pagesRead += 1;
        yield all.slice(from, from + 50);
      }
    },
    async list(commandId) {
      looks.set(commandId, [...(looks.get(commandId) ?? []), clock.now() - start]);
      fault?.();
      return [...(commands.get(commandId) ?? [])].map(([instanceId, status]): Invocation => ({
        instanceId,
        status,
        detail: status,
        output: `${commandId} on ${instanceId}`,
      }));
    },
  });

beforeEach(() => {
  clock = createVirtualClock();
  start = clock.now();
  looks = new Map();
  commands = new Map();
  fault = undefined;
  listingFault = undefined;
  listings = [];
  hidden = new Set();
  others = [];
  sentAt = new Map();
  pagesRead = 0;
  poller = pollerOf(1_000);
});

const throttled = (): never => {
  throw new AdjoinError('aws-throttled', 'Rate exceeded');
};
const wait = (
  commandId: string,
  instanceId: string,
  ms = HOUR,
  signal = open,
  kind = 'probe',
): Promise<Invocation> => {
  const waiting = poller.wait(
    { commandId, requestedAt: sentAt.get(commandId) },
    instanceId,
    start + ms,
    signal,
    kind,
  );
  waiting.catch(() => undefined);
  return waiting;
};

describe('the poller', () => {
  test('asks once a command, however many nodes it runs on, and gives each its own invocation', async () => {
    const nodes = Array.from({ length: 50 }, (_, index) => `i-${index}`);
    commands.set('one', new Map(nodes.map((node) => [node, 'InProgress'])));
    const waiting = nodes.map((node) => wait('one', node));
    await clock.advance(3_500);
    expect(looks.get('one')).toEqual([1_000, 2_000, 3_000]);
    commands.set('one', new Map(nodes.map((node) => [node, 'Success'])));
    await clock.advance(1_000);
    const found = await Promise.all(waiting);
    expect(found.map((invocation) => invocation.output)).toEqual(nodes.map((node) => `one on ${node}`));
  });

  test.each(['Pending', 'InProgress', 'Delayed', 'Cancelling'])('waits on at %s', async (status) => {
    commands.set('one', new Map([['i-1', status]]));
    let settled = false;
    void wait('one', 'i-1').finally(() => {
      settled = true;
    });
    await clock.advance(10_000);
    expect(settled).toBe(false);
  });

  test.each(['Success', 'Failed', 'TimedOut', 'Cancelled', 'Undeliverable', 'SomethingNew'])(
    'ends at %s',
    async (status) => {
      commands.set('one', new Map([['i-1', status]]));
      await expect(clock.until(wait('one', 'i-1'))).resolves.toMatchObject({ status });
    },
  );

  test('waits for an invocation that is not listed yet', async () => {
    const waiting = wait('one', 'i-1');
    await clock.advance(2_000);
    commands.set('one', new Map([['i-1', 'Success']]));
    await expect(clock.until(waiting)).resolves.toMatchObject({ status: 'Success' });
  });

  test('stops looking when no caller waits, and begins again for the next', async () => {
    commands.set('one', new Map([['i-1', 'Success']]));
    await clock.until(wait('one', 'i-1'));
    await clock.advance(60_000);
    expect(looks.get('one')).toEqual([1_000]);
    commands.set('two', new Map([['i-1', 'Success']]));
    await clock.until(wait('two', 'i-1'));
    expect(looks.get('two')).toEqual([62_000]);
  });

  test('slows down for all while it is throttled, up to fifteen seconds, and recovers', async () => {
    commands.set('one', new Map([['i-1', 'InProgress']]));
    commands.set('two', new Map([['i-2', 'InProgress']]));
    void wait('one', 'i-1');
    void wait('two', 'i-2');
    fault = throttled;
    await clock.advance(91_000);
    expect(looks.get('one')).toEqual([1_000, 3_000, 7_000, 15_000, 30_000, 45_000, 60_000, 75_000, 90_000]);
    expect(looks.get('two')).toEqual(looks.get('one'));
    fault = undefined;
    await clock.advance(120_000);
    const late = looks.get('one')?.slice(-2) ?? [];
    expect((late[1] ?? 0) - (late[0] ?? 0)).toBe(5_000);
    commands.set('three', new Map([['i-3', 'InProgress']]));
    void wait('three', 'i-3');
    await clock.advance(3_000);
    expect(looks.get('three')).toHaveLength(3);
  });

  test('looks less often at a command that runs long, and each five seconds at last', async () => {
    commands.set('one', new Map([['i-1', 'InProgress']]));
    void wait('one', 'i-1');
    await clock.advance(95_000);
    const seconds = (looks.get('one') ?? []).map((at) => Math.round(at / 100) / 10);
    expect(seconds).toEqual([
      1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18.1, 19.2, 20.4, 21.7, 23, 24.5, 26, 27.6,
      29.3, 31.2, 33.1, 35.2, 37.4, 39.7, 42.2, 44.8, 47.6, 50.6, 53.8, 57.2, 60.7, 64.5, 68.6, 72.8, 77.4,
      82.2, 87.2, 92.2,
    ]);
  });

  test('looks more often for a while once a node of the command has ended: the others have begun with it', async () => {
    commands.set(
      'one',
      new Map([
        ['i-1', 'InProgress'],
        ['i-2', 'InProgress'],
      ]),
    );
    const first = wait('one', 'i-1');
    void wait('one', 'i-2');
    await clock.advance(60_000);
    commands.set(
      'one',
      new Map([
        ['i-1', 'Success'],
        ['i-2', 'InProgress'],
      ]),
    );
    await clock.until(first);
    const began = clock.now() - start;
    await clock.advance(25_000);
    const seconds = (looks.get('one') ?? [])
      .filter((at) => at >= began)
      .map((at) => Math.round((at - began) / 100) / 10);
    expect(seconds).toEqual([0, 1, 2, 3, 4, 5, 6.3, 7.8, 9.8, 12.2, 15.3, 19.1, 23.8]);
  });

  test('looks first when the quickest of its kind could have ended', async () => {
    commands.set('one', new Map([['i-1', 'InProgress']]));
    const waiting = wait('one', 'i-1', HOUR, open, 'join');
    await clock.advance(20_000);
    commands.set('one', new Map([['i-1', 'Success']]));
    await clock.until(waiting);
    const began = clock.now() - start;
    commands.set('three', new Map([['i-1', 'InProgress']]));
    commands.set('probe', new Map([['i-1', 'InProgress']]));
    void wait('three', 'i-1', HOUR, open, 'join');
    void wait('probe', 'i-1');
    await clock.advance(20_000);
    const first = ((looks.get('three')?.[0] ?? 0) - began) / 1000;
    // It took twenty seconds, or a little more until that was seen.
    expect(first).toBeGreaterThanOrEqual(16);
    expect(first).toBeLessThanOrEqual(20);
    expect(((looks.get('probe')?.[0] ?? 0) - began) / 1000).toBeLessThanOrEqual(1);
  });

  test('looks first after the least time of a kind of which nothing is known yet', async () => {
    commands.set('one', new Map([['i-1', 'Success']]));
    await clock.until(
      poller.wait({ commandId: 'one', requestedAt: undefined }, 'i-1', start + HOUR, open, 'join', 3_000),
    );
    expect(looks.get('one')).toEqual([3_000]);
  });

  test('finds out that commands of a kind have become quicker', async () => {
    let took = 0;
    for (const id of ['one', 'two', 'three', 'four', 'five']) {
      commands.set(id, new Map([['i-1', 'InProgress']]));
      const waiting = wait(id, 'i-1');
      await clock.advance(id === 'one' ? 20_000 : 500);
      commands.set(id, new Map([['i-1', 'Success']]));
      const began = clock.now();
      await clock.until(waiting);
      took = clock.now() - began;
    }
    expect(took).toBeLessThan(12_000);
  });

  test('is never sped up by throttling, however rarely it looks', async () => {
    poller = pollerOf(60_000);
    commands.set('one', new Map([['i-1', 'InProgress']]));
    fault = throttled;
    void wait('one', 'i-1');
    await clock.advance(200_000);
    expect(looks.get('one')).toEqual([60_000, 120_000, 180_000]);
  });

  test('keeps its pace after a failure of another kind, and goes on', async () => {
    commands.set('one', new Map([['i-1', 'Success']]));
    let failures = 3;
    fault = () => {
      failures -= 1;
      if (failures >= 0) throw new AdjoinError('aws-unavailable', 'socket hang up');
    };
    await clock.until(wait('one', 'i-1'));
    expect(looks.get('one')).toEqual([1_000, 2_000, 3_000, 4_000]);
  });

  test('gives a command up at its deadline, with what was last seen of it', async () => {
    commands.set('one', new Map([['i-1', 'InProgress']]));
    await expect(clock.until(wait('one', 'i-1', 5_000))).rejects.toMatchObject({
      code: 'command-failed',
      message: 'Command one on i-1 has not ended in time: it is InProgress.',
    });
    expect(clock.now() - start).toBe(5_000);
    await expect(clock.until(wait('one', 'i-2', 9_000))).rejects.toThrow('it is not listed');
  });

  test.each(['aws-throttled', 'aws-denied', 'aws-unavailable'] as const)(
    'blames AWS (%s), not the node, when it can’t see at the deadline how a command fares',
    async (code) => {
      commands.set('one', new Map([['i-1', 'InProgress']]));
      const cause = new AdjoinError(code, 'Rate exceeded');
      fault = () => {
        throw cause;
      };
      await expect(clock.until(wait('one', 'i-1', 5_000))).rejects.toMatchObject({
        code,
        message: 'Command one on i-1 has not been seen to end: Rate exceeded',
        cause,
      });
    },
  );

  test('takes an end that is seen at the deadline for an end', async () => {
    commands.set('one', new Map([['i-1', 'Success']]));
    await expect(clock.until(wait('one', 'i-1', 0))).resolves.toMatchObject({ status: 'Success' });
  });

  test('lets a waiter go at once when its signal aborts, and asks no more for it', async () => {
    const controller = new AbortController();
    commands.set('one', new Map([['i-1', 'InProgress']]));
    const waiting = wait('one', 'i-1', HOUR, controller.signal);
    await clock.advance(2_500);
    const stop = new AdjoinError('draining', 'stop');
    controller.abort(stop);
    await expect(waiting).rejects.toBe(stop);
    await clock.advance(60_000);
    expect(looks.get('one')).toEqual([1_000, 2_000]);
    await expect(wait('one', 'i-1', HOUR, controller.signal)).rejects.toBe(stop);
  });

  test('goes on for the others of a command when one leaves it', async () => {
    const controller = new AbortController();
    commands.set(
      'one',
      new Map([
        ['i-1', 'InProgress'],
        ['i-2', 'InProgress'],
      ]),
    );
    void wait('one', 'i-1', HOUR, controller.signal);
    const stays = wait('one', 'i-2');
    await clock.advance(2_500);
    controller.abort(new AdjoinError('draining', 'stop'));
    commands.set('one', new Map([['i-2', 'Success']]));
    await expect(clock.until(stays)).resolves.toMatchObject({ instanceId: 'i-2' });
  });
});

describe('several commands', () => {
  /** So many commands on one node each, sent now. */
  function running(count: number, each = 'c', ms = HOUR): Promise<Invocation>[] {
    return Array.from({ length: count }, (_, index) => {
      const id = `${each}-${index}`;
      commands.set(id, new Map([[`i-${id}`, 'InProgress']]));
      sentAt.set(id, clock.now());
      return wait(id, `i-${id}`, ms);
    });
  }
  const end = (id: string, status = 'Success'): void => void commands.set(id, new Map([[`i-${id}`, status]]));
  const looksAlone = (): number => [...looks.values()].flat().length;

  test('are looked up in one listing of what was sent since the oldest of them', async () => {
    void running(1, 'a');
    await clock.advance(500);
    const waiting = running(24, 'b');
    await clock.advance(1_600);
    expect(looksAlone()).toBe(1);
    expect(listings).toEqual([{ at: 2_000, since: 0 }]);
    for (let index = 0; index < 24; index += 1) end(`b-${index}`);
    const found = await clock.until(Promise.all(waiting));
    expect(found.map(({ output }) => output)).toEqual(
      Array.from({ length: 24 }, (_, index) => `b-${index} on i-b-${index}`),
    );
    expect(looksAlone()).toBe(1);
    expect(pagesRead).toBe(2);
  });

  test('are looked up one by one where that takes no more pages', async () => {
    for (const id of ['one', 'two']) {
      const nodes = Array.from({ length: 50 }, (_, index) => `i-${index}`);
      commands.set(id, new Map(nodes.map((node) => [node, 'InProgress'])));
      sentAt.set(id, clock.now());
      for (const node of nodes) void wait(id, node);
    }
    await clock.advance(1_500);
    expect(listings).toEqual([]);
    expect(looksAlone()).toBe(2);
  });

  test('a command that the listing does not show is asked for by its ID', async () => {
    const waiting = running(6);
    hidden.add('c-3');
    await clock.advance(1_500);
    expect(listings).toHaveLength(1);
    end('c-3', 'Failed');
    await expect(clock.until(waiting[3] ?? Promise.reject(new Error('none')))).resolves.toMatchObject({
      status: 'Failed',
    });
    expect(looks.get('c-3')).toEqual([2_000]);
    expect(looksAlone()).toBe(1);
  });

  test('a listing that shows some nodes of a command leaves the others to a look by its ID', async () => {
    void running(6);
    commands.set(
      'two',
      new Map([
        ['i-1', 'Success'],
        ['i-2', 'Success'],
      ]),
    );
    hidden.add('two');
    others = [{ commandId: 'two', instanceId: 'i-1', status: 'Success', detail: 'Success', output: '' }];
    sentAt.set('two', clock.now());
    const both = [wait('two', 'i-1'), wait('two', 'i-2')];
    await expect(clock.until(Promise.all(both))).resolves.toHaveLength(2);
    expect(looks.get('two')).toEqual([2_000]);
  });

  test('are asked for one by one for a minute after commands of others have filled the pages', async () => {
    others = Array.from({ length: 5_000 }, (_, index): ListedInvocation => ({
      commandId: `foreign-${index}`,
      instanceId: 'i-0',
      status: 'Success',
      detail: 'Success',
      output: '',
    }));
    const waiting = running(6);
    for (let index = 0; index < 6; index += 1) end(`c-${index}`);
    await expect(clock.until(Promise.all(waiting))).resolves.toHaveLength(6);
    // As many pages as there are commands, and then each by itself, in the same look.
    expect(clock.now() - start).toBe(1_000);
    expect(pagesRead).toBe(6);
    void running(6, 'd');
    await clock.advance(50_000);
    expect(listings).toHaveLength(1);
    await clock.advance(20_000);
    expect(listings.length).toBeGreaterThan(1);
  });

  test('a command is given up at its deadline only after a look by its ID', async () => {
    hidden.add('c-0');
    const [late = Promise.reject(new Error('none'))] = running(1, 'c', 1_000);
    void running(8, 'd');
    await expect(clock.until(late)).rejects.toThrow('Command c-0 on i-c-0 has not ended in time');
    expect(looks.get('c-0')).toEqual([1_000]);
  });

  test('a listing that takes beyond a deadline gives nothing up', async () => {
    poller = createPoller({
      clock,
      intervalMs: 1_000,
      async *listSince() {
        await clock.sleep(5_000);
        yield [];
      },
      async list(commandId) {
        return [{ instanceId: `i-${commandId}`, status: 'Success', detail: 'Success', output: '' }];
      },
    });
    await expect(clock.until(Promise.all(running(6, 'c', 3_000)))).resolves.toHaveLength(6);
  });

  test('slow down when the listing is throttled, and none of them fails', async () => {
    const waiting = running(6);
    fault = throttled;
    await clock.advance(8_000);
    expect(listings.map(({ at }) => at)).toEqual([1_000, 3_000, 7_000]);
    fault = undefined;
    for (let index = 0; index < 6; index += 1) end(`c-${index}`);
    await expect(clock.until(Promise.all(waiting))).resolves.toHaveLength(6);
  });

  test.each(['aws-denied', 'aws-refused', 'aws-unavailable'] as const)(
    'are asked for one by one, in the same look and for a minute, when the listing fails with %s',
    async (code) => {
      listingFault = () => {
        throw new AdjoinError(code, 'no listing');
      };
      const waiting = running(6);
      for (let index = 0; index < 6; index += 1) end(`c-${index}`);
      await expect(clock.until(Promise.all(waiting))).resolves.toHaveLength(6);
      expect(clock.now() - start).toBe(1_000);
      void running(6, 'd');
      await clock.advance(50_000);
      expect(listings).toHaveLength(1);
    },
  );

  test('one whose time the service has not said is never left to a listing', async () => {
    void running(6);
    commands.set('two', new Map([['i-1', 'Success']]));
    await expect(clock.until(wait('two', 'i-1'))).resolves.toMatchObject({ status: 'Success' });
    expect(looks.get('two')).toEqual([1_000]);
  });
});

test('what an outage has taught is forgotten when all have ended by the first look, which is after a minute at most', async () => {
  commands.set('one', new Map([['i-1', 'InProgress']]));
  const slow = wait('one', 'i-1');
  await clock.advance(600_000);
  commands.set('one', new Map([['i-1', 'Success']]));
  await clock.until(slow);
  const took: number[] = [];
  for (const id of ['two', 'three']) {
    commands.set(id, new Map([['i-1', 'Success']]));
    const began = clock.now();
    await clock.until(wait(id, 'i-1'));
    took.push(clock.now() - began);
  }
  expect(took).toEqual([60_000, 1_000]);
});
