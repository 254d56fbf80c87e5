import { beforeEach, describe, expect, test } from '@jest/globals';
import { AdjoinError } from '../../agent/errors.ts';
import { createWorker, type Worker } from '../../agent/worker.ts';
import { createMemoryLog, type MemoryLog } from '../support/memory-log.ts';
import { createVirtualClock, type VirtualClock } from '../support/virtual-clock.ts';

const POLL_MS = 20_000;
const DRAIN_MS = 60_000;
/** As many messages as are handled at a time. */
const PLACES = 12;

let clock: VirtualClock;
let start: number;
/** What waits in the queue; a poll hands out at most ten. */
let queue: string[];
/** The maximum that each poll was given, and when it began. */
let polls: { maximum: number; at: number }[];
/** Whether polls stay without an answer. */
let silent: boolean;
let receiveFault: (() => void) | undefined;
/** Messages in progress, with what ends them. */
let working: Map<string, () => void>;
let received: Map<string, number>;
let peak: number;
/** Places that the slots have left for the kind that has most room. */
let room: () => number;
let handedBack: string[];
let handBackFault: Error | undefined;
let aborted: AdjoinError[];
let log: MemoryLog;
let worker: Worker;

beforeEach(() => {
  clock = createVirtualClock();
  start = clock.now();
  queue = [];
  polls = [];
  receiveFault = undefined;
  silent = false;
  working = new Map();
  received = new Map();
  peak = 0;
  room = () => PLACES - working.size;
  handedBack = [];
  handBackFault = undefined;
  aborted = [];
  log = createMemoryLog();
  worker = createWorker({
    queue: {
      async receive(maximum) {
        polls.push({ maximum, at: clock.now() - start });
        receiveFault?.();
        const deadline = clock.now() + POLL_MS;
        while (silent || (queue.length === 0 && clock.now() < deadline)) await clock.sleep(500);
        const picked = queue.splice(0, Math.min(10, maximum));
        return picked.map((messageId) => ({ messageId, body: '', receiveCount: 1 }));
      },
      async hide({ messageId }, seconds) {
        if (seconds > 0) throw new RangeError('A worker hides nothing by itself.');
        handedBack.push(messageId);
        if (handBackFault) throw handBackFault;
      },
      async remove() {
        throw new TypeError('A worker deletes nothing by itself.');
      },
    },
    handler: {
      async handle({ messageId, receivedAt }) {
        received.set(messageId, receivedAt - start);
        const { promise, resolve } = Promise.withResolvers<void>();
        working.set(messageId, resolve);
        peak = Math.max(peak, working.size);
        await promise;
        working.delete(messageId);
      },
      abortAll(reason) {
        aborted.push(reason);
        for (const end of working.values()) end();
      },
    },
    visibilityMs: 120_000,
    slots: {
      places: PLACES,
      get room() {
        return room();
      },
    },
    drainMs: DRAIN_MS,
    pauses: { firstMs: 2_000, longestMs: 30_000, random: () => 0 },
    clock,
    log,
  });
});

const messages = (count: number): string[] => Array.from({ length: count }, (_, index) => `m${index}`);
const finish = (message: string): void => working.get(message)?.();

describe('a worker', () => {
  test('works on what it receives side by side, and never on more than it has places', async () => {
    queue = messages(30);
    void worker.run();
    await clock.advance(1_000);
    expect(working.size).toBe(PLACES);
    expect(polls.map((poll) => poll.maximum)).toEqual([12, 2]);
    finish('m0');
    await clock.advance(0);
    expect(polls.at(-1)?.maximum).toBe(1);
    while (queue.length > 0 || working.size > 0) {
      for (const message of working.keys()) finish(message);
      await clock.advance(1_000);
    }
    expect(received.size).toBe(30);
    expect(peak).toBe(PLACES);
  });

  test('receives nothing while its places are taken', async () => {
    queue = messages(PLACES);
    void worker.run();
    await clock.advance(3_600_000);
    expect(polls).toHaveLength(2);
  });

  test('receives while there is room for one kind of action, and as many as that', async () => {
    room = () => 3;
    queue = messages(PLACES);
    void worker.run();
    await clock.advance(1_000);
    expect(polls.map((poll) => poll.maximum)).toEqual([3, 3, 3, 3]);
    finish('m0');
    room = () => 0;
    await clock.advance(3_600_000);
    expect(polls).toHaveLength(4);
  });

  test('receives no more than it has places for, though messages that ask for nothing take none', async () => {
    room = () => PLACES;
    queue = messages(30);
    void worker.run();
    await clock.advance(1_000);
    expect(working.size).toBe(PLACES);
    expect(polls.map((poll) => poll.maximum)).toEqual([12, 2]);
  });

  test('polls on when nothing comes', async () => {
    void worker.run();
    await clock.advance(100_000);
    expect(polls.map((poll) => poll.at)).toEqual([0, 20_000, 40_000, 60_000, 80_000, 100_000]);
  });

  test('counts a message from the poll, or from a second before its answer', async () => {
    queue = ['at-once'];
    void worker.run();
    await clock.advance(10_100);
    queue = ['later'];
    await clock.advance(1_000);
    expect(received.get('at-once')).toBe(0);
    expect(received.get('later')).toBe(10_500 - 1_000);
  });

  test('waits longer after each failed receive, and no longer after one that works', async () => {
    let failures = 3;
    receiveFault = () => {
      failures -= 1;
      if (failures >= 0) throw new AdjoinError('aws-unavailable', 'no answer');
    };
    void worker.run();
    await clock.advance(14_000);
    expect(polls.map((poll) => poll.at)).toEqual([0, 2_000, 6_000, 14_000]);
    expect(log.lines.map(({ fields }) => fields['pauseMs'])).toEqual([2_000, 4_000, 8_000]);
    await clock.advance(POLL_MS - 1);
    failures = 1;
    await clock.advance(2_001);
    expect(polls.map((poll) => poll.at).slice(4)).toEqual([34_000, 36_000]);
  });
});

describe('a worker that is told to stop', () => {
  test('waits for its work, then ends', async () => {
    queue = ['m0', 'm1'];
    const running = worker.run();
    await clock.advance(1_000);
    worker.stop();
    await clock.advance(POLL_MS);
    finish('m0');
    await clock.advance(5_000);
    finish('m1');
    await clock.until(running);
    expect(aborted).toEqual([]);
    expect(clock.now() - start).toBeLessThan(DRAIN_MS);
  });

  test('does not cut its long poll, and hands back what that still brings', async () => {
    const running = worker.run();
    await clock.advance(5_000);
    worker.stop();
    await clock.advance(4_900);
    queue = ['m0', 'm1'];
    await clock.until(running);
    expect(clock.now() - start).toBe(10_000);
    expect(handedBack).toEqual(['m0', 'm1']);
    expect(received.size).toBe(0);
    expect(polls).toHaveLength(1);
  });

  test('ends although handing back fails', async () => {
    handBackFault = new Error('no answer');
    const running = worker.run();
    await clock.advance(5_000);
    worker.stop();
    queue = ['m0', 'm1'];
    await expect(clock.until(running)).resolves.toBeUndefined();
    expect(handedBack).toEqual(['m0', 'm1']);
  });

  test('aborts what is left when the time is up, counted from the stop', async () => {
    queue = ['m0', 'm1'];
    const running = worker.run();
    await clock.advance(1_000);
    worker.stop();
    await clock.advance(DRAIN_MS - 1);
    expect(aborted).toEqual([]);
    expect(working.size).toBe(2);
    await clock.advance(1);
    await running;
    expect(aborted.map((reason) => reason.code)).toEqual(['draining']);
    expect(clock.now() - start).toBe(1_000 + DRAIN_MS);
  });

  test('aborts what is left in time although SQS keeps silent', async () => {
    queue = ['m0'];
    const running = worker.run();
    await clock.advance(1_000);
    silent = true;
    await clock.advance(POLL_MS);
    worker.stop();
    await clock.advance(DRAIN_MS);
    expect(aborted.map((reason) => reason.code)).toEqual(['draining']);
    expect(working.size).toBe(0);
    silent = false;
    await clock.until(running);
  });

  test('drains in its time also when every place is taken', async () => {
    queue = messages(PLACES);
    const running = worker.run();
    await clock.advance(1_000);
    expect(working.size).toBe(PLACES);
    worker.stop();
    await clock.until(running);
    expect(clock.now() - start).toBe(1_000 + DRAIN_MS);
    expect(aborted).toHaveLength(1);
  });

  test('is not made to wait longer by a second stop', async () => {
    queue = ['m0'];
    const running = worker.run();
    await clock.advance(1_000);
    worker.stop();
    await clock.advance(30_000);
    worker.stop();
    await clock.until(running);
    expect(clock.now() - start).toBe(1_000 + DRAIN_MS);
  });

  test('does not wait for the next try after a failed receive', async () => {
    receiveFault = () => {
      throw new AdjoinError('aws-unavailable', 'no answer');
    };
    const running = worker.run();
    await clock.advance(500);
    worker.stop();
    await clock.until(running);
    expect(clock.now() - start).toBe(500);
  });

  test('before it runs receives nothing', async () => {
    worker.stop();
    await clock.until(worker.run());
    expect(polls).toEqual([]);
  });
});
