import {
  CompleteLifecycleAction$,
  DeleteLifecycleHook$,
  DescribeLifecycleHooks$,
  PutLifecycleHook$,
  RecordLifecycleActionHeartbeat$,
  type CompleteLifecycleActionCommandInput,
  type DeleteLifecycleHookCommandInput,
  type DescribeLifecycleHooksAnswer,
  type DescribeLifecycleHooksCommandInput,
  type PutLifecycleHookCommandInput,
  type RecordLifecycleActionHeartbeatCommandInput,
} from '@aws-sdk/client-auto-scaling';
import { ServiceFailure } from '../failure.ts';
import { hookLimits } from '../limits/auto-scaling.ts';
import { enforce } from '../limits/limit.ts';
import { operationsOn } from '../operations.ts';
import type { Operation, Requirement } from '../service.ts';
import { defaultHeartbeatSeconds, hookResult, lifecycleTransition, type LifecycleHook } from './hook.ts';
import { ofGroup, type AutoScalingParts } from './parts.ts';
import { hookShape } from './shapes.ts';

export function hookOperations(parts: AutoScalingParts): Operation[] {
  const on = operationsOn('autoscaling', parts);
  return [
    on(PutLifecycleHook$, putHook, ofHook),
    on(DeleteLifecycleHook$, deleteHook, ofGroup),
    on(DescribeLifecycleHooks$, describeHooks),
    on(CompleteLifecycleAction$, completeAction, ofGroup),
    on(RecordLifecycleActionHeartbeat$, recordHeartbeat, ofGroup),
  ];
}

/** A caller that names a role for Auto Scaling to use needs the right to pass it on. */
function ofHook(parts: AutoScalingParts, input: PutLifecycleHookCommandInput): Requirement[] {
  const put = { action: 'autoscaling:PutLifecycleHook', resources: ofGroup(parts, input) };
  if (input.RoleARN === undefined) return [put];
  return [put, passingOn(input.RoleARN)];
}

/** The right to pass this role on to Auto Scaling. */
export function passingOn(roleArn: string): Requirement {
  return {
    action: 'iam:PassRole',
    resources: [{ arn: roleArn }],
    context: { 'iam:PassedToService': 'autoscaling.amazonaws.com' },
  };
}

async function putHook({ groups }: AutoScalingParts, input: PutLifecycleHookCommandInput): Promise<void> {
  const group = groups.get(input.AutoScalingGroupName);
  const before = group.hooks.get(input.LifecycleHookName ?? '');
  if (!before) enforce(hookLimits.ofGroup, group.hooks.size + 1);
  await groups.putHook(group, hookFrom(input, before));
}

function deleteHook({ groups }: AutoScalingParts, input: DeleteLifecycleHookCommandInput): void {
  const group = groups.get(input.AutoScalingGroupName);
  const name = input.LifecycleHookName ?? '';
  if (!group.hooks.has(name)) {
    throw new ServiceFailure(
      'ValidationError',
      `No Lifecycle Hook found with name ${name} for the group ${group.name}`,
    );
  }
  groups.deleteHook(group, name);
}

function describeHooks(
  { groups }: AutoScalingParts,
  input: DescribeLifecycleHooksCommandInput,
): DescribeLifecycleHooksAnswer {
  const group = groups.get(input.AutoScalingGroupName);
  const names = input.LifecycleHookNames ?? [];
  const hooks = [...group.hooks.values()].filter((each) => names.length === 0 || names.includes(each.name));
  return { LifecycleHooks: hooks.map((each) => hookShape(group, each)) };
}

function completeAction({ groups }: AutoScalingParts, input: CompleteLifecycleActionCommandInput): object {
  groups.complete(address(input), hookResult(input.LifecycleActionResult, 'ABANDON'));
  return {};
}

function recordHeartbeat(
  { groups }: AutoScalingParts,
  input: RecordLifecycleActionHeartbeatCommandInput,
): object {
  groups.heartbeat(address(input));
  return {};
}

/** Which action the input means. */
function address(input: CompleteLifecycleActionCommandInput | RecordLifecycleActionHeartbeatCommandInput) {
  if (input.LifecycleActionToken === undefined && input.InstanceId === undefined) {
    throw new ServiceFailure('ValidationError', 'Either LifecycleActionToken or InstanceId must be provided');
  }
  return {
    groupName: input.AutoScalingGroupName ?? '',
    hookName: input.LifecycleHookName ?? '',
    token: input.LifecycleActionToken,
    instanceId: input.InstanceId,
  };
}

export function hookFrom(
  input: PutLifecycleHookCommandInput,
  before: LifecycleHook | undefined,
): LifecycleHook {
  const seconds =
    input.HeartbeatTimeout ?? (before ? before.heartbeatTimeoutMs / 1000 : defaultHeartbeatSeconds);
  enforce(hookLimits.heartbeat, seconds);
  enforce(hookLimits.name, input.LifecycleHookName ?? '');
  if (input.NotificationMetadata !== undefined) enforce(hookLimits.metadata, input.NotificationMetadata);
  return {
    name: input.LifecycleHookName ?? '',
    transition: lifecycleTransition(input.LifecycleTransition ?? before?.transition),
    heartbeatTimeoutMs: seconds * 1000,
    defaultResult: hookResult(input.DefaultResult, before?.defaultResult ?? 'ABANDON'),
    targetArn:
      input.NotificationTargetARN === '' ? undefined : (input.NotificationTargetARN ?? before?.targetArn),
    roleArn: input.RoleARN ?? before?.roleArn,
    metadata: input.NotificationMetadata ?? before?.metadata,
  };
}
