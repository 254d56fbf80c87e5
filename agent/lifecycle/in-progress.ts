/**
 * What this process works on, so that the work can be stopped: all of it when the worker stops, or a launch when a
 * termination of the same instance follows.
 */
import { AdjoinError } from '../errors.ts';
import type { KeepAlive } from '../keep-alive.ts';
import type { LifecycleAction } from '../terms.ts';

/** One action in work. */
export interface Entry {
  /** The lease is taken: this message now stands for its action, though an earlier message of the same action came first. */
  leased(): void;
  /** From now on a later action has nothing to stop here. */
  leave(): void;
  /** A later action that waits for this one goes on. */
  end(): void;
}

export interface InProgress {
  add(keepAlive: KeepAlive): void;
  remove(keepAlive: KeepAlive): void;
  /** Stops all work: each keep-alive aborts with this reason. */
  abortAll(reason: AdjoinError): void;
  /**
   * Stops the work on an earlier action of the same instance, and waits for its end. A termination that Auto Scaling
   * confirms makes the launch of the instance void: its next heartbeat need not be awaited. An action without a hook makes no other
   * void and waits, except that the end of an instance ends a join without a hook.
   * @throws AdjoinError `action-owned-elsewhere` when a later action of the instance is in work
   */
  supersede(action: LifecycleAction): Promise<void>;
  enter(action: LifecycleAction, keepAlive: KeepAlive): Entry;
}

interface Active {
  readonly action: LifecycleAction;
  readonly keepAlive: KeepAlive;
  readonly ended: Promise<void>;
}

const endsJoin = (action: LifecycleAction, earlier: LifecycleAction): boolean =>
  action.transition === 'terminating' &&
  earlier.transition === 'launching' &&
  earlier.source !== undefined &&
  earlier.startedAt <= action.startedAt;

/** A class, for thousands of these wait: each closure of each of them takes 64 bytes. */
class ActiveEntry implements Active, Entry {
  readonly action: LifecycleAction;
  readonly keepAlive: KeepAlive;
  readonly #active: Map<string, Active>;
  /** Made when somebody waits for the end. */
  #ended: PromiseWithResolvers<void> | undefined;
  #isOver = false;

  constructor(action: LifecycleAction, keepAlive: KeepAlive, active: Map<string, Active>) {
    this.action = action;
    this.keepAlive = keepAlive;
    this.#active = active;
  }

  get ended(): Promise<void> {
    if (this.#isOver) return Promise.resolve();
    this.#ended ??= Promise.withResolvers();
    return this.#ended.promise;
  }

  leased(): void {
    this.#active.set(this.action.instanceId, this);
  }

  leave(): void {
    if (this.#active.get(this.action.instanceId) === this) this.#active.delete(this.action.instanceId);
  }

  end(): void {
    this.#isOver = true;
    this.#ended?.resolve();
  }
}

export function createInProgress(): InProgress {
  const keepAlives = new Set<KeepAlive>();
  /** The action in work, by instance. */
  const active = new Map<string, Active>();

  return {
    add: (keepAlive) => void keepAlives.add(keepAlive),
    remove: (keepAlive) => void keepAlives.delete(keepAlive),
    abortAll(reason) {
      for (const keepAlive of keepAlives) keepAlive.abort(reason);
    },
    async supersede(action) {
      const { instanceId, token, startedAt } = action;
      const earlier = active.get(instanceId);
      if (!earlier || earlier.action.token === token) return;
      if (action.source !== undefined && !endsJoin(action, earlier.action)) {
        await earlier.ended;
        return;
      }
      if (earlier.action.startedAt > startedAt) {
        // Admitted before that one began, and superseded only now. When it comes back, Auto Scaling shows it void.
        throw new AdjoinError(
          'action-owned-elsewhere',
          `${instanceId}: a later lifecycle action is worked on.`,
        );
      }
      earlier.keepAlive.abort(
        new AdjoinError('action-void', `${instanceId}: another lifecycle action has followed this one.`),
      );
      await earlier.ended;
    },
    enter(action, keepAlive) {
      const mine = new ActiveEntry(action, keepAlive, active);
      // It can be superseded while it waits for the lease. A second message of one action does not replace the first yet.
      if (active.get(action.instanceId)?.action.token !== action.token) mine.leased();
      return mine;
    },
  };
}
