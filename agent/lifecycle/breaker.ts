/**
 * A circuit breaker for each group. Where launch after launch of a group fails (a bad image, a closed port), one at a time is
 * tried, after pauses that grow; the others wait and cost little. The first that joins lets all of them go on.
 *
 *     closed ──so many instances failed, none joined──▶ open ──the pause is over──▶ one launch is tried
 *        ▲                                               ▲                              │      │
 *        │                                               └────failed: twice the pause───┘      │
 *        └──────────────────────────────────joined─────────────────────────────────────────────┘
 *
 * Each worker has its own, in memory: several try one launch each, and one that starts anew has to see the failures again.
 */
import type { Clock } from '../clock.ts';
import { AdjoinError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { LifecycleAction } from '../terms.ts';

export interface Breaker {
  /** Whether the action's group keeps failing, so that a launch of it may have to wait. */
  isFailing(action: LifecycleAction): boolean;
  /** Resolves once this launch may be tried: at once, unless its group keeps failing. */
  pass(action: LifecycleAction, signal: AbortSignal): Promise<void>;
  joined(action: LifecycleAction): void;
  /** An attempt of this launch has failed, and the node is the reason. */
  failed(action: LifecycleAction, error: AdjoinError): void;
}

/** Instances of a group that fail, with none that joins in between, before the group counts as failing. */
const LIMIT = 5;
/** Milliseconds between two launches of a failing group that are tried: at first, and at most. */
const FIRST_PAUSE_MS = 10_000;
const LONGEST_PAUSE_MS = 300_000;

interface Group {
  /** Instances that have failed since the last one joined; no more than the limit. */
  readonly failed: Set<string>;
  pauseMs: number;
  /** Milliseconds since the Unix epoch. */
  openUntil: number;
  /** The instance that is tried. */
  trial: string | undefined;
  /** Aborts when the group works again. */
  readonly closed: AbortController;
}

export function createBreaker(clock: Clock, log: Log): Breaker {
  const groups = new Map<string, Group>();

  function open(name: string, group: Group, error: AdjoinError): void {
    group.openUntil = clock.now() + group.pauseMs;
    group.trial = undefined;
    log.error('group keeps failing', {
      group: name,
      pauseMs: group.pauseMs,
      error: new AdjoinError('group-failing', `${name}: no launch joins. The last: ${error.message}`, {
        cause: error,
      }),
    });
  }

  return {
    isFailing: ({ group: name }) => (groups.get(name)?.failed.size ?? 0) >= LIMIT,
    async pass({ group: name, instanceId }, signal) {
      for (let group = groups.get(name); group && group.failed.size >= LIMIT; group = groups.get(name)) {
        const left = group.openUntil - clock.now();
        if (left <= 0) {
          group.trial = instanceId;
          group.openUntil = clock.now() + group.pauseMs;
          return;
        }
        const { closed } = group;
        await clock.sleep(left, AbortSignal.any([signal, closed.signal])).catch(() => undefined);
        signal.throwIfAborted();
      }
    },
    joined({ group: name }) {
      const group = groups.get(name);
      if (!group) return;
      groups.delete(name);
      group.closed.abort();
      if (group.failed.size >= LIMIT) log.info('group works again', { group: name });
    },
    failed({ group: name, instanceId }, error) {
      // Instances outside groups have nothing in common.
      if (name === '') return;
      const group = groups.get(name) ?? {
        failed: new Set(),
        pauseMs: FIRST_PAUSE_MS,
        openUntil: 0,
        trial: undefined,
        closed: new AbortController(),
      };
      groups.set(name, group);
      if (group.failed.size < LIMIT) {
        group.failed.add(instanceId);
        if (group.failed.size === LIMIT) open(name, group, error);
      } else if (group.trial === instanceId) {
        group.pauseMs = Math.min(LONGEST_PAUSE_MS, 2 * group.pauseMs);
        open(name, group, error);
      }
    },
  };
}
