/**
 * Keeping work alive: the message stays hidden, the hook's time-out starts again, the ledger's lease is renewed; each at a
 * third of its own time. When one of them can't be renewed in time, the signal aborts, and the work under it stops at once:
 * from then on another worker may have it.
 */
import { CALLED_OFF, type Clock } from './clock.ts';
import { AdjoinError, asAdjoinError } from './errors.ts';

/** Something that lasts for a limited time, unless it is renewed. */
export interface Renewable {
  /** For messages, as in "The lease ran out". */
  readonly name: string;
  /** Milliseconds that it lasts from a renewal on. What is read right before a renewal holds for that one. */
  readonly lastsMs: number;
  renew(renewal?: Renewal): Promise<void>;
}

/** How much time there is for a renewal. */
export interface Renewal {
  /** Milliseconds since the Unix epoch: it runs out then. */
  readonly until: number;
  /** Milliseconds for which it was renewed the last time. */
  readonly lastsMs: number;
  /** Aborts when it need not be renewed any more, so that a request which has not gone out by then need not. */
  readonly unwanted: AbortSignal;
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

/** Of one renewable; milliseconds since the Unix epoch. */
interface Granted {
  /** Until when it lasts, and for how many milliseconds it was renewed the last time. */
  until: number;
  lastsMs: number;
  /** When it is renewed next. */
  nextAt: number;
}

/** Renewed at a third of its time, and sooner after a failure: two renewals may fail before it runs out. */
const SHARE = 3;
const SHARE_AFTER_FAILURE = 4;
/** By how much of its pause a renewal may come early, so that actions that began together are not renewed together. */
const JITTER = 0.2;
/** Milliseconds between two renewals at most: that an action is void shows by its heartbeat. */
const LONGEST_PAUSE_MS = 100_000;

/** Errors after which there is nothing left to renew; any other may pass. */
const ends = (error: AdjoinError): boolean =>
  error.disposition === 'acknowledge' || error.disposition === 'yield';

const ranOut = (renewable: Renewable): AdjoinError =>
  new AdjoinError('lease-lost', `The ${renewable.name} ran out before it was renewed.`);

/** @param random a number from 0 to 1, exclusive */
export function createKeepAlive(
  clock: Clock,
  onTrouble: (error: AdjoinError) => void,
  random: () => number = () => 0,
): KeepAlive {
  const controller = new AbortController();
  const stopped = new AbortController();
  const renewables = new Map<Renewable, Granted>();
  /** Renewals that have not been answered yet. */
  const underWay = new Map<Renewable, Promise<void>>();
  /**
   * Has the pause counted again when something is added, a renewal has ended, or all is over. One signal for all of it: thousands of
   * these wait, and a signal made of several takes 15 KB.
   */
  let changed = new AbortController();

  function end(reason: AdjoinError): void {
    controller.abort(reason);
    changed.abort(CALLED_OFF);
  }

  const pauseOf = (lastsMs: number, share = SHARE): number =>
    Math.min(LONGEST_PAUSE_MS, lastsMs / share) * (1 - JITTER * random());

  async function renew(renewable: Renewable, state: Granted): Promise<void> {
    const asked = clock.now();
    const { lastsMs } = renewable;
    if (asked >= state.until) {
      end(ranOut(renewable));
      return;
    }
    const answered = new AbortController();
    try {
      const expired = async (): Promise<never> => {
        await clock.sleep(state.until - asked, answered.signal);
        throw ranOut(renewable);
      };
      await Promise.race([
        renewable.renew({ until: state.until, lastsMs: state.lastsMs, unwanted: stopped.signal }),
        expired(),
      ]);
      // Counted from the question, not the answer: the other side's clock started no earlier.
      Object.assign(state, { until: asked + lastsMs, nextAt: asked + pauseOf(lastsMs), lastsMs });
    } catch (error) {
      if (stopped.signal.aborted && error === stopped.signal.reason) return;
      const known = asAdjoinError(error);
      if (ends(known)) end(known);
      else {
        state.nextAt = asked + pauseOf(state.lastsMs, SHARE_AFTER_FAILURE);
        onTrouble(known);
      }
    } finally {
      answered.abort(CALLED_OFF);
    }
  }

  const isOver = (): boolean => stopped.signal.aborted || controller.signal.aborted;

  function start(renewable: Renewable, state: Granted): void {
    const renewal = renew(renewable, state).finally(() => {
      underWay.delete(renewable);
      changed.abort(CALLED_OFF);
    });
    underWay.set(renewable, renewal);
  }

  /** Milliseconds until the next one is due. One that is being renewed is watched by that renewal. */
  function pause(): number {
    let soonest = clock.now() + LONGEST_PAUSE_MS;
    for (const [renewable, state] of renewables) {
      if (underWay.has(renewable)) continue;
      soonest = Math.min(soonest, state.nextAt, state.until);
    }
    return Math.max(0, soonest - clock.now());
  }

  async function loop(): Promise<void> {
    while (!isOver()) {
      changed = new AbortController();
      try {
        await clock.sleep(pause(), changed.signal);
      } catch {
        continue;
      }
      const now = clock.now();
      for (const [renewable, state] of renewables) {
        // One that hangs is watched by its own renewal, and must not keep the others waiting.
        if (underWay.has(renewable) || now < Math.min(state.nextAt, state.until)) continue;
        start(renewable, state);
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
        if (now >= state.until) end(ranOut(renewable));
      }
      controller.signal.throwIfAborted();
    },
    add(renewable, since) {
      const { lastsMs } = renewable;
      renewables.set(renewable, { until: since + lastsMs, lastsMs, nextAt: since + pauseOf(lastsMs) });
      changed.abort(CALLED_OFF);
      running ??= loop();
    },
    abort: end,
    async stop() {
      stopped.abort(CALLED_OFF);
      changed.abort(CALLED_OFF);
      await running;
    },
  };
}
