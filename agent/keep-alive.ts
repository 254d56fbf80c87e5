/**
 * Keeping work alive: the message stays hidden, the hook's time-out starts again, the ledger's lease is renewed. One loop
 * renews all of them, at a third of the shortest. When one of them can't be renewed in time, the signal aborts, and the
 * work under it stops at once: from then on another worker may have it.
 */
import type { Clock } from './clock.ts';
import { AdjoinError, asAdjoinError } from './errors.ts';

/** Something that lasts for a limited time, unless it is renewed. */
export interface Renewable {
  /** For messages, as in "The lease ran out". */
  readonly name: string;
  /** Milliseconds that it lasts from a renewal on. What is read right before a renewal holds for that one. */
  readonly lastsMs: number;
  renew(): Promise<void>;
}

export interface KeepAlive {
  /** Aborts with an AdjoinError: `lease-lost`, `action-void`, or the reason given to `abort`. */
  readonly signal: AbortSignal;
  /**
   * Throws what the signal has aborted with, or `lease-lost` when something has run out by the clock. In a process that was
   * suspended, answers may arrive before the timers fire: before an effect, ask here and not the signal.
   */
  check(): void;
  /** Renews this, too, from now on; it was fresh at `since`, milliseconds since the Unix epoch. */
  add(renewable: Renewable, since: number): void;
  abort(reason: AdjoinError): void;
  /** No more renewals once this resolves. */
  stop(): Promise<void>;
}

interface Granted {
  until: number;
  lastsMs: number;
}

/** A third of the shortest: two renewals may fail before it runs out. */
const SHARE = 3;

/** Errors after which there is nothing left to renew; any other may pass. */
const ends = (error: AdjoinError): boolean =>
  error.disposition === 'acknowledge' || error.disposition === 'yield';

const ranOut = (renewable: Renewable): AdjoinError =>
  new AdjoinError('lease-lost', `The ${renewable.name} ran out before it was renewed.`);

export function createKeepAlive(clock: Clock, onTrouble: (error: AdjoinError) => void): KeepAlive {
  const controller = new AbortController();
  const stopped = new AbortController();
  /** Until when each of them lasts (milliseconds since the Unix epoch), and for how long it was renewed the last time. */
  const renewables = new Map<Renewable, Granted>();
  /** Renewals that have not been answered yet. */
  const underWay = new Map<Renewable, Promise<void>>();
  /** Those that were not answered yet when their next turn came: it comes as soon as they are. */
  const overdue = new Set<Renewable>();
  /** Has the pause counted again when something is added, or a renewal has ended. */
  let changed = new AbortController();
  /** When all were renewed, or tried to be; milliseconds since the Unix epoch. */
  let lastRound = Infinity;

  async function renew(renewable: Renewable, state: Granted): Promise<void> {
    const asked = clock.now();
    const { lastsMs } = renewable;
    if (asked >= state.until) {
      controller.abort(ranOut(renewable));
      return;
    }
    const answered = new AbortController();
    try {
      const expired = async (): Promise<never> => {
        await clock.sleep(state.until - asked, answered.signal);
        throw ranOut(renewable);
      };
      await Promise.race([renewable.renew(), expired()]);
      // Counted from the question, not the answer: the other side's clock started no earlier.
      state.until = asked + lastsMs;
      state.lastsMs = lastsMs;
    } catch (error) {
      const known = asAdjoinError(error);
      if (ends(known)) controller.abort(known);
      else onTrouble(known);
    } finally {
      answered.abort();
    }
  }

  const isOver = (): boolean => stopped.signal.aborted || controller.signal.aborted;

  function start(renewable: Renewable, state: Granted): void {
    const renewal = renew(renewable, state).finally(() => {
      underWay.delete(renewable);
      // What was not renewed runs out, maybe before the next round.
      changed.abort();
      if (overdue.delete(renewable) && !isOver()) start(renewable, state);
    });
    underWay.set(renewable, renewal);
  }

  /**
   * Milliseconds until the next round: a third of the shortest after the last, but no later than the first that runs out. One
   * that is being renewed is watched by that renewal, and another round would change nothing for it.
   */
  function pause(): number {
    const shortest = Math.min(...[...renewables.values()].map((state) => state.lastsMs));
    const waiting = [...renewables].filter(([renewable]) => !underWay.has(renewable));
    const soonest = Math.min(...waiting.map(([, state]) => state.until));
    return Math.max(0, Math.min(lastRound + shortest / SHARE, soonest) - clock.now());
  }

  async function loop(): Promise<void> {
    while (!isOver()) {
      changed = new AbortController();
      try {
        await clock.sleep(pause(), AbortSignal.any([stopped.signal, controller.signal, changed.signal]));
      } catch {
        continue;
      }
      lastRound = clock.now();
      for (const [renewable, state] of renewables) {
        // One that hangs is watched by its own renewal, and must not keep the others waiting.
        if (underWay.has(renewable)) overdue.add(renewable);
        else start(renewable, state);
      }
    }
    await Promise.all(underWay.values());
  }
  let running: Promise<void> | undefined;

  return {
    signal: controller.signal,
    check() {
      controller.signal.throwIfAborted();
      const now = clock.now();
      for (const [renewable, state] of renewables) {
        if (now >= state.until) controller.abort(ranOut(renewable));
      }
      controller.signal.throwIfAborted();
    },
    add(renewable, since) {
      const { lastsMs } = renewable;
      renewables.set(renewable, { until: since + lastsMs, lastsMs });
      lastRound = Math.min(lastRound, since);
      changed.abort();
      running ??= loop();
    },
    abort: (reason) => {
      controller.abort(reason);
    },
    async stop() {
      stopped.abort();
      await running;
    },
  };
}
