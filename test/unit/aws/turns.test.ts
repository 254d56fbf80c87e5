import { beforeEach, describe, expect, test } from '@jest/globals';
import { createTurns, type Turn, type Turns } from '../../../agent/aws/turns.ts';
import { createVirtualClock, type VirtualClock } from '../../support/virtual-clock.ts';

const REFUSED = 'refused';
const MOST = 32;
const HOUR_MS = 3_600_000;
const answer: Turn = { rank: 'answer' };
const proof: Turn = { rank: 'proof', until: Infinity, lastsMs: 0 };

let clock: VirtualClock;
let turns: Turns;
/** Those that are on their way, each with how it is answered. */
let under: { readonly name: string; end(answer?: unknown): void }[];
let order: string[];
beforeEach(() => {
  clock = createVirtualClock();
  turns = createTurns({ clock, wasRefused: (given) => given === REFUSED });
  under = [];
  order = [];
});

const renewal = (until: number): Turn => ({ rank: 'renewal', until, lastsMs: 300_000 });
const proofBy = (until: number): Turn => ({ rank: 'proof', until, lastsMs: 300_000 });

function ask(name: string, turn: Turn, ...signals: AbortSignal[]): Promise<void> {
  return turns.take(turn, signals, async () => {
    order.push(name);
    const { promise, resolve } = Promise.withResolvers<unknown>();
    under.push({ name, end: resolve });
    return promise;
  });
}

const settled = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });

async function endNext(given: unknown = 'done'): Promise<void> {
  under.shift()?.end(given);
  await settled();
}

/** Lets refusals come until one call is on its way at a time. */
async function narrow(): Promise<void> {
  for (let count = 0; count < 12; count += 1) {
    void ask('before', proof);
    await settled();
    clock.skip(1_000);
    await endNext(REFUSED);
  }
  order = [];
}

describe('while nothing is refused', () => {
  test('each call goes out at once', async () => {
    for (let count = 0; count < MOST; count += 1) void ask(`${count}`, proof);
    await settled();
    expect(order).toHaveLength(MOST);
  });

  test('the caller waits for its answer, and gets its error', async () => {
    const asked = ask('one', answer);
    await settled();
    let isOver = false;
    void asked.then(() => (isOver = true));
    await settled();
    expect(isOver).toBe(false);
    await endNext('an answer');
    expect(isOver).toBe(true);
    const failed = turns.take(answer, [], () => Promise.reject(new RangeError('broken')));
    await expect(failed).rejects.toThrow('broken');
  });
});

describe('once calls are refused', () => {
  test('fewer are on their way at a time; refusals of calls that were so together count once', async () => {
    for (let count = 0; count < 2 * MOST; count += 1) void ask(`${count}`, proof);
    await settled();
    for (let count = 0; count < MOST; count += 1) await endNext(REFUSED);
    expect(under).toHaveLength(Math.floor(MOST * 0.7));
  });

  test('those go first that end an action; then what is nearly too late, proofs, and other renewals', async () => {
    await narrow();
    const now = clock.now();
    void ask('holder', proof);
    await settled();
    void ask('later renewal', renewal(now + 250_000));
    void ask('renewal', renewal(now + 200_000));
    void ask('proof', proof);
    void ask('proof that has its time', proofBy(now + 200_000));
    void ask('second proof that has its time', proofBy(now + 200_000));
    void ask('urgent renewal', renewal(now + 90_000));
    void ask('urgent proof', proofBy(now + 85_000));
    void ask('most urgent renewal', renewal(now + 80_000));
    void ask('answer', answer);
    for (let count = 0; count < 10; count += 1) {
      await settled();
      await endNext();
    }
    expect(order).toEqual([
      'holder',
      'answer',
      'most urgent renewal',
      'urgent proof',
      'urgent renewal',
      'proof that has its time',
      'second proof that has its time',
      'proof',
      'renewal',
      'later renewal',
    ]);
  });

  test('a renewal becomes urgent while it waits', async () => {
    await narrow();
    const now = clock.now();
    void ask('holder', proof);
    await settled();
    void ask('renewal', renewal(now + 200_000));
    void ask('proof', proof);
    clock.skip(100_000);
    await endNext();
    expect(order).toEqual(['holder', 'renewal']);
  });

  test('a proof becomes urgent while it waits: renewals that have more time do not keep it from going out', async () => {
    await narrow();
    const now = clock.now();
    void ask('holder', proof);
    await settled();
    void ask('proof', proofBy(now + 210_000));
    void ask('renewal', renewal(now + 200_000));
    void ask('later renewal', renewal(now + 220_000));
    clock.skip(130_000);
    for (let count = 0; count < 3; count += 1) {
      await endNext();
      await settled();
    }
    expect(order).toEqual(['holder', 'renewal', 'proof', 'later renewal']);
  });

  test('more are on their way again as calls are answered', async () => {
    await narrow();
    for (let count = 0; count < 4_000; count += 1) void ask(`${count}`, proof);
    await settled();
    expect(under).toHaveLength(1);
    for (let count = 0; count < 3_000; count += 1) await endNext();
    expect(under).toHaveLength(MOST);
  });
});

describe('a call that waits', () => {
  test.each([0, 1])('is given up by each of its signals, and never goes out (%s)', async (which) => {
    await narrow();
    void ask('holder', proof);
    await settled();
    const stops = [new AbortController(), new AbortController()];
    const waiting = ask('waiting', renewal(clock.now() + HOUR_MS), ...stops.map(({ signal }) => signal));
    const next = ask('next', renewal(clock.now() + HOUR_MS));
    stops[which]?.abort(new Error(`stop ${which}`));
    await expect(waiting).rejects.toThrow(`stop ${which}`);
    await endNext();
    await endNext();
    await expect(next).resolves.toBeUndefined();
    expect(order).toEqual(['holder', 'next']);
  });

  test('is not asked for when it is given up before', async () => {
    await expect(ask('late', answer, AbortSignal.abort(new Error('stopped')))).rejects.toThrow('stopped');
    expect(order).toEqual([]);
  });

  test('is not cut off by its signals once it is on its way', async () => {
    const stop = new AbortController();
    const asked = ask('one', renewal(clock.now() + HOUR_MS), stop.signal);
    await settled();
    stop.abort(new Error('stopped'));
    await endNext();
    await expect(asked).resolves.toBeUndefined();
  });
});
