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
    expect(clock.now() - began).toBe(5);
  });

  test('looks again and again until the node registers', async () => {
    const waiting = readiness.wait('i-1', open);
    await clock.advance(5_000);
    registered.add('i-1');
    await clock.until(waiting);
    expect(asked).toHaveLength(4);
  });

  test('leaves half of its boot between looks in the first seconds, and an eighth afterwards', async () => {
    const began = clock.now();
    readiness.wait('i-1', open, { kind: 'web', since: began }).catch(() => undefined);
    const seconds: number[] = [];
    for (let second = 0; second < 60; second += 1) {
      const before = asked.length;
      await clock.advance(1_000);
      if (asked.length > before) seconds.push((clock.now() - began) / 1_000);
    }
    // The first is at once.
    expect(seconds).toEqual([1, 2, 4, 6, 8, 12, 18, 20, 22, 24, 26, 28, 30, 32, 36, 40, 44, 48, 54, 60]);
  });

  test('looks less often for a node that is long in coming', async () => {
    readiness.wait('i-1', open).catch(() => undefined);
    const perMinute: number[] = [];
    for (let minute = 1; minute <= 10; minute += 1) {
      const before = asked.length;
      await clock.advance(60_000);
      perMinute.push(asked.length - before);
    }
    expect(perMinute).toEqual([20, 6, 3, 3, 2, 2, 2, 2, 2, 2]);
  });

  test('takes those along that are due later, as far as a call has room', async () => {
    readiness.wait('i-1', open).catch(() => undefined);
    await clock.advance(700);
    readiness.wait('i-2', open).catch(() => undefined);
    await clock.advance(9_300);
    expect(asked.slice(2).map((instanceIds) => instanceIds.toSorted())).toEqual(
      asked.slice(2).map(() => ['i-1', 'i-2']),
    );
    const others = Array.from({ length: 60 }, (_, index) => `i-${index + 10}`);
    for (const instanceId of others) readiness.wait(instanceId, open).catch(() => undefined);
    const before = asked.length;
    await clock.advance(100);
    // Sixty are due at once: forty have room, and both that are there already.
    expect(asked.slice(before).map((instanceIds) => instanceIds.length)).toEqual([50, 12]);
  });

  test('a look that fails ends the wait of none that only came along', async () => {
    const first = readiness.wait('i-1', open);
    await clock.advance(3_000);
    fault = new AdjoinError('aws-unavailable', 'socket hang up');
    const second = readiness.wait('i-2', open);
    await expect(clock.until(second)).rejects.toBe(fault);
    expect(asked.at(-1)).toEqual(['i-2', 'i-1']);
    fault = undefined;
    registered.add('i-1');
    await clock.until(first);
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

  test('ends with a last look at the time that it is given', async () => {
    const began = clock.now();
    const waiting = readiness.wait('i-1', open, { kind: 'web', since: began }, began + 15_000);
    waiting.catch(() => undefined);
    await clock.advance(14_999);
    const before = asked.length;
    await expect(clock.until(waiting)).rejects.toMatchObject({ code: 'node-not-ready' });
    expect(clock.now() - began).toBe(15_000);
    expect(asked).toHaveLength(before + 1);
  });

  test('takes a node that comes by the last look', async () => {
    const began = clock.now();
    const waiting = readiness.wait('i-1', open, { kind: 'web', since: began }, began + 15_000);
    await clock.advance(14_000);
    registered.add('i-1');
    await clock.until(waiting);
    expect(clock.now() - began).toBe(15_000);
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

describe('a group with known boots', () => {
  /** Milliseconds from the start of a boot to the first look, and until the node was seen. */
  async function boot(
    instanceId: string,
    bootMs: number,
    kind = 'web EC2',
  ): Promise<{ readonly firstMs: number; readonly seenMs: number }> {
    const since = clock.now();
    const before = asked.length;
    const waiting = readiness.wait(instanceId, open, { kind, since });
    let firstMs: number | undefined;
    for (let ms = 0; ms < bootMs; ms += 100) {
      await clock.advance(100);
      if (asked.length > before) firstMs ??= clock.now() - since;
    }
    registered.add(instanceId);
    await clock.until(waiting);
    const seenMs = clock.now() - since;
    return { firstMs: firstMs ?? seenMs, seenMs };
  }

  test('is first looked at shortly before the quickest of its boots would have ended', async () => {
    expect((await boot('i-1', 30_000)).firstMs).toBe(100);
    const known = await boot('i-2', 34_000);
    expect(known.firstMs).toBeGreaterThanOrEqual(0.8 * 30_000);
    expect(known.firstMs).toBeLessThanOrEqual(0.9 * 30_000);
    // An eighth of the boot late at most.
    expect(known.seenMs).toBeLessThanOrEqual(34_000 * 1.125);
    expect((await boot('i-3', 20_000, 'web WarmPool')).firstMs).toBe(100);
  });

  test('costs a node few looks', async () => {
    await boot('i-1', 30_000);
    const before = asked.length;
    await boot('i-2', 30_000);
    expect(asked.length - before).toBeLessThanOrEqual(4);
  });

  test('that boots sooner now is late once, and then known anew', async () => {
    await boot('i-1', 40_000);
    const late = await boot('i-2', 5_000);
    expect(late.seenMs).toBeLessThanOrEqual(40_000);
    expect(await boot('i-3', 5_000)).toEqual({ firstMs: 100, seenMs: expect.any(Number) });
    expect((await boot('i-4', 5_000)).firstMs).toBeLessThan(6_000);
  });

  test('waits a minute at most for its first look, however long its last boots took', async () => {
    await boot('i-1', 1_200_000);
    const { seenMs } = await boot('i-2', 30_000);
    expect(seenMs).toBe(60_000);
  });

  test('learns nothing from a node that was there when it was first asked for', async () => {
    registered.add('i-1');
    await clock.until(readiness.wait('i-1', open, { kind: 'web EC2', since: clock.now() - 600_000 }));
    expect((await boot('i-2', 30_000)).firstMs).toBe(100);
  });

  test('is looked for no later when its action seems to begin in the future', async () => {
    await boot('i-1', 30_000);
    const began = clock.now();
    readiness.wait('i-2', open, { kind: 'web EC2', since: began + 3_600_000 }).catch(() => undefined);
    const before = asked.length;
    await clock.advance(40_000);
    expect(asked.length).toBeGreaterThan(before);
  });

  test('puts off the looks at others that have just begun to boot', async () => {
    const kind = 'web EC2';
    const began = clock.now();
    const first = readiness.wait('i-1', open, { kind, since: began });
    await clock.advance(25_000);
    readiness.wait('i-2', open, { kind, since: clock.now() }).catch(() => undefined);
    await clock.advance(4_500);
    registered.add('i-1');
    await clock.until(first);
    // The next look at the other was agreed on before.
    await clock.advance(4_000);
    const before = asked.length;
    await clock.advance(12_000);
    expect(asked).toHaveLength(before);
    await clock.advance(6_000);
    expect(asked.length).toBeGreaterThan(before);
  });
});

test('whether a node is there is one look', async () => {
  registered.add('i-1');
  const looks = Promise.all([readiness.isReady('i-1', open), readiness.isReady('i-2', open)]);
  await expect(clock.until(looks)).resolves.toEqual([true, false]);
  expect(asked).toEqual([['i-1', 'i-2']]);
});
