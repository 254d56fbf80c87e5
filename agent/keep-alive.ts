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

/** A renewal that has not been answered yet. */
class Attempt implements Renewal {
  #unwanted: AbortController | undefined;
  /** Ends the watch over its time. */
  callOff: () => void = () => undefined;

  readonly until: number;
  readonly lastsMs: number;

  constructor(until: number, lastsMs: number) {
    this.until = until;
    this.lastsMs = lastsMs;
  }

  /** Few renewals ask for it. */
  get unwanted(): AbortSignal {
    this.#unwanted ??= new AbortController();
    return this.#unwanted.signal;
  }

  giveUp(): void {
    this.#unwanted?.abort(CALLED_OFF);
  }
}

/** What is known of one renewable; milliseconds since the Unix epoch. */
class Granted {
  /** The renewal that is under way. */
  attempt: Attempt | undefined;
  readonly renewable: Renewable;
  /** Until when it lasts, and for how many milliseconds it was renewed the last time. */
  until: number;
  lastsMs: number;
  /** When it is renewed next. */
  nextAt: number;

  constructor(renewable: Renewable, since: number, pauseMs: number) {
    this.renewable = renewable;
    this.lastsMs = renewable.lastsMs;
    this.until = since + this.lastsMs;
    this.nextAt = since + pauseMs;
  }
}

/**
 * Thousands of these wait. So it has no loop of its own, but one alarm for the next thing that is due, and its functions belong to
 * the class: each closure of each action takes 64 bytes.
 */
class AlarmedKeepAlive implements KeepAlive {
  readonly #clock: Clock;
  readonly #onTrouble: (error: AdjoinError) => void;
  readonly #random: () => number;
  readonly #controller = new AbortController();
  #granted: readonly Granted[] = [];
  #callOff: (() => void) | undefined;
  /** When the alarm rings, milliseconds since the Unix epoch; infinite where none is set. */
  #ringsAt = Infinity;
  #isStopped = false;
  /** Resolves when the last renewal that was under way at the stop has ended. */
  #quiet: PromiseWithResolvers<void> | undefined;

  constructor(clock: Clock, onTrouble: (error: AdjoinError) => void, random: () => number) {
    this.#clock = clock;
    this.#onTrouble = onTrouble;
    this.#random = random;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  check(): void {
    this.signal.throwIfAborted();
    const now = this.#clock.now();
    for (const { renewable, until } of this.#granted) if (now >= until) this.abort(ranOut(renewable));
    this.signal.throwIfAborted();
  }

  add(renewable: Renewable, since: number): void {
    // Neither push nor spread: both make room for seventeen.
    this.#granted = this.#granted.concat(new Granted(renewable, since, this.#pauseOf(renewable.lastsMs)));
    this.#setAlarm();
  }

  abort(reason: AdjoinError): void {
    this.#controller.abort(reason);
    this.#setAlarm();
  }

  stop(): Promise<void> {
    this.#isStopped = true;
    this.#setAlarm();
    for (const { attempt } of this.#granted) attempt?.giveUp();
    if (!this.#isBusy) return Promise.resolve();
    this.#quiet ??= Promise.withResolvers();
    return this.#quiet.promise;
  }

  get #isOver(): boolean {
    return this.#isStopped || this.signal.aborted;
  }

  get #isBusy(): boolean {
    return this.#granted.some(({ attempt }) => attempt !== undefined);
  }

  #pauseOf(lastsMs: number, share = SHARE): number {
    return Math.min(LONGEST_PAUSE_MS, lastsMs / share) * (1 - JITTER * this.#random());
  }

  /** For the next one that is due. One that is being renewed is watched by that renewal. */
  #setAlarm(): void {
    let soonest = Infinity;
    if (!this.#isOver)
      for (const { attempt, nextAt, until } of this.#granted)
        if (!attempt) soonest = Math.min(soonest, nextAt, until);
    // As a rule, what is added is due later.
    if (soonest === this.#ringsAt) return;
    this.#callOff?.();
    this.#ringsAt = soonest;
    if (soonest === Infinity) return;
    this.#callOff = this.#clock.after(Math.max(0, soonest - this.#clock.now()), () => this.#ring());
  }

  #ring(): void {
    this.#ringsAt = Infinity;
    for (const granted of this.#granted) {
      // One that hangs is watched by its own renewal, and must not keep the others waiting.
      if (granted.attempt || this.#clock.now() < Math.min(granted.nextAt, granted.until)) continue;
      if (!this.#isOver) this.#renew(granted);
    }
    this.#setAlarm();
  }

  #renew(granted: Granted): void {
    const asked = this.#clock.now();
    const { renewable, until } = granted;
    if (asked >= until) {
      this.abort(ranOut(renewable));
      return;
    }
    // What it lasts from now on: by the time of the answer, the renewable may last longer.
    const { lastsMs } = renewable;
    const attempt = new Attempt(until, granted.lastsMs);
    granted.attempt = attempt;
    const failed = (error: unknown): void => this.#failed(granted, attempt, asked, error);
    attempt.callOff = this.#clock.after(until - asked, () => failed(ranOut(renewable)));
    try {
      void renewable.renew(attempt).then(() => this.#renewed(granted, attempt, asked, lastsMs), failed);
    } catch (error) {
      failed(error);
    }
  }

  /** Counted from the question, not the answer: the other side's clock started no earlier. */
  #renewed(granted: Granted, attempt: Attempt, asked: number, lastsMs: number): void {
    if (granted.attempt !== attempt) return;
    granted.until = asked + lastsMs;
    granted.nextAt = asked + this.#pauseOf(lastsMs);
    granted.lastsMs = lastsMs;
    this.#ended(granted);
  }

  #failed(granted: Granted, attempt: Attempt, asked: number, error: unknown): void {
    if (granted.attempt !== attempt) return;
    const known = asAdjoinError(error);
    if (this.#isStopped && error === CALLED_OFF) {
      // It is not wanted any more.
    } else if (ends(known)) this.abort(known);
    else {
      granted.nextAt = asked + this.#pauseOf(granted.lastsMs, SHARE_AFTER_FAILURE);
      this.#onTrouble(known);
    }
    this.#ended(granted);
  }

  #ended(granted: Granted): void {
    granted.attempt?.callOff();
    granted.attempt = undefined;
    if (!this.#isBusy) this.#quiet?.resolve();
    this.#setAlarm();
  }
}

/** @param random a number from 0 to 1, exclusive */
export const createKeepAlive = (
  clock: Clock,
  onTrouble: (error: AdjoinError) => void,
  random: () => number = () => 0,
): KeepAlive => new AlarmedKeepAlive(clock, onTrouble, random);
