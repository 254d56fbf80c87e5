/**
 * One loop follows every running command: each look asks once per command, however many nodes it runs on. A command is first
 * looked at when one of its kind can have ended, and less often the longer it runs. Throttling slows the loop down for all
 * commands, success speeds it up again.
 */
import type { Clock } from '../clock.ts';
import { AdjoinError, asAdjoinError } from '../errors.ts';

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

export interface PollerOptions {
  /** Every invocation of a command, all pages. */
  readonly list: (commandId: string) => Promise<readonly Invocation[]>;
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
   */
  wait(
    commandId: string,
    instanceId: string,
    deadline: number,
    signal: AbortSignal,
    kind: string,
  ): Promise<Invocation>;
}

/** Milliseconds between looks at most: even so, an ended command is seen within any heartbeat. */
const SLOWEST_MS = 15_000;
/** A command that runs is looked at again after so many parts of the time that it has run, and at the latest after so many milliseconds. */
const PARTS = 8;
const LONGEST_GAP_MS = 5_000;
/** Of the last commands of a kind: the first look is at this share of the time that the quickest of them took. */
const REMEMBERED = 10;
const SHARE_OF_QUICKEST = 0.8;
const RUNNING_STATUSES = new Set(['Pending', 'InProgress', 'Delayed', 'Cancelling']);

interface Waiting {
  readonly instanceId: string;
  readonly deadline: number;
  readonly settle: (result: Invocation | AdjoinError) => void;
}

interface Command {
  readonly kind: string;
  /** Milliseconds since the Unix epoch, both. */
  readonly since: number;
  nextLook: number;
  readonly waiting: Set<Waiting>;
}

export function createPoller(options: PollerOptions): Poller {
  const { list, clock, intervalMs } = options;
  const commands = new Map<string, Command>();
  /** Milliseconds that the last commands of each kind took. */
  const durations = new Map<string, readonly number[]>();
  let looping = false;
  const slowest = Math.max(SLOWEST_MS, intervalMs);
  let pause = intervalMs;

  function settle(commandId: string, waiting: Waiting, result: Invocation | AdjoinError): void {
    leave(commandId, waiting);
    waiting.settle(result);
  }

  function leave(commandId: string, waiting: Waiting): void {
    const command = commands.get(commandId);
    command?.waiting.delete(waiting);
    if (command?.waiting.size === 0) commands.delete(commandId);
  }

  function begun(kind: string): Command {
    const since = clock.now();
    const quickest = Math.min(...(durations.get(kind) ?? [0]));
    return { kind, since, nextLook: since + quickest * SHARE_OF_QUICKEST, waiting: new Set() };
  }

  function learn({ kind, since }: Command): void {
    const known = durations.get(kind) ?? [];
    durations.set(kind, [...known, clock.now() - since].slice(-REMEMBERED));
  }

  function isDue({ nextLook, waiting }: Command): boolean {
    const now = clock.now();
    return now >= nextLook || [...waiting].some(({ deadline }) => now >= deadline);
  }

  async function look(commandId: string, command: Command): Promise<boolean> {
    let failure: AdjoinError | undefined;
    let invocations: readonly Invocation[] = [];
    try {
      invocations = await list(commandId);
    } catch (error) {
      failure = asAdjoinError(error);
    }
    const now = clock.now();
    command.nextLook = now + Math.min(LONGEST_GAP_MS, (now - command.since) / PARTS);
    let hasEnded = false;
    for (const waiting of command.waiting) {
      const found = invocations.find((invocation) => invocation.instanceId === waiting.instanceId);
      const isLate = clock.now() >= waiting.deadline;
      if (found && (!RUNNING_STATUSES.has(found.status) || (isLate && found.status === 'Cancelling'))) {
        hasEnded = true;
        settle(commandId, waiting, found);
      } else if (isLate) {
        const where = `Command ${commandId} on ${waiting.instanceId}`;
        const late = failure
          ? new AdjoinError(failure.code, `${where} has not been seen to end: ${failure.message}`, {
              cause: failure,
            })
          : new AdjoinError(
              'command-failed',
              `${where} has not ended in time: it is ${found?.status ?? 'not listed'}.`,
            );
        settle(commandId, waiting, late);
      }
    }
    if (hasEnded) learn(command);
    return failure?.code === 'aws-throttled';
  }

  async function loop(): Promise<void> {
    try {
      while (commands.size > 0) {
        await clock.sleep(pause);
        const throttled = await Promise.all(
          [...commands]
            .filter(([, command]) => isDue(command))
            .map(([commandId, command]) => look(commandId, command)),
        );
        pause = throttled.includes(true) ? Math.min(slowest, pause * 2) : Math.max(intervalMs, pause * 0.8);
      }
    } finally {
      looping = false;
    }
  }

  return {
    wait(commandId, instanceId, deadline, signal, kind) {
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
        function abort(): void {
          leave(commandId, waiting);
          reject(signal.reason);
        }
        signal.addEventListener('abort', abort, { once: true });
        const command = commands.get(commandId) ?? begun(kind);
        command.waiting.add(waiting);
        commands.set(commandId, command);
        if (!looping) {
          looping = true;
          void loop();
        }
      });
    },
  };
}
