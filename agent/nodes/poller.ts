/**
 * One loop follows every running command: each look asks once per command, however many nodes it runs on. Throttling slows
 * the loop down for all commands, success speeds it up again.
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
   */
  wait(commandId: string, instanceId: string, deadline: number, signal: AbortSignal): Promise<Invocation>;
}

/** Milliseconds between looks at most: even so, an ended command is seen within any heartbeat. */
const SLOWEST_MS = 15_000;
const RUNNING_STATUSES = new Set(['Pending', 'InProgress', 'Delayed', 'Cancelling']);

interface Waiting {
  readonly instanceId: string;
  readonly deadline: number;
  readonly settle: (result: Invocation | AdjoinError) => void;
}

export function createPoller(options: PollerOptions): Poller {
  const { list, clock, intervalMs } = options;
  const commands = new Map<string, Set<Waiting>>();
  let looping = false;
  const slowest = Math.max(SLOWEST_MS, intervalMs);
  let pause = intervalMs;

  function settle(commandId: string, waiting: Waiting, result: Invocation | AdjoinError): void {
    const group = commands.get(commandId);
    group?.delete(waiting);
    if (group?.size === 0) commands.delete(commandId);
    waiting.settle(result);
  }

  async function look(commandId: string, group: ReadonlySet<Waiting>): Promise<boolean> {
    let failure: AdjoinError | undefined;
    let invocations: readonly Invocation[] = [];
    try {
      invocations = await list(commandId);
    } catch (error) {
      failure = asAdjoinError(error);
    }
    for (const waiting of group) {
      const found = invocations.find((invocation) => invocation.instanceId === waiting.instanceId);
      const isLate = clock.now() >= waiting.deadline;
      if (found && (!RUNNING_STATUSES.has(found.status) || (isLate && found.status === 'Cancelling')))
        settle(commandId, waiting, found);
      else if (isLate) {
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
    return failure?.code === 'aws-throttled';
  }

  async function loop(): Promise<void> {
    try {
      while (commands.size > 0) {
        await clock.sleep(pause);
        const throttled = await Promise.all(
          [...commands].map(([commandId, group]) => look(commandId, group)),
        );
        pause = throttled.includes(true) ? Math.min(slowest, pause * 2) : Math.max(intervalMs, pause * 0.8);
      }
    } finally {
      looping = false;
    }
  }

  return {
    wait(commandId, instanceId, deadline, signal) {
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
          const group = commands.get(commandId);
          group?.delete(waiting);
          if (group?.size === 0) commands.delete(commandId);
          reject(signal.reason);
        }
        signal.addEventListener('abort', abort, { once: true });
        const group = commands.get(commandId) ?? new Set();
        commands.set(commandId, group.add(waiting));
        if (!looping) {
          looping = true;
          void loop();
        }
      });
    },
  };
}
