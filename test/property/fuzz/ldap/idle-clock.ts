import type { Clock } from '../../../../agent/clock.ts';
import { Sleepers } from '../../../support/sleepers.ts';

/** One turn of the event loop. */
const aTurn = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });
/** A moment of real time: no busy waiting where an answer is on its way. */
const aMoment = (): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, 5).unref();
  });

/** Turns of the event loop without anything coming or going over the loopback, after which nothing will any more. */
const IDLE_TURNS = 12;
/** Milliseconds of real time, for a machine that is busy with other things, where silence is not expected. */
const QUIET_MS = 5_000;
/** Milliseconds of real time; somebody who has not come to an end by then hangs. */
const HANGS_MS = 60_000;

/** A clock that creeps when something happens and leaps when nothing does: a time-out ends what would never end. */
export class IdleClock implements Clock {
  #now = Date.UTC(2026, 0, 1);
  readonly #sleepers = new Sleepers();

  now(): number {
    return this.#now;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return this.#sleepers.sleep(this.#now + ms, signal);
  }

  after(ms: number, run: () => void): () => void {
    return this.#sleepers.after(this.#now + ms, run);
  }

  /**
   * Waits for the work, and wakes whoever sleeps once all is quiet.
   * @param activity a count that goes up whenever something happens; each time is a millisecond
   * @param expectsSilence whether somebody may have been left without an answer
   * @returns milliseconds of the clock's own time that the work took
   */
  async see(work: Promise<unknown>, activity: () => number, expectsSilence: () => boolean): Promise<number> {
    const began = this.#now;
    const giveUp = performance.now() + HANGS_MS;
    let isOver = false;
    const over = (): void => {
      isOver = true;
    };
    work.then(over, over);
    for (let seen = activity(), idle = 0, since = performance.now(); !isOver; idle += 1) {
      await (expectsSilence() ? aTurn() : Promise.race([work.catch(() => undefined), aMoment()]));
      if (performance.now() > giveUp) throw new Error('It does not come to an end.');
      if (activity() !== seen) {
        this.#now += activity() - seen;
        this.#wakeDue();
        seen = activity();
        idle = 0;
        since = performance.now();
      }
      const isQuiet = idle >= IDLE_TURNS && (expectsSilence() || performance.now() - since > QUIET_MS);
      if (isQuiet && this.#leap()) idle = 0;
    }
    return this.#now - began;
  }

  /** To the moment at which the next one wakes. */
  #leap(): boolean {
    const { next } = this.#sleepers;
    if (next === undefined) return false;
    this.#now = Math.max(this.#now, next);
    this.#wakeDue();
    return true;
  }

  #wakeDue(): void {
    while ((this.#sleepers.next ?? Infinity) <= this.#now) this.#sleepers.wakeNext();
  }
}
