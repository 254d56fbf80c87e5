/** Auto Scaling, as adjoin uses it. Lookups are shared: one call for up to 50 instances, one per group and 5 seconds. */
import {
  AutoScalingClient,
  CompleteLifecycleActionCommand,
  DescribeAutoScalingGroupsCommand,
  DescribeLifecycleHooksCommand,
  paginateDescribeAutoScalingInstances,
  RecordLifecycleActionHeartbeatCommand,
} from '@aws-sdk/client-auto-scaling';
import { createBatch } from '../batch.ts';
import type { Clock } from '../clock.ts';
import { AdjoinError, reasonOf } from '../errors.ts';
import type { AdmissionPorts, Group, HeartbeatTime } from '../lifecycle/admission.ts';
import type { CompletionPort } from '../lifecycle/work.ts';
import { awsErrorOf, callAws, pagesOfAws, wasThrottled } from './errors.ts';
import type { InstanceState, LifecycleAction } from '../terms.ts';
import { createTurns } from './turns.ts';

/** The most instance IDs that DescribeAutoScalingInstances takes (API reference). */
const INSTANCES_PER_CALL = 50;
/** Milliseconds. Messages of one scale-out come together; a look for each would be throttled. */
const LOOKUP_WINDOW_MS = 50;
/**
 * Milliseconds for which a group's tags and hooks are taken as current: one call serves a scale-out, and a tag that was
 * set before the scale-out is seen. A hook that is missing here is settled by the token.
 */
const GROUP_AGE_MS = 5_000;
/** Seconds; what AWS uses where a hook names no time-outs (API reference: 3600, and at most 48 h or 100 heartbeats). */
const DEFAULT_HEARTBEAT = 3600;
const GLOBAL_CAP = 172_800;

export type AutoScaling = Pick<AdmissionPorts, 'instance' | 'group' | 'heartbeat'> & CompletionPort;

/** A finished or unknown action is a ValidationError with these words (seen; the API reference names no code of its own). */
function isVoid(error: unknown): boolean {
  return (
    awsErrorOf(error)?.name === 'ValidationError' && /No active Lifecycle Action found/i.test(reasonOf(error))
  );
}

const options = (signal?: AbortSignal) => (signal ? { abortSignal: signal } : {});

/** Milliseconds after which a heartbeat counts as too late where the hook is not known: the time-out that `adjoin attach` gives one. */
const UNKNOWN_TIME_MS = 300_000;

/** The token alone names the action: an instance ID beside it would answer whichever action is active by then. */
const named = (action: LifecycleAction) => ({
  AutoScalingGroupName: action.group,
  LifecycleHookName: action.hook,
  LifecycleActionToken: action.token,
});

export function createAutoScaling(client: AutoScalingClient, clock: Clock): AutoScaling {
  const turns = createTurns({ clock, wasRefused: wasThrottled });
  /** Apart: that lookups are refused says nothing of heartbeats and answers. */
  const lookups = createTurns({ clock, wasRefused: wasThrottled });

  /** Looks at up to 50 instances, and puts into `found` what Auto Scaling shows. @returns its answer */
  async function look(instanceIds: string[], found: Map<string, InstanceState>): Promise<unknown> {
    const pages = pagesOfAws(
      `autoscaling:DescribeAutoScalingInstances of ${instanceIds.length}`,
      undefined,
      paginateDescribeAutoScalingInstances({ client }, { InstanceIds: instanceIds }),
    );
    let last: unknown;
    for await (const page of pages) {
      for (const instance of page.AutoScalingInstances ?? []) {
        if (!instance.InstanceId || !instance.AutoScalingGroupName || !instance.LifecycleState) continue;
        found.set(instance.InstanceId, {
          group: instance.AutoScalingGroupName,
          lifecycleState: instance.LifecycleState,
        });
      }
      last = page;
    }
    return last;
  }

  const lookup = createBatch<string, InstanceState | 'unknown'>({
    keyOf: () => '',
    maximum: INSTANCES_PER_CALL,
    windowMs: LOOKUP_WINDOW_MS,
    isUrgent: true,
    clock,
    async run(instanceIds) {
      const found = new Map<string, InstanceState>();
      await lookups.take({ rank: 'answer' }, [], () => look([...new Set(instanceIds)], found));
      return instanceIds.map((instanceId) => found.get(instanceId) ?? 'unknown');
    },
  });

  async function describeGroup(name: string): Promise<Group | undefined> {
    const [groups, hooks] = await Promise.all([
      callAws(`autoscaling:DescribeAutoScalingGroups of ${name}`, undefined, () =>
        client.send(
          new DescribeAutoScalingGroupsCommand({ AutoScalingGroupNames: [name], IncludeInstances: false }),
        ),
      ),
      callAws(`autoscaling:DescribeLifecycleHooks of ${name}`, undefined, () =>
        client.send(new DescribeLifecycleHooksCommand({ AutoScalingGroupName: name })),
      ).catch((error: unknown) => {
        // A group that is gone has no hooks, which AWS reports as an invalid request.
        if (error instanceof AdjoinError && error.code === 'aws-refused') return { LifecycleHooks: [] };
        throw error;
      }),
    ]);
    const group = groups.AutoScalingGroups?.[0];
    if (!group) return undefined;
    return {
      tags: new Map((group.Tags ?? []).map((tag) => [tag.Key ?? '', tag.Value ?? ''])),
      hooks: (hooks.LifecycleHooks ?? []).map((hook) => {
        const heartbeat = hook.HeartbeatTimeout ?? DEFAULT_HEARTBEAT;
        return {
          name: hook.LifecycleHookName ?? '',
          transition: hook.LifecycleTransition ?? '',
          heartbeatMs: heartbeat * 1000,
          globalMs: (hook.GlobalTimeout ?? Math.min(GLOBAL_CAP, 100 * heartbeat)) * 1000,
        };
      }),
    };
  }

  const groups = new Map<string, { readonly at: number; readonly group: Promise<Group | undefined> }>();

  /** @throws AdjoinError as `callAws`; `action-void` */
  function request(
    action: LifecycleAction,
    what: string,
    call: () => Promise<object>,
    signal: AbortSignal | undefined,
  ): Promise<object> {
    return callAws(`autoscaling:${what} for ${action.instanceId}`, signal, async () => {
      try {
        return await call();
      } catch (error) {
        if (!isVoid(error)) throw error;
        throw new AdjoinError('action-void', `${action.instanceId} in ${action.group}: ${reasonOf(error)}`, {
          cause: error,
          isRepeated: (awsErrorOf(error)?.attempts ?? 1) > 1,
        });
      }
    });
  }

  const beat = (action: LifecycleAction, signal: AbortSignal): Promise<object> =>
    request(
      action,
      'RecordLifecycleActionHeartbeat',
      () => client.send(new RecordLifecycleActionHeartbeatCommand(named(action)), options(signal)),
      signal,
    );

  return {
    async instance(instanceId, signal) {
      const state = await lookup(instanceId, signal);
      return state === 'unknown' ? undefined : state;
    },
    async group(name) {
      const cached = groups.get(name);
      if (cached && clock.now() - cached.at < GROUP_AGE_MS) return cached.group;
      const group = describeGroup(name);
      groups.set(name, { at: clock.now(), group });
      try {
        const found = await group;
        if (!found) groups.delete(name);
        return found;
      } catch (error) {
        groups.delete(name);
        throw error;
      }
    },
    heartbeat(action, signal, time) {
      const { until, lastsMs, unwanted }: HeartbeatTime = time ?? {
        until: clock.now() + UNKNOWN_TIME_MS,
        lastsMs: UNKNOWN_TIME_MS,
      };
      const rank = unwanted ? 'renewal' : 'proof';
      // Thousands wait here for their turns: what a request needs is made when it goes out.
      return turns.take({ rank, until, lastsMs }, unwanted ? [signal, unwanted] : [signal], () =>
        beat(action, signal),
      );
    },
    complete: (action, result, signal) =>
      turns.take({ rank: 'answer' }, signal ? [signal] : [], () =>
        request(
          action,
          `CompleteLifecycleAction ${result}`,
          () =>
            client.send(
              new CompleteLifecycleActionCommand({ ...named(action), LifecycleActionResult: result }),
              options(signal),
            ),
          signal,
        ),
      ),
  };
}
