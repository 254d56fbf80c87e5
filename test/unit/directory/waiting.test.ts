import { describe, expect, test } from '@jest/globals';
import { Slots, unlessAborted, within } from '../../../agent/directory/waiting.ts';
import { createVirtualClock } from '../../support/virtual-clock.ts';

const never = new Promise<never>(() => undefined);
const open = new AbortController().signal;

describe('waiting', () => {
  test('ends with the work when it is done first', async () => {
    const clock = createVirtualClock();
    await expect(within(5, Promise.resolve('done'), clock, open, () => new Error('late'))).resolves.toBe(
      'done',
    );
    expect(clock.sleeping).toBe(0);
  });

  test('ends late when the time is up', async () => {
    const clock = createVirtualClock();
    const began = clock.now();
    const waiting = within(5, never, clock, open, () => new Error('late'));
    await expect(clock.until(waiting)).rejects.toThrow('late');
    expect(clock.now() - began).toBe(5);
  });

  test("ends with the signal's reason, before and during the work", async () => {
    const controller = new AbortController();
    const waiting = unlessAborted(never, controller.signal);
    controller.abort(new Error('stop'));
    await expect(waiting).rejects.toThrow('stop');
    await expect(unlessAborted(never, controller.signal)).rejects.toThrow('stop');
  });

  test('leaves no unheard rejection behind when the work fails afterwards', async () => {
    const { promise, reject } = Promise.withResolvers<void>();
    const controller = new AbortController();
    const waiting = unlessAborted(promise, controller.signal);
    controller.abort(new Error('stop'));
    await expect(waiting).rejects.toThrow('stop');
    reject(new Error('too late to matter'));
    await new Promise(setImmediate);
  });
});

describe('slots', () => {
  test('let so many in at once, and the others in their order', async () => {
    const slots = new Slots(2);
    const events: string[] = [];
    const gates = new Map<string, () => void>();
    const run = (name: string): Promise<void> =>
      slots.use(open, async () => {
        events.push(name);
        const { promise, resolve } = Promise.withResolvers<void>();
        gates.set(name, resolve);
        await promise;
      });
    const all = ['a', 'b', 'c', 'd'].map(run);
    await new Promise(setImmediate);
    expect(events).toEqual(['a', 'b']);
    gates.get('b')?.();
    await new Promise(setImmediate);
    expect(events).toEqual(['a', 'b', 'c']);
    gates.get('a')?.();
    await new Promise(setImmediate);
    expect(events).toEqual(['a', 'b', 'c', 'd']);
    gates.get('c')?.();
    gates.get('d')?.();
    await Promise.all(all);
  });

  test('are given back when the work fails', async () => {
    const slots = new Slots(1);
    await expect(slots.use(open, () => Promise.reject(new Error('failed')))).rejects.toThrow('failed');
    await expect(slots.use(open, async () => 'next')).resolves.toBe('next');
  });

  test('are not lost to one who gave up waiting', async () => {
    const slots = new Slots(1);
    const { promise, resolve } = Promise.withResolvers<void>();
    const first = slots.use(open, () => promise);
    const impatient = new AbortController();
    const second = slots.use(impatient.signal, async () => 'never');
    const third = slots.use(open, async () => 'third');
    impatient.abort(new Error('gave up'));
    await expect(second).rejects.toThrow('gave up');
    resolve();
    await first;
    await expect(third).resolves.toBe('third');
  });
});
