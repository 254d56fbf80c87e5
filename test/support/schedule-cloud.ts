/**
 * Auto Scaling and SQS in simulated time, as strict as the real ones where it matters: a token answers one action once,
 * a heartbeat too late is too late, a receipt is good until the next receive, the twentieth receive is the last.
 */
import { AdjoinError } from '../../agent/errors.ts';
import type { Group } from '../../agent/lifecycle/admission.ts';
import { firstVisibility } from '../../agent/lifecycle/delivery.ts';
import { createMemoryQueue, type MemoryQueue, type ReceivedMessage } from './memory-queue.ts';
import type { Kernel } from './schedule-kernel.ts';
import type { Heartbeats, Life } from './schedule.ts';
import type { Existence, InstanceState } from '../../agent/terms.ts';

export const ACCOUNT = '123456789012';
export const REGION = 'eu-central-1';
export const GROUP = 'fleet';
/** As the deployed queue has it. */
const MAXIMUM_RECEIVES = 20;
/** Milliseconds for which a message is hidden at most before it must be renewed; the agent's default. */
export const VISIBILITY_MS = 120_000;
/** Milliseconds after which an action ends whatever its heartbeats say: the most that AWS has, and a cap that schedules play. */
const LONGEST_WAIT_MS = 172_800_000;
const CAPPED_MS = 240_000;
/** Milliseconds between coming to rest and the next turn of an instance's life. */
const REST_MS = 20_000;
/** Milliseconds that a new root volume or a start from the pool takes until the node registers again. */
const BOOT_MS = 60_000;
/** Milliseconds by which a stale view lags behind. */
const LAG_MS = 75_000;
/** Milliseconds until Auto Scaling notices that somebody has terminated an instance of its group. */
const NOTICE_MS = 90_000;
/** How long EC2 shows a terminated instance. */
const EC2_FORGETS_MS = 3_600_000;

export type EndedBy = 'worker' | 'person' | 'time-out' | 'another action' | 'hook deleted' | 'death';

export interface Action {
  readonly token: string;
  readonly instanceId: string;
  readonly transition: 'launching' | 'terminating';
  readonly origin: string;
  readonly destination: string;
  readonly startedAt: number;
  beatAt: number;
  ended: { readonly by: EndedBy; readonly result: string; readonly at: number } | undefined;
}

export interface Instance {
  readonly id: string;
  state: string;
  /** What it was, and since when. */
  history: readonly { readonly state: string; readonly since: number }[];
  action: Action | undefined;
  lives: readonly Life[];
  /** Whether its group still counts it. */
  detached: boolean;
  /** When EC2 began to show it as terminated; Auto Scaling may not know yet. Milliseconds since the Unix epoch. */
  terminatedAt: number;
}

export interface Nodes {
  boot(instanceId: string, afterMs: number, disk: 'new' | 'same'): void;
  down(instanceId: string): void;
}

export interface Cloud {
  readonly instances: ReadonlyMap<string, Instance>;
  readonly actions: ReadonlyMap<string, Action>;
  readonly messages: MemoryQueue['messages'];
  /** All actions over, all messages settled. */
  readonly quiet: boolean;
  launch(instanceId: string, warm: boolean, lives: readonly Life[]): void;
  scaleIn(instanceId: string): void;
  die(instanceId: string): void;
  /** Past the hooks: EC2 knows at once, Auto Scaling learns of it later. */
  terminate(instanceId: string): void;
  detach(instanceId: string): void;
  deleteHooks(): void;
  person(instanceId: string, result: 'CONTINUE' | 'ABANDON'): void;
  again(token: string | undefined): void;
  forge(instanceId: string): void;
  deleteGroup(): void;
  /** Shows instances as they were a while ago, for so many milliseconds. */
  lag(ms: number): void;

  receive(maximum: number): ReceivedMessage[];
  /** Aborts when the next message is sent. */
  readonly nextSent: AbortSignal;
  /** Milliseconds until a message becomes visible; Infinity when none will by itself. */
  nextVisible(): number;
  remove(received: ReceivedMessage): void;
  hide(received: ReceivedMessage, seconds: number): void;
  instance(instanceId: string): InstanceState | undefined;
  /** As EC2 shows it. */
  existence(instanceId: string): Existence;
  /** Whether it truly lives. */
  lives(instanceId: string): boolean;
  group(): Group | undefined;
  heartbeat(token: string): void;
  complete(token: string, result: 'CONTINUE' | 'ABANDON'): void;
}

export interface CloudOptions {
  readonly kernel: Kernel;
  readonly nodes: Nodes;
  readonly heartbeats: Heartbeats;
  readonly capped: boolean;
  readonly hold: boolean;
  readonly hookAfterAbandon: boolean;
  /** The group of an instance, where there are several; all have the same tags and hooks. */
  readonly groupOf?: (instanceId: string) => string;
}

const noSuchAction = (token: string): AdjoinError =>
  new AdjoinError('action-void', `No active Lifecycle Action found with token ${token}`);

const living = (instance: Instance | undefined): instance is Instance =>
  instance !== undefined && instance.state !== 'gone' && instance.terminatedAt === Infinity;

export function createCloud(options: CloudOptions): Cloud {
  const { kernel, nodes, groupOf = () => GROUP } = options;
  const hookOf = (heartbeatMs: number) => ({
    heartbeatMs,
    globalMs: options.capped ? CAPPED_MS : Math.min(LONGEST_WAIT_MS, 100 * heartbeatMs),
  });
  const hooks = {
    launching: hookOf(options.heartbeats.launching * 1000),
    terminating: hookOf(options.heartbeats.terminating * 1000),
  };
  const instances = new Map<string, Instance>();
  const actions = new Map<string, Action>();
  const queue = createMemoryQueue({
    now: () => kernel.now(),
    visibilityMs: firstVisibility(VISIBILITY_MS),
    maximumReceives: MAXIMUM_RECEIVES,
  });
  const { messages } = queue;
  let groupExists = true;
  let hooksExist = true;
  let tokens = 0;
  let staleUntil = 0;

  let nextSent = new AbortController();

  function send(action: Action): void {
    queue.send(
      JSON.stringify({
        Origin: action.origin,
        Destination: action.destination,
        AccountId: ACCOUNT,
        LifecycleTransition:
          action.transition === 'launching'
            ? 'autoscaling:EC2_INSTANCE_LAUNCHING'
            : 'autoscaling:EC2_INSTANCE_TERMINATING',
        AutoScalingGroupName: groupOf(action.instanceId),
        LifecycleHookName: action.transition === 'launching' ? 'join' : 'unjoin',
        EC2InstanceId: action.instanceId,
        LifecycleActionToken: action.token,
        Time: new Date(action.startedAt).toISOString(),
      }),
    );
    const sent = nextSent;
    nextSent = new AbortController();
    sent.abort();
  }

  const expiryOf = ({ transition, beatAt, startedAt }: Action): number =>
    Math.min(beatAt + hooks[transition].heartbeatMs, startedAt + hooks[transition].globalMs);

  function watch(action: Action): void {
    // Looked at again when the last heartbeat known now runs out; a later one has moved that on.
    kernel.after(expiryOf(action) - kernel.now(), () => {
      if (action.ended) return;
      if (expiryOf(action) <= kernel.now()) end(action, 'time-out', 'ABANDON');
      else watch(action);
    });
  }

  function open(instance: Instance, transition: Action['transition'], origin: string, destination: string) {
    if (instance.action && !instance.action.ended) end(instance.action, 'another action', 'none');
    tokens += 1;
    const token = `00000000-0000-0000-0000-${String(tokens).padStart(12, '0')}`;
    const now = kernel.now();
    const action: Action = {
      token,
      instanceId: instance.id,
      transition,
      origin,
      destination,
      startedAt: now,
      beatAt: now,
      ended: undefined,
    };
    instance.action = action;
    actions.set(token, action);
    send(action);
    watch(action);
  }

  function become(instance: Instance, state: string): void {
    instance.state = state;
    // No push: it makes room for seventeen.
    instance.history = [...instance.history, { state, since: kernel.now() }];
  }

  function vanish(instance: Instance): void {
    if (instance.state === 'gone') return;
    instance.terminatedAt = Math.min(instance.terminatedAt, kernel.now());
    become(instance, 'gone');
    nodes.down(instance.id);
  }

  function boot(instance: Instance, afterMs: number, disk: 'new' | 'same'): void {
    if (living(instance)) nodes.boot(instance.id, afterMs, disk);
  }

  function end(action: Action, by: EndedBy, result: string): void {
    const instance = instances.get(action.instanceId);
    if (!instance || action.ended) return;
    action.ended = { by, result, at: kernel.now() };
    if (by === 'another action') return;
    if (by === 'death') return vanish(instance);
    if (action.transition === 'launching') {
      if (result !== 'CONTINUE' && options.hookAfterAbandon) return leave(instance);
      if (result !== 'CONTINUE') return vanish(instance);
      if (action.destination === 'WarmPool') return sleep(instance);
      become(instance, 'InService');
      return rest(instance);
    }
    if (action.destination === 'WarmPool') return result === 'CONTINUE' ? sleep(instance) : vanish(instance);
    if (action.destination === 'EC2') return vanish(instance);
    // A new root volume: the same instance with an empty disk launches again.
    become(instance, 'ReplacingRootVolume:Proceed');
    boot(instance, BOOT_MS, 'new');
    kernel.after(BOOT_MS, () => {
      if (instance.state !== 'ReplacingRootVolume:Proceed') return;
      if (!hooksExist) return become(instance, 'InService');
      become(instance, 'Pending:Wait');
      open(instance, 'launching', 'AutoScalingGroup', 'AutoScalingGroup');
    });
  }

  function sleep(instance: Instance): void {
    become(instance, 'Warmed:Stopped');
    nodes.down(instance.id);
    rest(instance);
  }

  /** What an instance at rest goes through next. */
  function rest(instance: Instance): void {
    const state = instance.state;
    kernel.after(REST_MS, () => {
      if (instance.state !== state || !groupExists || instance.detached || !living(instance)) return;
      const [next, ...later] = instance.lives;
      if (!next) return;
      instance.lives = later;
      if (next === 'scale-in') scaleIn(instance);
      else if (!hooksExist) rest(instance);
      else if (next === 'root volume replaced' && state === 'InService') {
        become(instance, 'ReplacingRootVolume:Wait');
        open(instance, 'terminating', 'AutoScalingGroup', 'AutoScalingGroup');
      } else if (next === 'into the warm pool' && state === 'InService') {
        // The documented state of an instance that returns: it waits at the pool's door, for the terminating hook.
        become(instance, 'Warmed:Pending:Wait');
        open(instance, 'terminating', 'AutoScalingGroup', 'WarmPool');
      } else if (next === 'out of the warm pool' && state === 'Warmed:Stopped') {
        become(instance, 'Pending:Wait');
        boot(instance, REST_MS, 'same');
        open(instance, 'launching', 'WarmPool', 'AutoScalingGroup');
      } else rest(instance);
    });
  }

  /** The time of what is shown now. */
  const viewedAt = (): number => (kernel.now() >= staleUntil ? kernel.now() : kernel.now() - LAG_MS);

  function shown(instance: Instance): string | undefined {
    const at = viewedAt();
    return at === kernel.now()
      ? instance.state
      : instance.history.findLast(({ since }) => since <= at)?.state;
  }

  function scaleIn(instance: Instance | undefined): void {
    if (!living(instance) || instance.detached) return;
    if (instance.action?.ended === undefined && instance.action?.transition === 'terminating') return;
    leave(instance);
  }

  function leave(instance: Instance): void {
    if (!hooksExist) return vanish(instance);
    const warmed = instance.state.startsWith('Warmed');
    become(instance, warmed ? 'Warmed:Terminating:Wait' : 'Terminating:Wait');
    open(instance, 'terminating', warmed ? 'WarmPool' : 'AutoScalingGroup', 'EC2');
  }

  function die(instance: Instance | undefined): void {
    if (!instance || instance.state === 'gone') return;
    if (instance.action && !instance.action.ended) end(instance.action, 'death', 'none');
    else vanish(instance);
  }

  return {
    instances,
    actions,
    messages,
    get quiet() {
      return (
        messages.every((message) => message.gone) && [...actions.values()].every((action) => action.ended)
      );
    },
    launch(instanceId, warm, lives) {
      const state = warm ? 'Warmed:Pending:Wait' : 'Pending:Wait';
      const instance: Instance = {
        id: instanceId,
        state,
        history: [{ state, since: kernel.now() }],
        action: undefined,
        lives,
        detached: false,
        terminatedAt: Infinity,
      };
      instances.set(instanceId, instance);
      nodes.boot(instanceId, 3_000, 'new');
      open(instance, 'launching', 'EC2', warm ? 'WarmPool' : 'AutoScalingGroup');
    },
    scaleIn: (instanceId) => scaleIn(instances.get(instanceId)),
    die: (instanceId) => die(instances.get(instanceId)),
    terminate(instanceId) {
      const instance = instances.get(instanceId);
      if (!living(instance)) return;
      instance.terminatedAt = kernel.now();
      nodes.down(instanceId);
      kernel.after(NOTICE_MS, () => die(instance));
    },
    detach(instanceId) {
      const instance = instances.get(instanceId);
      if (living(instance) && instance.state === 'InService') instance.detached = true;
    },
    deleteHooks() {
      hooksExist = false;
      for (const action of actions.values()) {
        if (!action.ended)
          end(action, 'hook deleted', action.transition === 'launching' ? 'ABANDON' : 'CONTINUE');
      }
    },
    person(instanceId, result) {
      const action = instances.get(instanceId)?.action;
      if (action && !action.ended) end(action, 'person', result);
    },
    again(token) {
      const action = token === undefined ? undefined : actions.get(token);
      if (action) send(action);
    },
    forge(instanceId) {
      const action = instances.get(instanceId)?.action;
      if (action) send({ ...action, token: '99999999-9999-9999-9999-999999999999' });
    },
    deleteGroup() {
      groupExists = false;
      for (const instance of instances.values()) if (!instance.detached) die(instance);
    },

    lag(ms) {
      staleUntil = kernel.now() + ms;
    },

    get nextSent() {
      return nextSent.signal;
    },
    receive: (maximum) => queue.receive(maximum),
    nextVisible: () => queue.nextVisible(),
    remove: (received) => queue.remove(received),
    hide: (received, seconds) => queue.hide(received, seconds),
    instance(instanceId) {
      const found = instances.get(instanceId);
      const lifecycleState = found && !found.detached ? shown(found) : undefined;
      return lifecycleState === undefined || lifecycleState === 'gone'
        ? undefined
        : { group: groupOf(instanceId), lifecycleState };
    },
    existence(instanceId) {
      const instance = instances.get(instanceId);
      const [born] = instance?.history ?? [];
      const at = viewedAt();
      if (!instance || !born || born.since > at || instance.terminatedAt + EC2_FORGETS_MS <= at)
        return 'unknown';
      return instance.terminatedAt > at ? 'living' : 'terminated';
    },
    lives: (instanceId) => living(instances.get(instanceId)),
    group() {
      if (!groupExists) return undefined;
      const tags = new Map([['JoinAD', 'true']]);
      if (options.hold) tags.set('adjoin:OnJoinFailure', 'HOLD');
      return {
        tags,
        hooks: hooksExist
          ? [
              { name: 'join', transition: 'autoscaling:EC2_INSTANCE_LAUNCHING', ...hooks.launching },
              { name: 'unjoin', transition: 'autoscaling:EC2_INSTANCE_TERMINATING', ...hooks.terminating },
            ]
          : [],
      };
    },
    heartbeat(token) {
      const action = actions.get(token);
      if (!action || action.ended) throw noSuchAction(token);
      action.beatAt = kernel.now();
    },
    complete(token, result) {
      const action = actions.get(token);
      if (!action || action.ended) throw noSuchAction(token);
      end(action, 'worker', result);
    },
  };
}
