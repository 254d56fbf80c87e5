/**
 * Waiting until an instance is a managed node. One loop looks for all that wait, at most 50 in a call, and a call that has room takes
 * those along that are due next.
 *
 * When a node is looked for follows how long nodes take to boot. While no boot of its kind is known, pauses are half of the time
 * that it has booted: no instance of EC2 registers in its first seconds. Afterwards the first look is shortly before the quickest of
 * the last boots was over. In either case a look comes late by no more than an eighth of the boot from the 16th second on.
 */
import { CALLED_OFF, type Clock } from '../clock.ts';
import { AdjoinError } from '../errors.ts';
import { createHeap } from '../heap.ts';
import { createWindow } from '../window.ts';
import { createDurations } from './durations.ts';

/** The longest list of instance IDs that a filter of DescribeInstanceInformation is given here; its page holds 50. */
export const NODES_PER_LOOK = 50;

export interface ReadinessOptions {
  /** Those of the instances that are registered and answer. */
  readonly registered: (instanceIds: readonly string[]) => Promise<ReadonlySet<string>>;
  readonly clock: Clock;
  readonly intervalMs: number;
}

/** The boot of a node that is waited for. */
export interface Boot {
  /** Of nodes that take about the same time, such as those of one group. */
  readonly kind: string;
  /** When it began, milliseconds since the Unix epoch. */
  readonly since: number;
}

export interface Readiness {
  /** Whether the node is there now. */
  isReady(instanceId: string, signal: AbortSignal): Promise<boolean>;
  /**
   * Resolves once the node is there. The signal ends the wait.
   * @param boot without it, the node may have been there for long: it is looked for at once
   * @param until milliseconds since the Unix epoch: the last look is then
   * @throws AdjoinError `node-not-ready` when it is not there at the last look, and what the looks do
   */
  wait(instanceId: string, signal: AbortSignal, boot?: Boot, until?: number): Promise<void>;
}

/** Milliseconds that a look waits for others; launches come in groups. */
const WINDOW_MS = 100;
/** The next look is after so many parts of the time that a node has booted: of an unknown kind in its first seconds, and else. */
const FIRST_PARTS = 2;
const PARTS = 8;
/** Milliseconds within which an instance of EC2 hardly gets to register: it starts, and then the SSM agent does. */
const FIRST_MS = 16_000;
/** Milliseconds between two looks at most. */
const LONGEST_PAUSE_MS = 30_000;
/**
 * Milliseconds after the start of a boot at which the first look is at the latest. After an outage, what is known of boots is far too
 * long, and a node must not wait for that.
 */
const LATEST_FIRST_MS = 60_000;
/**
 * Milliseconds for which a node that was waited for counts as there: the wait for it and the work that follows share a look, also when
 * the work has to wait for a slot. Should it be gone by then, Run Command refuses the command, and the next attempt looks.
 */
const SEEN_MS = 120_000;

/** A question whether a node is there. A class that listens to its signal itself, for thousands of these wait. */
class Question {
  readonly instanceId: string;
  /** When it is asked at the latest, milliseconds since the Unix epoch. */
  readonly due: number;
  /** Of questions that are due together, the lower one was asked first. */
  readonly order: number;
  readonly signal: AbortSignal;
  readonly answered: Promise<boolean>;
  /** Whether it waits to be asked. */
  isOpen = false;
  readonly #forget: () => void;
  readonly #resolve: (isThere: boolean) => void;
  readonly #reject: (error: unknown) => void;

  /** @param forget told when the question need not be asked any more */
  constructor(instanceId: string, due: number, order: number, signal: AbortSignal, forget: () => void) {
    this.instanceId = instanceId;
    this.due = due;
    this.order = order;
    this.signal = signal;
    this.#forget = forget;
    const { promise, resolve, reject } = Promise.withResolvers<boolean>();
    this.answered = promise;
    this.#resolve = resolve;
    this.#reject = reject;
    signal.addEventListener('abort', this);
  }

  answer(isThere: boolean): void {
    this.signal.removeEventListener('abort', this);
    this.#resolve(isThere);
  }

  fail(error: unknown): void {
    this.signal.removeEventListener('abort', this);
    this.#reject(error);
  }

  /** The signal has aborted. */
  handleEvent(): void {
    if (this.isOpen) {
      this.isOpen = false;
      this.#forget();
    }
    this.fail(this.signal.reason);
  }
}

/** Asks for nodes: each at its time, or earlier where a call has room. */
function createLooks({ registered, clock }: ReadinessOptions) {
  const open = createHeap<Question>(
    (one, other) => one.due < other.due || (one.due === other.due && one.order < other.order),
    ({ isOpen }) => isOpen,
  );
  /** Wakes the loop: a question is due earlier than all before it. */
  let changed = new AbortController();
  let nextDue = Infinity;
  let looping = false;
  let asked = 0;

  async function look(questions: readonly Question[], now: number): Promise<void> {
    try {
      const found = await registered([...new Set(questions.map(({ instanceId }) => instanceId))]);
      for (const question of questions) question.answer(found.has(question.instanceId));
    } catch (error) {
      for (const question of questions) {
        // Those that came along lose nothing: their own look is still to come.
        if (question.due <= now) question.fail(error);
        else if (!question.signal.aborted) enter(question);
      }
    }
  }

  /** Those that are due, and with them as many others as a last call has room for. */
  function take(now: number): Question[] {
    const taken: Question[] = [];
    const nodes = new Set<string>();
    for (let first = open.first(); first; first = open.first()) {
      const hasRoom = nodes.size % NODES_PER_LOOK > 0;
      if (first.due > now && !hasRoom) break;
      open.pop();
      first.isOpen = false;
      nodes.add(first.instanceId);
      taken.push(first);
    }
    return taken;
  }

  /** Groups of at most so many nodes; questions about one node stay together. */
  function calls(questions: readonly Question[]): Question[][] {
    const byNode = [...Map.groupBy(questions, ({ instanceId }) => instanceId).values()];
    return Array.from({ length: Math.ceil(byNode.length / NODES_PER_LOOK) }, (_, call) =>
      byNode.slice(call * NODES_PER_LOOK, (call + 1) * NODES_PER_LOOK).flat(),
    );
  }

  async function loop(): Promise<void> {
    for (let first = open.first(); first; first = open.first()) {
      nextDue = first.due;
      const now = clock.now();
      if (now < nextDue) {
        changed = new AbortController();
        await clock.sleep(nextDue - now, changed.signal).catch(() => undefined);
        continue;
      }
      for (const call of calls(take(now))) void look(call, now);
    }
    looping = false;
  }

  function enter(question: Question): void {
    question.isOpen = true;
    open.push(question);
    if (!looping) {
      looping = true;
      void loop();
    } else if (question.due < nextDue) changed.abort(CALLED_OFF);
  }

  const forget = (): void => open.forget();

  // No async function: thousands wait here, and the state of one takes half a kilobyte.
  return (instanceId: string, due: number, signal: AbortSignal): Promise<boolean> => {
    if (signal.aborted) return Promise.reject(signal.reason);
    const question = new Question(instanceId, due, (asked += 1), signal, forget);
    enter(question);
    return question.answered;
  };
}

export function createReadiness(options: ReadinessOptions): Readiness {
  const { clock, intervalMs } = options;
  const look = createLooks(options);
  const waits = createWindow(WINDOW_MS, clock);
  const boots = createDurations();
  /** Those that were waited for, by the time at which they were seen; milliseconds since the Unix epoch. */
  const seen = new Map<string, number>();

  /** Before this time a node of the kind hardly is there; undefined while nothing is known of the kind. */
  function earliest({ kind, since }: Boot): number | undefined {
    const before = boots.before(kind);
    return before === undefined ? undefined : since + Math.min(LATEST_FIRST_MS, before);
  }

  /** All looks but the first are at multiples of the interval, so that those who wait share them. */
  function next(boot: Boot): number {
    const now = clock.now();
    const booted = now - boot.since;
    const known = earliest(boot);
    const parts = known === undefined && booted < FIRST_MS ? FIRST_PARTS : PARTS;
    const pause = Math.min(LONGEST_PAUSE_MS, Math.max(intervalMs, booted / parts));
    return Math.floor(Math.max(now + pause, known ?? 0) / intervalMs) * intervalMs;
  }

  function forget(now: number): void {
    for (const [instanceId, at] of seen) {
      if (now - at < SEEN_MS) break;
      seen.delete(instanceId);
    }
  }

  return {
    async isReady(instanceId, signal) {
      const at = seen.get(instanceId) ?? -Infinity;
      seen.delete(instanceId);
      return clock.now() - at < SEEN_MS || look(instanceId, clock.now() + waits(), signal);
    },
    async wait(instanceId, signal, asked, until = Infinity) {
      const began = clock.now();
      const atOnce = began + waits();
      // A clock that is ahead of ours must not put the first look off.
      const boot = asked && { kind: asked.kind, since: Math.min(asked.since, began) };
      const first = Math.max(atOnce, (boot && earliest(boot)) ?? 0);
      let due = first;
      while (!(await look(instanceId, Math.min(due, until), signal))) {
        if (clock.now() >= until)
          throw new AdjoinError('node-not-ready', `${instanceId} has not registered in time.`);
        due = next(boot ?? { kind: '', since: began });
      }
      const now = clock.now();
      // One that is there at the first look may have been there for any time.
      if (boot && due > first) boots.learn(boot.kind, now - boot.since);
      else if (boot && first > atOnce) boots.forget(boot.kind);
      forget(now);
      seen.delete(instanceId);
      seen.set(instanceId, now);
    },
  };
}
