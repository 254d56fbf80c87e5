/**
 * One loop follows every running command. A command is first looked at when one of its kind can have ended, and less often the
 * longer it runs. Those that are due together are looked up together: one listing of all that was sent since the oldest of them, or
 * one for each command where that takes fewer pages. Throttling slows the loop down for all commands, success speeds it up again.
 *
 * A listing of all is only a way to see ends early. Whatever it does not show (the service shows new commands late, and other
 * commands of the account can fill it) is asked for by the command's ID, and so is each command at its deadline.
 */
import { CALLED_OFF, type Clock } from '../clock.ts';
import { AdjoinError, asAdjoinError } from '../errors.ts';
import { createDurations } from './durations.ts';

export interface Invocation {
  readonly instanceId: string;
  /** As Run Command names it: `Pending`, `InProgress`, `Success`, `Failed`, `TimedOut`, `Cancelled`, `Undeliverable` … */
  readonly status: string;
  readonly detail: string;
  /** Of the steps that ran. At most 2,500 characters each (ListCommandInvocations). */
  readonly output: string;
  /** No step of the document was for the node's platform. */
  readonly isSkipped?: boolean;
}

/** One in a listing of several commands. */
export interface ListedInvocation extends Invocation {
  readonly commandId: string;
}

export interface SentCommand {
  readonly commandId: string;
  /** By the service's clock, milliseconds since the Unix epoch; undefined where it did not say. */
  readonly requestedAt: number | undefined;
}

export interface PollerOptions {
  /** Every invocation of a command, all pages. */
  readonly list: (commandId: string) => Promise<readonly Invocation[]>;
  /** Page by page, each when it is wanted, what was sent at this time by the service's clock or later, whoever has sent it. */
  readonly listSince: (requestedAt: number) => AsyncIterable<readonly ListedInvocation[]>;
  readonly clock: Clock;
  readonly intervalMs: number;
}

export interface Poller {
  /**
   * Resolves with the invocation on this node once it has ended; at the deadline also with one that is still being
   * cancelled, because a node that is gone never confirms it.
   * @throws AdjoinError `command-failed` when the deadline (milliseconds since the Unix epoch) passes first; when AWS does
   * not say how the command is by then, AWS's error, because the node is not the cause
   * @param kind of commands that take about the same time
   * @param leastMs milliseconds before which no command of a kind that is not known yet is looked at
   */
  wait(
    command: SentCommand,
    instanceId: string,
    deadline: number,
    signal: AbortSignal,
    kind: string,
    leastMs?: number,
  ): Promise<Invocation>;
}

/** Milliseconds between looks at most: even so, an ended command is seen within any heartbeat. */
const SLOWEST_MS = 15_000;
/** A command that runs is looked at again after so many parts of the time that it has run, and at the latest after so many milliseconds. */
const PARTS = 16;
/** As many parts of the time since a node of the command has ended: those that began together end one soon after the other. */
const PARTS_AFTER_END = 4;
const LONGEST_GAP_MS = 5_000;
/**
 * Milliseconds that a command runs at most before its first look. After an outage, what is known of its kind is far too long, and an
 * end must not wait for that.
 */
const LATEST_FIRST_MS = 60_000;
/** Invocations on a page of a listing (API reference). */
const PAGE = 50;
/** Milliseconds for which no more listings of all are tried after one that failed, or that others' commands had filled. */
const ALONE_MS = 60_000;
const RUNNING_STATUSES = new Set(['Pending', 'InProgress', 'Delayed', 'Cancelling']);

interface Waiting {
  readonly instanceId: string;
  readonly deadline: number;
  readonly settle: (result: Invocation | AdjoinError) => void;
}

interface Command {
  readonly commandId: string;
  readonly kind: string;
  readonly requestedAt: number | undefined;
  /** Milliseconds since the Unix epoch, both. */
  readonly since: number;
  nextLook: number;
  /** How often it was looked at. */
  looks: number;
  /** When a look has shown an end the last time, milliseconds since the Unix epoch. */
  endedAt: number | undefined;
  /** A listing of all did not show it: it is asked for by its ID. */
  isMissing: boolean;
  /** Nodes that it was sent to. */
  nodes: number;
  readonly waiting: Set<Waiting>;
}

/** What a look has shown of one command. */
interface Seen {
  readonly invocations: readonly Invocation[];
  /** Why the look could not be made. */
  readonly failure?: AdjoinError;
}

/** When the command is looked at next: at its time, or at a deadline. */
function dueAt({ nextLook, waiting }: Command): number {
  let due = nextLook;
  for (const { deadline } of waiting) due = Math.min(due, deadline);
  return due;
}

/** The failure that says most of how fast to go on. */
const worst = (failures: readonly (AdjoinError | undefined)[]): AdjoinError | undefined =>
  failures.find((failure) => failure?.code === 'aws-throttled') ?? failures.find(Boolean);

export function createPoller(options: PollerOptions): Poller {
  const { list, listSince, clock, intervalMs } = options;
  const commands = new Map<string, Command>();
  const durations = createDurations();
  /** What was sent since the oldest command that runs was sent, ended or not: it fills the pages of a listing. */
  let sent: readonly Command[] = [];
  let aloneUntil = -Infinity;
  let looping = false;
  const slowest = Math.max(SLOWEST_MS, intervalMs);
  let pause = intervalMs;
  /** Wakes the loop: a command is due earlier than all before it. */
  let changed = new AbortController();
  let nextTurn = Infinity;

  function leave(command: Command, waiting: Waiting): void {
    command.waiting.delete(waiting);
    if (command.waiting.size === 0) commands.delete(command.commandId);
  }

  function begun({ commandId, requestedAt }: SentCommand, kind: string, leastMs: number): Command {
    const since = clock.now();
    const nextLook =
      since + Math.max(intervalMs, Math.min(LATEST_FIRST_MS, durations.before(kind) ?? leastMs));
    const waiting = new Set<Waiting>();
    const command = {
      commandId,
      kind,
      requestedAt,
      since,
      nextLook,
      waiting,
      looks: 0,
      endedAt: undefined,
      isMissing: false,
      nodes: 0,
    };
    sent = [...sent, command];
    return command;
  }

  /** Hands ends to those that wait. An end never changes, so that any look can show it. @returns how many */
  function settle(command: Command, invocations: readonly Invocation[]): number {
    let ended = 0;
    for (const waiting of command.waiting) {
      const found = invocations.find(({ instanceId }) => instanceId === waiting.instanceId);
      if (!found || RUNNING_STATUSES.has(found.status)) continue;
      ended += 1;
      leave(command, waiting);
      waiting.settle(found);
    }
    if (ended > 0) command.endedAt = clock.now();
    return ended;
  }

  /** Gives up what is late. Only a look at the command by its ID says how it is by then. */
  function giveUp(command: Command, { invocations, failure }: Seen): void {
    for (const waiting of command.waiting) {
      if (clock.now() < waiting.deadline) continue;
      const found = invocations.find(({ instanceId }) => instanceId === waiting.instanceId);
      leave(command, waiting);
      if (found?.status === 'Cancelling') {
        waiting.settle(found);
        continue;
      }
      const where = `Command ${command.commandId} on ${waiting.instanceId}`;
      waiting.settle(
        failure
          ? new AdjoinError(failure.code, `${where} has not been seen to end: ${failure.message}`, {
              cause: failure,
            })
          : new AdjoinError(
              'command-failed',
              `${where} has not ended in time: it is ${found?.status ?? 'not listed'}.`,
            ),
      );
    }
  }

  /** Notes a look that the command was due for. */
  function looked(command: Command, invocations: readonly Invocation[]): void {
    const now = clock.now();
    const ran = now - command.since;
    const isFirst = command.looks === 0;
    command.looks += 1;
    const ended = settle(command, invocations);
    const gap = Math.min(ran / PARTS, (now - (command.endedAt ?? -Infinity)) / PARTS_AFTER_END);
    command.nextLook = now + Math.max(intervalMs, Math.min(LONGEST_GAP_MS, gap));
    if (ended === 0) return;
    const wasPutOff = isFirst && durations.before(command.kind) !== undefined;
    // All had ended by the first look: for how long, nothing says.
    if (wasPutOff && command.waiting.size === 0) durations.forget(command.kind);
    else durations.learn(command.kind, ran);
  }

  async function lookAlone(command: Command): Promise<AdjoinError | undefined> {
    let seen: Seen;
    try {
      seen = { invocations: await list(command.commandId) };
    } catch (error) {
      seen = { invocations: [], failure: asAdjoinError(error) };
    }
    looked(command, seen.invocations);
    giveUp(command, seen);
    return seen.failure;
  }

  /** Pages of a listing since this time, of what was sent from here. */
  function pagesSince(from: number): number {
    const nodes = sent.reduce(
      (sum, command) => sum + ((command.requestedAt ?? -Infinity) >= from ? command.nodes : 0),
      0,
    );
    return Math.ceil(nodes / PAGE);
  }

  /** Looks all of these up in one listing, and those that it did not show one by one. */
  async function lookTogether(due: readonly Command[], from: number): Promise<AdjoinError | undefined> {
    const found = new Map<string, Invocation[]>(due.map(({ commandId }) => [commandId, []]));
    const isShown = ({ commandId, waiting }: Command): boolean => {
      const shown = found.get(commandId) ?? [];
      return [...waiting].every((each) => shown.some(({ instanceId }) => instanceId === each.instanceId));
    };
    let isWhole = true;
    let pages = 0;
    try {
      for await (const page of listSince(from)) {
        for (const { commandId, ...invocation } of page) {
          if (found.has(commandId)) found.get(commandId)?.push(invocation);
          else if (commands.has(commandId)) found.set(commandId, [invocation]);
        }
        pages += 1;
        if (due.every(isShown)) break;
        if (pages < due.length) continue;
        isWhole = false;
        break;
      }
    } catch (error) {
      const failure = asAdjoinError(error);
      if (failure.code === 'aws-throttled') {
        for (const command of due) looked(command, []);
        return failure;
      }
      // Should the listing be refused for good, ends must not wait for their deadlines: each command is asked for by its ID.
      aloneUntil = clock.now() + ALONE_MS;
      return worst(await Promise.all(due.map((command) => lookAlone(command))));
    }
    const hidden = due.filter((command) => !isShown(command));
    if (isWhole) for (const command of hidden) command.isMissing = true;
    else aloneUntil = clock.now() + ALONE_MS;
    for (const command of due) {
      if (isWhole || isShown(command)) looked(command, found.get(command.commandId) ?? []);
      found.delete(command.commandId);
    }
    for (const [commandId, invocations] of found) {
      const command = commands.get(commandId);
      if (command) settle(command, invocations);
    }
    if (isWhole) return undefined;
    return worst(await Promise.all(hidden.map((command) => lookAlone(command))));
  }

  /** Looks at all commands that are due. */
  async function look(): Promise<AdjoinError | undefined> {
    const now = clock.now();
    const due = [...commands.values()].filter((command) => dueAt(command) <= now);
    const isLate = ({ waiting }: Command): boolean => [...waiting].some(({ deadline }) => deadline <= now);
    const together = due.filter(
      (command) => command.requestedAt !== undefined && !command.isMissing && !isLate(command),
    );
    const from = Math.min(...together.map(({ requestedAt }) => requestedAt ?? Infinity));
    const oldest = Math.min(...[...commands.values()].map(({ requestedAt }) => requestedAt ?? Infinity));
    sent = sent.filter(({ requestedAt = -Infinity }) => requestedAt >= oldest);
    if (now < aloneUntil || pagesSince(from) >= together.length) {
      return worst(await Promise.all(due.map((command) => lookAlone(command))));
    }
    const alone = due.filter((command) => !together.includes(command));
    return worst(
      await Promise.all([lookTogether(together, from), ...alone.map((command) => lookAlone(command))]),
    );
  }

  async function loop(): Promise<void> {
    let lastLook = -Infinity;
    try {
      while (commands.size > 0) {
        nextTurn = Infinity;
        for (const command of commands.values()) nextTurn = Math.min(nextTurn, dueAt(command));
        // Those that are due within one pause are looked at together.
        nextTurn = Math.max(nextTurn, lastLook + pause);
        if (clock.now() < nextTurn) {
          changed = new AbortController();
          await clock.sleep(nextTurn - clock.now(), changed.signal).catch(() => undefined);
          continue;
        }
        lastLook = clock.now();
        const failure = await look();
        const isThrottled = failure?.code === 'aws-throttled';
        pause = isThrottled ? Math.min(slowest, pause * 2) : Math.max(intervalMs, pause * 0.8);
      }
    } finally {
      looping = false;
    }
  }

  return {
    wait(command, instanceId, deadline, signal, kind, leastMs = 0) {
      return new Promise<Invocation>((resolve, reject) => {
        if (signal.aborted) {
          reject(signal.reason);
          return;
        }
        const waiting: Waiting = {
          instanceId,
          deadline,
          settle(result) {
            signal.removeEventListener('abort', abort);
            if (result instanceof AdjoinError) reject(result);
            else resolve(result);
          },
        };
        const running = commands.get(command.commandId) ?? begun(command, kind, leastMs);
        function abort(): void {
          leave(running, waiting);
          reject(signal.reason);
        }
        signal.addEventListener('abort', abort, { once: true });
        running.waiting.add(waiting);
        running.nodes += 1;
        commands.set(running.commandId, running);
        if (!looping) {
          looping = true;
          void loop();
        } else if (dueAt(running) < nextTurn) changed.abort(CALLED_OFF);
      });
    },
  };
}
