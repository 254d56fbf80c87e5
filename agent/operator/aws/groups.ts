/** Tags and hooks of a group, as Auto Scaling shows them. */
import {
  DescribeLifecycleHooksCommand,
  paginateDescribeAutoScalingGroups,
  type AutoScalingClient,
  type AutoScalingGroup,
} from '@aws-sdk/client-auto-scaling';
import { callAws, pagesOfAws } from '../../aws/errors.ts';
import type { AttachedHook } from '../attach/attach.ts';
import type { GroupTag } from '../doctor/ports.ts';

export const tagsOf = ({ Tags = [] }: AutoScalingGroup): ReadonlyMap<string, GroupTag> =>
  new Map(
    Tags.map(({ Key = '', Value = '', PropagateAtLaunch = false }) => [
      Key,
      { value: Value, propagates: PropagateAtLaunch },
    ]),
  );

export async function hooksOf(
  client: AutoScalingClient,
  group: string,
  signal?: AbortSignal,
): Promise<AttachedHook[]> {
  const { LifecycleHooks = [] } = await callAws(
    `autoscaling:DescribeLifecycleHooks of ${group}`,
    signal,
    () =>
      client.send(new DescribeLifecycleHooksCommand({ AutoScalingGroupName: group }), {
        ...(signal && { abortSignal: signal }),
      }),
  );
  return LifecycleHooks.map((hook) => ({
    name: hook.LifecycleHookName ?? '',
    transition: hook.LifecycleTransition ?? '',
    targetArn: hook.NotificationTargetARN ?? '',
    roleArn: hook.RoleARN ?? '',
    defaultResult: hook.DefaultResult ?? '',
    heartbeat: hook.HeartbeatTimeout ?? 0,
    ...(hook.NotificationMetadata !== undefined && { metadata: hook.NotificationMetadata }),
  }));
}

/** Names of the groups that have a hook which sends to this queue, whatever their tags: one call for each group. */
export async function groupsWithHooksTo(
  client: AutoScalingClient,
  queueArn: string,
  signal: AbortSignal,
): Promise<string[]> {
  const found: string[] = [];
  const pages = pagesOfAws(
    'autoscaling:DescribeAutoScalingGroups',
    signal,
    paginateDescribeAutoScalingGroups({ client }, { IncludeInstances: false }, { abortSignal: signal }),
  );
  for await (const { AutoScalingGroups = [] } of pages)
    for (const { AutoScalingGroupName: name = '' } of AutoScalingGroups) {
      const hooks = await hooksOf(client, name, signal);
      if (hooks.some(({ targetArn }) => targetArn === queueArn)) found.push(name);
    }
  return found;
}

/** A hook as Auto Scaling takes it, with its group's creation or by itself. */
export const hookShape = (hook: AttachedHook) => ({
  LifecycleHookName: hook.name,
  LifecycleTransition: hook.transition,
  NotificationTargetARN: hook.targetArn,
  RoleARN: hook.roleArn,
  DefaultResult: hook.defaultResult,
  HeartbeatTimeout: hook.heartbeat,
  ...(hook.metadata !== undefined && { NotificationMetadata: hook.metadata }),
});
