import { Duration, Tags } from 'aws-cdk-lib';
import { AutoScalingGroup, CfnAutoScalingGroup, CfnLifecycleHook } from 'aws-cdk-lib/aws-autoscaling';
import type { IAutoScalingGroup } from 'aws-cdk-lib/aws-autoscaling';
import { type CfnManagedPolicy, ManagedPolicy } from 'aws-cdk-lib/aws-iam';
import type { IDependable } from 'constructs';
import { Construct } from 'constructs';

/** What adjoin does with the instances of one group. */
export interface AttachOptions {
  /** Instances join before they are in service. @default true */
  readonly join?: boolean;
  /** Instances are removed from the directory before they end, however they joined. @default true */
  readonly unjoin?: boolean;
  /**
   * How long Auto Scaling waits for a heartbeat of the agent. 30 seconds to 2 hours, in whole seconds. The message of an
   * action is hidden for two fifths of it at most, so that another worker has it in time when one dies.
   * @default 5 minutes
   */
  readonly heartbeat?: Duration;
  /**
   * How a launch that cannot join is answered: `ABANDON` terminates and replaces the instance, `HOLD` gives no answer, so
   * that people can look at the instance until the hook's own time-out.
   * @default ABANDON
   */
  readonly onJoinFailure?: 'ABANDON' | 'HOLD';
  /**
   * Others join the instances, by seamless domain join for example, and the accounts that they have made go with the
   * instances. Each node proves which account is its own while it still lives. Without `join`.
   * @default false
   */
  readonly unjoinOnly?: boolean;
}

/** Seconds. Auto Scaling takes no others, and what a worker hides and leases for is derived from them. */
export const SHORTEST_HEARTBEAT = 30;
export const LONGEST_HEARTBEAT = 7200;
export const heartbeatBounds =
  'must be from 30 seconds to 2 hours, in whole seconds: Auto Scaling takes no other, and in less a second worker could not take over from a dead one';

/** The queue that hooks send to, and the role that they use. */
export interface HookTarget {
  readonly queueArn: string;
  readonly publisherRoleArn: string;
  /** Must exist before a hook does, because Auto Scaling sends a test message as soon as a hook is made. */
  readonly readiness: readonly IDependable[];
  /** The rights that a managed node needs. They are attached to the role of a group that is made in the same app. */
  readonly nodePolicy?: CfnManagedPolicy;
}

export interface Hook {
  readonly lifecycleHookName: string;
  readonly lifecycleTransition: string;
  readonly defaultResult: 'ABANDON' | 'CONTINUE';
  readonly heartbeatTimeout: number;
}

/** The launch hook. Nothing may enter service unverified, so the default result is `ABANDON`. */
export function launchHook(heartbeatTimeout: number): Hook {
  return {
    lifecycleHookName: 'adjoin-launch',
    lifecycleTransition: 'autoscaling:EC2_INSTANCE_LAUNCHING',
    defaultResult: 'ABANDON',
    heartbeatTimeout,
  };
}

/** The terminate hook. Both results terminate the instance; `ABANDON` would also skip the remaining hooks of others. */
export function terminateHook(heartbeatTimeout: number): Hook {
  return {
    lifecycleHookName: 'adjoin-terminate',
    lifecycleTransition: 'autoscaling:EC2_INSTANCE_TERMINATING',
    defaultResult: 'CONTINUE',
    heartbeatTimeout,
  };
}

/**
 * Attaches a group. Its security groups are not changed: neither the worker nor the directory connects to an instance.
 *
 * If the group is made in this app, its hooks are part of it, so that its very first instances join, too. If it is imported,
 * its hooks are resources of their own and apply to instances that are launched later; its owner adds the node policy and the
 * tag `JoinAD=true` (propagated to instances).
 */
export function attachGroup(group: IAutoScalingGroup, target: HookTarget, options: AttachOptions = {}): void {
  const { unjoinOnly = false } = options;
  const { join = !unjoinOnly, unjoin = true, heartbeat = Duration.minutes(5) } = options;
  if (unjoinOnly && (join || !unjoin)) throw new Error('attach: unjoinOnly is without join, and with unjoin');
  if (!join && !unjoin)
    throw new Error('attach: join and unjoin are both off, so there is nothing to attach');
  const seconds = heartbeat.toSeconds({ integral: false });
  if (!Number.isInteger(seconds) || seconds < SHORTEST_HEARTBEAT || seconds > LONGEST_HEARTBEAT) {
    throw new Error(`attach: heartbeat ${heartbeatBounds}`);
  }
  const hooks = [...(join ? [launchHook(seconds)] : []), ...(unjoin ? [terminateHook(seconds)] : [])];
  const scope = new Construct(group, 'Adjoin');

  const made = group.node.defaultChild;
  if (!(group instanceof AutoScalingGroup) || !(made instanceof CfnAutoScalingGroup)) {
    for (const hook of hooks) {
      const resource = new CfnLifecycleHook(scope, hook.lifecycleHookName, {
        ...hook,
        autoScalingGroupName: group.autoScalingGroupName,
        notificationTargetArn: target.queueArn,
        roleArn: target.publisherRoleArn,
      });
      resource.node.addDependency(...target.readiness);
    }
    return;
  }
  const present = made.lifecycleHookSpecificationList;
  made.lifecycleHookSpecificationList = [
    ...(Array.isArray(present) ? present : []),
    ...hooks.map((hook) => ({
      ...hook,
      notificationTargetArn: target.queueArn,
      roleArn: target.publisherRoleArn,
    })),
  ];
  made.node.addDependency(...target.readiness);
  Tags.of(group).add('JoinAD', 'true', { applyToLaunchedInstances: true });
  if (options.onJoinFailure) Tags.of(group).add('adjoin:OnJoinFailure', options.onJoinFailure);
  if (unjoinOnly) Tags.of(group).add('adjoin:UnjoinOnly', 'true');
  if (target.nodePolicy) {
    group.role.addManagedPolicy(
      ManagedPolicy.fromManagedPolicyArn(scope, 'NodePolicy', target.nodePolicy.attrPolicyArn),
    );
  }
}
