import { beforeEach, describe, expect, test } from '@jest/globals';
import { AdjoinError } from '../../agent/errors.ts';
import { createKeepAlive, type KeepAlive, type Renewable } from '../../agent/keep-alive.ts';
import { createVirtualClock, type VirtualClock } from '../support/virtual-clock.ts';

let clock: VirtualClock;
let start: number;
let trouble: AdjoinError[];
let keepAlive: KeepAlive;

beforeEach(() => {
  clock = createVirtualClock();
  start = clock.now();
  trouble = [];
  keepAlive = createKeepAlive(clock, (error) => trouble.push(error));
});

interface Recorded extends Renewable {
  lastsMs: number;
  /** When it was renewed, milliseconds since the start. */
  readonly at: number[];
  behaviour: () => Promise<void>;
}

function renewable(name: string, lastsMs: number): Recorded {
  const recorded: Recorded = {
    name,
    lastsMs,
    at: [],
    behaviour: async () => undefined,
    renew() {
      recorded.at.push(clock.now() - start);
      return recorded.behaviour();
    },
  };
  return recorded;
}

const never = (): Promise<void> => new Promise(() => undefined);
const reason = (): string | undefined => {
  const error: unknown = keepAlive.signal.reason;
  return error instanceof AdjoinError ? `${error.code}: ${error.message}` : undefined;
};

describe('a keep-alive', () => {
  test('renews at each third of what lasts', async () => {
    const message = renewable('message visibility', 120_000);
    keepAlive.add(message, start);
    await clock.advance(165_000);
    expect(message.at).toEqual([40_000, 80_000, 120_000, 160_000]);
    expect(keepAlive.signal.aborted).toBe(false);
  });

  test('says how much time there is, so that a renewal may wait for its turn', async () => {
    const heartbeat = renewable('heartbeat', 240_000);
    const told: unknown[] = [];
    heartbeat.renew = async (renewal) => void told.push([renewal?.until, renewal?.lastsMs]);
    keepAlive.add(heartbeat, start);
    await clock.advance(170_000);
    expect(told).toEqual([
      [start + 240_000, 240_000],
      [start + 320_000, 240_000],
    ]);
  });

  test('does not wait, when the work ends, for a renewal that has not gone out yet, and says nothing of it', async () => {
    const heartbeat = renewable('heartbeat', 240_000);
    heartbeat.renew = (renewal) =>
      new Promise((_, reject) => {
        renewal?.unwanted.addEventListener('abort', () => reject(renewal.unwanted.reason));
      });
    keepAlive.add(heartbeat, start);
    await clock.advance(100_000);
    await keepAlive.stop();
    expect(clock.now()).toBe(start + 100_000);
    expect(trouble).toEqual([]);
    expect(keepAlive.signal.aborted).toBe(false);
  });

  test('does not spin when something runs out that is being renewed, though its alarm is late', async () => {
    let pausesOfNothing = 0;
    const spun = createKeepAlive(
      {
        now: () => clock.now(),
        sleep: never,
        after(ms, run) {
          if (ms <= 0) pausesOfNothing += 1;
          // The alarm of a renewal that lasts too long comes late, as after a suspension; and a loop that spins is stopped.
          return ms > 15_000 || pausesOfNothing > 10 ? () => undefined : clock.after(ms, run);
        },
      },
      (error) => trouble.push(error),
    );
    const message = renewable('message visibility', 30_000);
    message.behaviour = never;
    spun.add(message, start);
    spun.add(renewable('heartbeat', 300_000), start);
    await clock.advance(45_000);
    expect(message.at).toEqual([10_000]);
    expect(pausesOfNothing).toBeLessThan(3);
    expect(() => spun.check()).toThrow('The message visibility ran out before it was renewed.');
  });

  test('renews at once what took longer than its turn, so that answers may take two fifths of its time', async () => {
    const message = renewable('message visibility', 20_000);
    message.behaviour = () => clock.sleep(8_000);
    keepAlive.add(message, start);
    await clock.advance(100_000);
    keepAlive.check();
    expect(message.at.slice(0, 4).map((at) => Math.round(at / 1000))).toEqual([7, 15, 23, 31]);
  });

  test('renews what will last longer before its first, shorter time is over', async () => {
    const message = renewable('message visibility', 20_000);
    keepAlive.add(message, start);
    message.lastsMs = 120_000;
    keepAlive.add(renewable('heartbeat', 300_000), start);
    await clock.advance(100_000);
    expect(message.at.map((at) => Math.round(at / 1000))).toEqual([7, 47, 87]);
    expect(keepAlive.signal.aborted).toBe(false);
  });

  test('takes a renewal for as long as it lasted when it was asked for', async () => {
    const answer = Promise.withResolvers<void>();
    const message = renewable('message visibility', 12_000);
    message.behaviour = async () => answer.promise;
    keepAlive.add(message, start);
    await clock.advance(5_000);
    message.lastsMs = 120_000;
    answer.resolve();
    message.behaviour = never;
    await clock.advance(10_999);
    keepAlive.check();
    await clock.advance(1);
    expect(reason()).toBe('lease-lost: The message visibility ran out before it was renewed.');
  });

  test('counts what was added from when it was fresh, not from when it was added', async () => {
    const message = renewable('message visibility', 120_000);
    await clock.advance(30_000);
    keepAlive.add(message, start);
    await clock.advance(10_000);
    expect(message.at).toEqual([40_000]);
  });

  test('survives two failed renewals, and aborts when a third one fails', async () => {
    const message = renewable('message visibility', 120_000);
    message.behaviour = () => Promise.reject(new AdjoinError('aws-unavailable', 'no answer'));
    keepAlive.add(message, start);
    await clock.advance(119_999);
    expect(message.at).toEqual([40_000, 70_000, 100_000]);
    expect(trouble.map((error) => error.code)).toEqual(message.at.map(() => 'aws-unavailable'));
    expect(keepAlive.signal.aborted).toBe(false);
    await clock.advance(1);
    expect(keepAlive.signal.aborted).toBe(true);
    expect(reason()).toBe('lease-lost: The message visibility ran out before it was renewed.');
  });

  test('that fails and then succeeds goes on', async () => {
    const message = renewable('message visibility', 120_000);
    let failures = 2;
    message.behaviour = async () => {
      failures -= 1;
      if (failures >= 0) throw new AdjoinError('aws-throttled', 'slow down');
    };
    keepAlive.add(message, start);
    await clock.advance(600_000);
    expect(trouble).toHaveLength(2);
    expect(keepAlive.signal.aborted).toBe(false);
  });

  test('aborts the moment a hung renewal outlasts what it renews', async () => {
    const message = renewable('message visibility', 120_000);
    message.behaviour = never;
    keepAlive.add(message, start);
    await clock.advance(119_999);
    expect(keepAlive.signal.aborted).toBe(false);
    await clock.advance(1);
    expect(reason()).toContain('lease-lost');
    expect(message.at).toHaveLength(1);
  });

  test('counts a renewal from its question, so that a slow answer adds no time', async () => {
    const message = renewable('message visibility', 120_000);
    message.behaviour = () => clock.sleep(30_000);
    keepAlive.add(message, start);
    await clock.advance(75_000);
    message.behaviour = never;
    // Asked at 40 s and answered at 70 s: it lasts until 160 s.
    await clock.advance(84_000);
    expect(keepAlive.signal.aborted).toBe(false);
    await clock.advance(1_000);
    expect(keepAlive.signal.aborted).toBe(true);
  });

  test('renews the others while one renewal hangs', async () => {
    const message = renewable('message visibility', 120_000);
    const heartbeat = renewable('heartbeat', 7_200_000);
    heartbeat.behaviour = never;
    keepAlive.add(message, start);
    keepAlive.add(heartbeat, start);
    await clock.advance(3_600_000);
    expect(keepAlive.signal.aborted).toBe(false);
    expect(message.at).toHaveLength(90);
    await clock.advance(3_600_000);
    expect(reason()).toBe('lease-lost: The heartbeat ran out before it was renewed.');
  });

  test('renews each at a third of its own time, as soon as it is added', async () => {
    const heartbeat = renewable('heartbeat', 300_000);
    const lease = renewable('lease', 30_000);
    keepAlive.add(heartbeat, start);
    await clock.advance(50_000);
    keepAlive.add(lease, clock.now());
    await clock.advance(55_000);
    expect(heartbeat.at).toEqual([100_000]);
    expect(lease.at).toEqual([60_000, 70_000, 80_000, 90_000, 100_000]);
    expect(keepAlive.signal.aborted).toBe(false);
  });

  test('renews what lasts for hours each 100 s, so that a void action shows soon', async () => {
    const heartbeat = renewable('heartbeat', 7_200_000);
    keepAlive.add(heartbeat, start);
    await clock.advance(300_000);
    expect(heartbeat.at).toEqual([100_000, 200_000, 300_000]);
  });

  test('renews up to a fifth earlier, by chance', async () => {
    const early = createKeepAlive(
      clock,
      (error) => trouble.push(error),
      () => 0.5,
    );
    const message = renewable('message visibility', 120_000);
    early.add(message, start);
    await clock.advance(80_000);
    expect(message.at).toEqual([36_000, 72_000]);
    await early.stop();
  });

  test('aborts when the worker slept through it, without another renewal', async () => {
    const message = renewable('message visibility', 120_000);
    await clock.advance(500_000);
    keepAlive.add(message, start);
    await clock.advance(1);
    expect(reason()).toContain('lease-lost');
    expect(message.at).toEqual([]);
  });

  test.each(['action-void', 'lease-lost', 'action-owned-elsewhere'] as const)(
    'ends at once when a renewal answers %s',
    async (code) => {
      const heartbeat = renewable('heartbeat', 300_000);
      const error = new AdjoinError(code, 'over');
      heartbeat.behaviour = () => Promise.reject(error);
      keepAlive.add(heartbeat, start);
      await clock.advance(100_000);
      expect(keepAlive.signal.reason).toBe(error);
      expect(trouble).toEqual([]);
      await clock.advance(600_000);
      expect(heartbeat.at).toHaveLength(1);
    },
  );

  test('that is aborted passes the reason on, and renews nothing more', async () => {
    const message = renewable('message visibility', 120_000);
    keepAlive.add(message, start);
    const stop = new AdjoinError('draining', 'The worker stops.');
    keepAlive.abort(stop);
    await clock.advance(600_000);
    expect(keepAlive.signal.reason).toBe(stop);
    expect(message.at).toEqual([]);
  });

  test('that is stopped renews nothing more, and leaves no timer', async () => {
    const message = renewable('message visibility', 120_000);
    keepAlive.add(message, start);
    await clock.advance(50_000);
    await keepAlive.stop();
    expect(clock.sleeping).toBe(0);
    await clock.advance(600_000);
    expect(message.at).toEqual([40_000]);
    expect(keepAlive.signal.aborted).toBe(false);
  });

  test('stops only after a renewal that is under way, so that none lands later', async () => {
    const message = renewable('message visibility', 120_000);
    let answered = false;
    message.behaviour = async () => {
      await clock.sleep(5_000);
      answered = true;
    };
    keepAlive.add(message, start);
    await clock.advance(42_000);
    expect(answered).toBe(false);
    await clock.until(keepAlive.stop());
    expect(answered).toBe(true);
    expect(clock.sleeping).toBe(0);
  });

  test('stops although a renewal hangs, as soon as that could do no more', async () => {
    const message = renewable('message visibility', 120_000);
    message.behaviour = never;
    keepAlive.add(message, start);
    await clock.advance(50_000);
    await clock.until(keepAlive.stop());
    expect(clock.now() - start).toBe(120_000);
    expect(clock.sleeping).toBe(0);
  });

  test('is over by the clock before its alarms have gone off', async () => {
    keepAlive.add(renewable('message visibility', 120_000), start);
    keepAlive.add(renewable('lease', 96_000), start);
    clock.skip(95_999);
    expect(() => keepAlive.check()).not.toThrow();
    clock.skip(1);
    expect(keepAlive.signal.aborted).toBe(false);
    expect(() => keepAlive.check()).toThrow('The lease ran out before it was renewed.');
    expect(keepAlive.signal.aborted).toBe(true);
    await keepAlive.stop();
  });

  test('that renews nothing stops, too', async () => {
    await keepAlive.stop();
    expect(clock.sleeping).toBe(0);
  });
});
