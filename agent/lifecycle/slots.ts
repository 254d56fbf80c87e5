/**
 * Slots: how many actions are worked on at a time. Launches and terminations have slots of their own, so that no number of
 * launches keeps a termination waiting. An action that only waits has none: it is kept alive and costs little.
 *
 *     room ──enter──▶ waiting ──take──▶ working ──leave──▶ over
 *                        ◀────rest─────────┘
 *
 * Groups share the slots. The next free slot goes to the group that has fewest, and within it to the action whose time is up
 * first. A few slots stay free for a group that has none yet, however long the others' work takes.
 */
import type { Clock } from '../clock.ts';
import type { LifecycleAction, Transition } from '../terms.ts';

/**
 * Actions of a kind that are here at most. One that waits for its node takes some 8 KB of memory (`npm run bench`, growth), so
 * that they stay below 160 MB.
 */
const PLACES = 10_000;

/**
 * A group gets a slot only while it has fewer than this many times the slots that are free ("dynamic thresholds", as memory is
 * shared in network switches). Of 128 slots one group takes 112, two groups take 59 each, and some always stay free.
 */
const SHARE_OF_FREE = 7;

/** What one action has of the slots. */
export interface Place {
  /** From now on the action waits behind those of its group whose time is up earlier. Milliseconds since the Unix epoch. */
  due(deadline: number): void;
  /** Resolves once the action has a slot; at once when it has one already. */
  take(signal: AbortSignal): Promise<void>;
  /** Gives the slot back while the action waits; nothing happens when it has none. */
  rest(): void;
  /** The action is over. */
  leave(): void;
}

/** How busy all of it is at a time. */
export interface Load {
  /** Actions that have a slot, that wait for one, and those with and without that are here, of both kinds. */
  readonly working: number;
  readonly waiting: number;
  readonly here: number;
  /** What share of the slots, or of the places, is taken: of the kind and the thing of which most is. From 0 to 1. */
  readonly busy: number;
  /** Since when the action that waits longest for a slot does; milliseconds since the Unix epoch. Undefined where none waits. */
  readonly waitingSince: number | undefined;
}

export interface Slots {
  /** How many actions may be here, of all kinds. */
  readonly places: number;
  /** How many more actions are admitted, of the kind that has most room. */
  readonly room: number;
  /** Undefined when there is no room for an action of this kind. */
  enter(action: Pick<LifecycleAction, 'transition' | 'group'>): Place | undefined;
  load(): Load;
}

interface Waiting {
  readonly deadline: number;
  /** Milliseconds since the Unix epoch. */
  readonly since: number;
  readonly start: () => void;
}

/** What one group has of the slots of a kind. */
interface Share {
  working: number;
  /** Those whose time is up first come first; of several with one deadline, the one that came first. */
  readonly waiting: Waiting[];
}

/** The slots of one kind. */
interface Kind {
  free: number;
  here: number;
  /** Of the groups that work or wait. */
  readonly shares: Map<string, Share>;
}

const mayTake = (kind: Kind, share: Share): boolean =>
  kind.free > 0 && share.working < SHARE_OF_FREE * kind.free;

/** Whether this group's turn comes before the other's. */
function isBefore(share: Share, other: Share): boolean {
  if (share.working !== other.working) return share.working < other.working;
  return (share.waiting[0]?.deadline ?? Infinity) < (other.waiting[0]?.deadline ?? Infinity);
}

function nextOf(kind: Kind): Share | undefined {
  let next: Share | undefined;
  for (const share of kind.shares.values()) {
    if (share.waiting.length === 0 || !mayTake(kind, share)) continue;
    if (!next || isBefore(share, next)) next = share;
  }
  return next;
}

/** Gives the slots that are free to those that wait. */
function serve(kind: Kind): void {
  for (let share = nextOf(kind); share; share = nextOf(kind)) {
    kind.free -= 1;
    share.working += 1;
    share.waiting.shift()?.start();
  }
}

/** Where an action with this deadline stands among those that wait: behind all that are due no later. */
function positionIn(waiting: readonly Waiting[], deadline: number): number {
  let [from, to] = [0, waiting.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if ((waiting[middle]?.deadline ?? Infinity) <= deadline) from = middle + 1;
    else to = middle;
  }
  return from;
}

function shareOf(kind: Kind, group: string): Share {
  const known = kind.shares.get(group);
  if (known) return known;
  const share: Share = { working: 0, waiting: [] };
  kind.shares.set(group, share);
  return share;
}

/** Takes a slot where one may be had now. Nobody who waits could have it: those have been served as far as may be. @returns whether it is taken */
function takeAtOnce(kind: Kind, group: string): boolean {
  const share = shareOf(kind, group);
  if (share.waiting.length > 0 || !mayTake(kind, share)) return false;
  kind.free -= 1;
  share.working += 1;
  return true;
}

function takeInTurn(
  kind: Kind,
  group: string,
  { deadline, since }: Pick<Waiting, 'deadline' | 'since'>,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const share = shareOf(kind, group);
    const waiting: Waiting = {
      deadline,
      since,
      start() {
        signal.removeEventListener('abort', abort);
        resolve();
      },
    };
    function abort(): void {
      share.waiting.splice(share.waiting.indexOf(waiting), 1);
      forget(kind, group);
      reject(signal.reason);
    }
    signal.addEventListener('abort', abort, { once: true });
    share.waiting.splice(positionIn(share.waiting, deadline), 0, waiting);
    serve(kind);
  });
}

function giveBack(kind: Kind, group: string): void {
  const share = kind.shares.get(group);
  if (!share) return;
  kind.free += 1;
  share.working -= 1;
  serve(kind);
  forget(kind, group);
}

/** A group that neither works nor waits takes no memory. */
function forget(kind: Kind, group: string): void {
  const share = kind.shares.get(group);
  if (share?.working === 0 && share.waiting.length === 0) kind.shares.delete(group);
}

function loadOf(kinds: readonly Kind[], each: number, places: number): Load {
  const sum = (of: (kind: Kind) => number): number => kinds.reduce((total, kind) => total + of(kind), 0);
  const waiting = kinds.flatMap(({ shares }) => [...shares.values()]).flatMap((share) => share.waiting);
  const since = waiting.reduce((earliest, one) => Math.min(earliest, one.since), Infinity);
  return {
    working: sum(({ free }) => each - free),
    waiting: waiting.length,
    here: sum(({ here }) => here),
    busy: Math.max(...kinds.flatMap(({ free, here }) => [(each - free) / each, here / places])),
    waitingSince: waiting.length > 0 ? since : undefined,
  };
}

/** A class, for thousands of these wait: each closure of each of them takes 64 bytes. */
class PlaceOfKind implements Place {
  readonly #kind: Kind;
  readonly #group: string;
  readonly #clock: Pick<Clock, 'now'>;
  #works = false;
  #deadline = Infinity;

  constructor(kind: Kind, group: string, clock: Pick<Clock, 'now'>) {
    this.#kind = kind;
    this.#group = group;
    this.#clock = clock;
  }

  due(deadline: number): void {
    this.#deadline = deadline;
  }

  async take(signal: AbortSignal): Promise<void> {
    if (this.#works) return;
    signal.throwIfAborted();
    if (!takeAtOnce(this.#kind, this.#group)) {
      const asked = { deadline: this.#deadline, since: this.#clock.now() };
      await takeInTurn(this.#kind, this.#group, asked, signal);
    }
    this.#works = true;
  }

  rest(): void {
    if (!this.#works) return;
    this.#works = false;
    giveBack(this.#kind, this.#group);
  }

  leave(): void {
    this.rest();
    this.#kind.here -= 1;
  }
}

/**
 * @param each slots of each kind
 * @param places actions of each kind that are here at most
 */
export function createSlots(each: number, clock: Pick<Clock, 'now'>, places = PLACES): Slots {
  const kindOf = (): Kind => ({ free: each, here: 0, shares: new Map() });
  const kinds: Readonly<Record<Transition, Kind>> = { launching: kindOf(), terminating: kindOf() };

  return {
    places: 2 * places,
    get room() {
      return places - Math.min(kinds.launching.here, kinds.terminating.here);
    },
    load: () => loadOf(Object.values(kinds), each, places),
    enter({ transition, group }) {
      const kind = kinds[transition];
      if (kind.here === places) return undefined;
      kind.here += 1;
      return new PlaceOfKind(kind, group, clock);
    },
  };
}
