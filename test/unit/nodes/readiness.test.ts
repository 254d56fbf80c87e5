import { beforeEach, describe, expect, test } from '@jest/globals';
import { AdjoinError } from '../../../agent/errors.ts';
import { createReadiness, type Readiness } from '../../../agent/nodes/readiness.ts';
import { createVirtualClock, type VirtualClock } from '../../support/virtual-clock.ts';

const open = new AbortController().signal;

let clock: VirtualClock;
let asked: (readonly string[])[];
let registered: Set<string>;
let readiness: Readiness;
let fault: AdjoinError | undefined;

beforeEach(() => {
  clock = createVirtualClock();
  asked = [];
  registered = new Set();
  fault = undefined;
  readiness = createReadiness({
    clock,
    intervalMs: 2_000,
    async registered(instanceIds) {
      asked.push(instanceIds);
      if (fault) throw fault;
      return new Set(instanceIds.filter((instanceId) => registered.has(instanceId)));
    },
  });
});

describe('waiting for a managed node', () => {
  test('ends at once for one that is there', async () => {
    registered.add('i-1');
    const began = clock.now();
    await clock.until(readiness.wait('i-1', open));
    expect(clock.now() - began).toBe(100);
  });

  test('looks again and again until the node registers', async () => {
    const waiting = readiness.wait('i-1', open);
    await clock.advance(5_000);
    registered.add('i-1');
    await clock.until(waiting);
    expect(asked).toHaveLength(4);
  });

  test('looks less often for a node that is long in coming', async () => {
    readiness.wait('i-1', open).catch(() => undefined);
    const perMinute: number[] = [];
    for (let minute = 1; minute <= 10; minute += 1) {
      const before = asked.length;
      await clock.advance(60_000);
      perMinute.push(asked.length - before);
    }
    expect(perMinute).toEqual([30, 20, 9, 6, 5, 4, 4, 2, 3, 2]);
  });

  test('shares its looks with those who began at another time', async () => {
    readiness.wait('i-1', open).catch(() => undefined);
    await clock.advance(700);
    readiness.wait('i-2', open).catch(() => undefined);
    await clock.advance(9_300);
    expect(asked.slice(2)).toEqual(asked.slice(2).map(() => ['i-1', 'i-2']));
  });

  test('serves the question that follows, once', async () => {
    registered.add('i-1');
    await clock.until(readiness.wait('i-1', open));
    expect(await clock.until(readiness.isReady('i-1', open))).toBe(true);
    expect(asked).toHaveLength(1);
    registered.clear();
    expect(await clock.until(readiness.isReady('i-1', open))).toBe(false);
    registered.add('i-1');
    await clock.until(readiness.wait('i-1', open));
    registered.clear();
    await clock.advance(120_000);
    expect(await clock.until(readiness.isReady('i-1', open))).toBe(false);
  });

  test('is one look for all that wait', async () => {
    const waiting = ['i-1', 'i-2', 'i-3'].map((instanceId) => readiness.wait(instanceId, open));
    await clock.advance(1_000);
    expect(asked).toEqual([['i-1', 'i-2', 'i-3']]);
    registered = new Set(['i-1', 'i-2', 'i-3']);
    await clock.until(Promise.all(waiting));
    expect(asked).toHaveLength(2);
  });

  test('asks for at most 50 nodes a call, and for each once', async () => {
    const nodes = Array.from({ length: 60 }, (_, index) => `i-${index}`);
    registered = new Set(nodes);
    await clock.until(Promise.all([...nodes, 'i-59'].map((instanceId) => readiness.wait(instanceId, open))));
    expect(asked.map((instanceIds) => instanceIds.length)).toEqual([50, 10]);
  });

  test('ends when the signal does', async () => {
    const controller = new AbortController();
    const waiting = readiness.wait('i-1', controller.signal);
    waiting.catch(() => undefined);
    await clock.advance(10_000);
    const before = asked.length;
    const late = new AdjoinError('node-not-ready', 'late');
    controller.abort(late);
    await expect(waiting).rejects.toBe(late);
    await clock.advance(10_000);
    expect(asked).toHaveLength(before);
  });

  test('passes on what AWS answers', async () => {
    fault = new AdjoinError('aws-throttled', 'slow down');
    await expect(clock.until(readiness.wait('i-1', open))).rejects.toBe(fault);
  });
});

test('whether a node is there is one look', async () => {
  registered.add('i-1');
  const looks = Promise.all([readiness.isReady('i-1', open), readiness.isReady('i-2', open)]);
  await expect(clock.until(looks)).resolves.toEqual([true, false]);
  expect(asked).toEqual([['i-1', 'i-2']]);
});
