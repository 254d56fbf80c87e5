/**
 * The order of calls that share a quota. While AWS takes them as they come, each goes out at once; where it refuses some, fewer are on
 * their way at a time, and the others wait here. Within a rank goes first what would be too late first, and else what came first.
 *
 *     answers ─▶ proofs and renewals whose time is nearly up ─▶ proofs ─▶ other renewals
 *
 * An answer takes an action out of the world, with all renewals that it would still need. A renewal comes with two thirds of its time to
 * spare, so that it may wait for nearly as long. A proof is the first renewal, too: until then the hook's time-out runs from its beginning.
 */
import type { Clock } from '../clock.ts';
import type { Renewal } from '../keep-alive.ts';

/** What a call is for. */
export type Turn =
  | { readonly rank: 'answer' }
  | ({ readonly rank: 'proof' | 'renewal' } & Pick<Renewal, 'until' | 'lastsMs'>);

type Call = () => Promise<unknown>;

export interface Turns {
  /**
   * Makes the call when it is its turn. While it waits, each of the signals ends it with its reason; afterwards that is the call's own
   * affair.
   */
  take(turn: Turn, signals: readonly AbortSignal[], call: Call): Promise<void>;
}

export interface TurnsOptions {
  readonly clock: Pick<Clock, 'now'>;
  /** Whether a call was refused, for good or at first, because there were too many: by its answer or its error. */
  readonly wasRefused: (answer: unknown) => boolean;
}

/** Calls that are on their way at a time. A call takes some 20 ms: without refusals, these are more than any quota allows. */
const MOST = 32;
/** Of the calls on their way, so many are left after a refusal. */
const KEPT = 0.7;
/** Milliseconds in which refusals count as one: they are of calls that were on their way together. */
const TOGETHER_MS = 1_000;
/** By how much more calls may be on their way once as many as there are were answered. */
const GROWTH = 0.25;
/** The time of what a call prolongs is nearly up when so much of it is left. */
const URGENT_SHARE = 1 / 3;

/** A call that waits. A class that listens to its signals itself, for thousands of these wait. */
class Waiting {
  /** When it becomes urgent; milliseconds since the Unix epoch. */
  readonly urgentAt: number;
  isGone = false;
  /** How the call ends. */
  readonly ended: Promise<void>;
  readonly #call: Call;
  readonly #signals: readonly AbortSignal[];
  readonly #resolve: (ended: Promise<void>) => void;
  readonly #reject: (reason: unknown) => void;

  constructor(urgentAt: number, signals: readonly AbortSignal[], call: Call) {
    this.urgentAt = urgentAt;
    this.#signals = signals;
    this.#call = call;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.ended = promise;
    this.#resolve = resolve;
    this.#reject = reject;
    for (const signal of signals) signal.addEventListener('abort', this);
  }

  /** The call may go out. */
  start(make: (call: Call) => Promise<void>): void {
    this.#forget();
    this.#resolve(make(this.#call));
  }

  /** One of the signals has aborted. */
  handleEvent(): void {
    this.isGone = true;
    this.#forget();
    this.#reject(this.#signals.find(({ aborted }) => aborted)?.reason);
  }

  #forget(): void {
    for (const signal of this.#signals) signal.removeEventListener('abort', this);
  }
}

/** Takes out the first that has not gone meanwhile. */
function shift(queue: Waiting[]): Waiting | undefined {
  for (let first = queue.shift(); first; first = queue.shift()) if (!first.isGone) return first;
  return undefined;
}

/** Puts it behind all that are urgent no later. */
function insert(queue: Waiting[], waiting: Waiting): void {
  let [from, to] = [0, queue.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if ((queue[middle]?.urgentAt ?? Infinity) <= waiting.urgentAt) from = middle + 1;
    else to = middle;
  }
  queue.splice(from, 0, waiting);
}

export function createTurns({ clock, wasRefused }: TurnsOptions): Turns {
  const queues = { answer: [] as Waiting[], proof: [] as Waiting[], renewal: [] as Waiting[] };
  let room = MOST;
  let onTheirWay = 0;
  let lastRefusal = -Infinity;

  function next(): Waiting | undefined {
    const { answer, proof, renewal } = queues;
    const answers = shift(answer);
    if (answers) return answers;
    const renewed = shift(renewal);
    const proved = shift(proof);
    if (!renewed || !proved) return renewed ?? proved;
    const soonest = renewed.urgentAt < proved.urgentAt ? renewed : proved;
    const first = soonest.urgentAt <= clock.now() ? soonest : proved;
    if (first === proved) renewal.unshift(renewed);
    else proof.unshift(proved);
    return first;
  }

  function serve(): void {
    while (onTheirWay < Math.floor(room)) {
      const waiting = next();
      if (!waiting) return;
      onTheirWay += 1;
      waiting.start(make);
    }
  }

  function over(refused: boolean): void {
    onTheirWay -= 1;
    const now = clock.now();
    if (!refused) room = Math.min(MOST, room + GROWTH / room);
    else if (now - lastRefusal >= TOGETHER_MS) {
      room = Math.max(1, room * KEPT);
      lastRefusal = now;
    }
    serve();
  }

  async function make(call: Call): Promise<void> {
    let refused = false;
    try {
      refused = wasRefused(await call());
    } catch (error) {
      refused = wasRefused(error);
      throw error;
    } finally {
      over(refused);
    }
  }

  return {
    // No async function: thousands wait here, and the state of one takes half a kilobyte.
    take(turn, signals, call) {
      const aborted = signals.find((signal) => signal.aborted);
      if (aborted) return Promise.reject(aborted.reason);
      const urgentAt = turn.rank === 'answer' ? Infinity : turn.until - turn.lastsMs * URGENT_SHARE;
      const waiting = new Waiting(urgentAt, signals, call);
      insert(queues[turn.rank], waiting);
      serve();
      return waiting.ended;
    },
  };
}
