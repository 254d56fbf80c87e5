/**
 * Slots: how many actions are worked on at a time. Launches and terminations have slots of their own, so that no number of
 * launches keeps a termination waiting. An action that only waits has none: it is kept alive and costs little.
 *
 *     room ──enter──▶ waiting ──take──▶ working ──leave──▶ over
 *                        ◀────rest─────────┘
 *
 * How many actions of a kind are here at all is limited too: one that waits is renewed three times (message, hook, lease)
 * in each third of its visibility time-out. Beyond that limit an action is turned away.
 */
import type { Transition } from '../terms.ts';

/**
 * Actions of a kind that are here for each slot of that kind. With the default of 64 slots they are 512 launches, which are
 * renewed by about 40 calls a second.
 */
const PLACES_PER_SLOT = 8;

/** What one action has of the slots. */
export interface Place {
  /** Resolves once the action has a slot: first come, first served. At once when it has one already. */
  take(signal: AbortSignal): Promise<void>;
  /** Gives the slot back while the action waits; nothing happens when it has none. */
  rest(): void;
  /** The action is over. */
  leave(): void;
}

export interface Slots {
  /** How many actions may be here, of all kinds. */
  readonly places: number;
  /** How many more actions are admitted, of the kind that has most room. */
  readonly room: number;
  /** Undefined when there is no room for an action of this kind. */
  enter(transition: Transition): Place | undefined;
}

/** The slots of one kind. */
interface Kind {
  free: number;
  here: number;
  /** In the order in which they came. */
  readonly waiting: Set<() => void>;
}

function giveBack(kind: Kind): void {
  const [next] = kind.waiting;
  if (next) next();
  else kind.free += 1;
}

function take(kind: Kind, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason);
      return;
    }
    if (kind.free > 0) {
      kind.free -= 1;
      resolve();
      return;
    }
    const start = (): void => {
      kind.waiting.delete(start);
      signal.removeEventListener('abort', abort);
      resolve();
    };
    function abort(): void {
      kind.waiting.delete(start);
      reject(signal.reason);
    }
    signal.addEventListener('abort', abort, { once: true });
    kind.waiting.add(start);
  });
}

/** @param each slots of each kind */
export function createSlots(each: number): Slots {
  const places = each * PLACES_PER_SLOT;
  const kindOf = (): Kind => ({ free: each, here: 0, waiting: new Set() });
  const kinds: Readonly<Record<Transition, Kind>> = { launching: kindOf(), terminating: kindOf() };

  return {
    places: 2 * places,
    get room() {
      return places - Math.min(kinds.launching.here, kinds.terminating.here);
    },
    enter(transition) {
      const kind = kinds[transition];
      if (kind.here === places) return undefined;
      kind.here += 1;
      let works = false;
      const rest = (): void => {
        if (!works) return;
        works = false;
        giveBack(kind);
      };
      return {
        async take(signal) {
          if (works) return;
          await take(kind, signal);
          works = true;
        },
        rest,
        leave() {
          rest();
          kind.here -= 1;
        },
      };
    },
  };
}
