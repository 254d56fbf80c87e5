import { beforeEach, describe, expect, test } from '@jest/globals';
import { type Batch, createBatch } from '../../agent/batch.ts';
import { createVirtualClock, type VirtualClock } from '../support/virtual-clock.ts';

let clock: VirtualClock;
let runs: string[][];
let run: (items: readonly string[]) => Promise<readonly (string | Error)[]>;
let batch: Batch<string, string>;

beforeEach(() => {
  clock = createVirtualClock();
  runs = [];
  run = async (items) => items.map((item) => item.toUpperCase());
  batch = createBatch<string, string>({
    keyOf: (item) => item.charAt(0),
    maximum: 3,
    windowMs: 100,
    clock,
    run(items) {
      runs.push([...items]);
      return run(items);
    },
  });
});

/** The outcome of a call, which may fail. */
const outcome = (call: Promise<string>): Promise<string> => call.catch((error: unknown) => String(error));

const createUrgent = (): Batch<string, string> =>
  createBatch<string, string>({
    keyOf: (item) => item.charAt(0),
    maximum: 3,
    windowMs: 100,
    isUrgent: true,
    clock,
    async run(items) {
      runs.push([...items]);
      return items.map((item) => item.toUpperCase());
    },
  });

describe('an urgent batch', () => {
  test('has what comes after a quiet time wait only for what the same event has caused, whatever its key', async () => {
    const urgent = createUrgent();
    const calls = [urgent('a1')];
    await clock.advance(4);
    calls.push(urgent('a2'), urgent('b1'));
    await clock.advance(1);
    expect(runs).toEqual([['a1', 'a2']]);
    await clock.advance(4);
    expect(runs).toEqual([['a1', 'a2'], ['b1']]);
    await clock.advance(400);
    calls.push(urgent('a3'));
    await clock.advance(5);
    expect(runs.at(-1)).toEqual(['a3']);
    await Promise.all(calls);
  });

  test('waits the whole window in a stream of calls', async () => {
    const urgent = createUrgent();
    const calls = [urgent('a1')];
    await clock.advance(5);
    calls.push(urgent('a2'));
    await clock.advance(99);
    calls.push(urgent('a3'));
    expect(runs).toEqual([['a1']]);
    await clock.advance(1);
    expect(runs).toEqual([['a1'], ['a2', 'a3']]);
    // Not quiet yet: the last one came less than four windows ago.
    await clock.advance(390);
    calls.push(urgent('a4'));
    await clock.advance(99);
    expect(runs).toHaveLength(2);
    await clock.advance(1);
    await Promise.all(calls);
    expect(runs.at(-1)).toEqual(['a4']);
  });
});

describe('a batch', () => {
  test('carries calls that come close together, and gives each its own answer', async () => {
    const first = batch('a1');
    await clock.advance(99);
    const second = batch('a2');
    expect(runs).toEqual([]);
    await clock.advance(1);
    await expect(Promise.all([first, second])).resolves.toEqual(['A1', 'A2']);
    expect(runs).toEqual([['a1', 'a2']]);
  });

  test('begins anew after its window', async () => {
    const first = batch('a1');
    await clock.advance(100);
    const second = batch('a2');
    await clock.advance(100);
    await Promise.all([first, second]);
    expect(runs).toEqual([['a1'], ['a2']]);
  });

  test('keeps calls with different keys apart', async () => {
    const calls = Promise.all([batch('a1'), batch('b1'), batch('a2')]);
    await clock.advance(100);
    await expect(calls).resolves.toEqual(['A1', 'B1', 'A2']);
    expect(runs).toEqual([['a1', 'a2'], ['b1']]);
  });

  test('that is full goes at once, and the next call opens another', async () => {
    const calls = [batch('a1'), batch('a2'), batch('a3')];
    expect(runs).toEqual([['a1', 'a2', 'a3']]);
    calls.push(batch('a4'));
    await clock.advance(99);
    expect(runs).toHaveLength(1);
    await clock.advance(1);
    await expect(Promise.all(calls)).resolves.toEqual(['A1', 'A2', 'A3', 'A4']);
    expect(runs).toEqual([['a1', 'a2', 'a3'], ['a4']]);
  });

  test('whose group filled up and was followed waits the whole window for the follower', async () => {
    const calls = [batch('a1')];
    await clock.advance(50);
    calls.push(batch('a2'), batch('a3'), batch('a4'));
    await clock.advance(60);
    expect(runs).toEqual([['a1', 'a2', 'a3']]);
    await clock.advance(40);
    expect(runs).toHaveLength(2);
    await Promise.all(calls);
  });

  test('goes on without a caller that left before it was sent', async () => {
    const controller = new AbortController();
    const left = outcome(batch('a1', controller.signal));
    const stayed = batch('a2');
    controller.abort(new Error('gone'));
    await expect(left).resolves.toBe('Error: gone');
    await clock.advance(100);
    await expect(stayed).resolves.toBe('A2');
    expect(runs).toEqual([['a2']]);
  });

  test('that everybody left is not sent', async () => {
    const controller = new AbortController();
    const left = outcome(batch('a1', controller.signal));
    controller.abort(new Error('gone'));
    await clock.advance(1_000);
    await left;
    expect(runs).toEqual([]);
  });

  test('lets a caller leave at once while it is under way', async () => {
    const { promise, resolve } = Promise.withResolvers<readonly string[]>();
    run = () => promise;
    const controller = new AbortController();
    const left = outcome(batch('a1', controller.signal));
    const stayed = batch('a2');
    await clock.advance(100);
    controller.abort(new Error('gone'));
    await expect(left).resolves.toBe('Error: gone');
    resolve(['A1', 'A2']);
    await expect(stayed).resolves.toBe('A2');
  });

  test('takes no call whose signal is aborted already', async () => {
    const call = outcome(batch('a1', AbortSignal.abort(new Error('gone'))));
    await clock.advance(100);
    await expect(call).resolves.toBe('Error: gone');
    expect(runs).toEqual([]);
  });

  test('that fails fails for everybody in it, and for nobody after it', async () => {
    run = () => Promise.reject(new Error('throttled'));
    const calls = Promise.all([outcome(batch('a1')), outcome(batch('a2'))]);
    await clock.advance(100);
    await expect(calls).resolves.toEqual(['Error: throttled', 'Error: throttled']);
    run = async (items) => items.map(() => 'fine');
    const next = batch('a3');
    await clock.advance(100);
    await expect(next).resolves.toBe('fine');
  });

  test('may fail for one item alone', async () => {
    run = async () => ['fine', new Error('not this one')];
    const calls = Promise.all([outcome(batch('a1')), outcome(batch('a2'))]);
    await clock.advance(100);
    await expect(calls).resolves.toEqual(['fine', 'Error: not this one']);
  });

  test('that answers fewer items than it was given leaves nobody waiting', async () => {
    run = async () => ['fine'];
    const calls = Promise.all([outcome(batch('a1')), outcome(batch('a2'))]);
    await clock.advance(100);
    await expect(calls).resolves.toEqual([
      'fine',
      'RangeError: A batch answered fewer items than it was given.',
    ]);
  });
});
