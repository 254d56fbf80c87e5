import { Duration, Tags } from 'aws-cdk-lib';
import { AutoScalingGroup, CfnAutoScalingGroup, CfnLifecycleHook } from 'aws-cdk-lib/aws-autoscaling';
import type { IAutoScalingGroup } from 'aws-cdk-lib/aws-autoscaling';
import { type CfnManagedPolicy, ManagedPolicy } from 'aws-cdk-lib/aws-iam';
import type { IDependable } from 'constructs';
import { Construct } from 'constructs';

/** What becomes of the instances of one group. Each scenario is a pair of these. */
export interface AttachOptions {
  /** Instances join before they are in service. @default true */
  readonly join?: boolean;
  /** Instances leave the directory before they are gone, however they joined. @default true */
  readonly unjoin?: boolean;
  /**
   * How long Auto Scaling waits for a heartbeat of the agent, which renews at a third of it or earlier. 30 seconds to 2 hours.
   * @default 5 minutes
   */
  readonly heartbeat?: Duration;
  /**
   * What becomes of a launch that cannot join: `ABANDON` terminates and replaces it, `HOLD` leaves it waiting for people
   * until the hook's own time-out.
   * @default ABANDON
   */
  readonly onJoinFailure?: 'ABANDON' | 'HOLD';
}

/** Where hooks send, and as whom. */
export interface HookTarget {
  readonly queueArn: string;
  readonly publisherRoleArn: string;
  /** Must be there before a hook is, because Auto Scaling sends a test message at once. */
  readonly readiness: readonly IDependable[];
  /** What a managed node needs; given to the role of a group that is made in the same app. */
  readonly nodePolicy?: CfnManagedPolicy;
}

export interface Hook {
  readonly lifecycleHookName: string;
  readonly lifecycleTransition: string;
  readonly defaultResult: 'ABANDON' | 'CONTINUE';
  readonly heartbeatTimeout: number;
}

/** The launch hook. Nothing may enter service unverified, so no answer means no. */
export function launchHook(heartbeatTimeout: number): Hook {
  return {
    lifecycleHookName: 'adjoin-launch',
    lifecycleTransition: 'autoscaling:EC2_INSTANCE_LAUNCHING',
    defaultResult: 'ABANDON',
    heartbeatTimeout,
  };
}

/** The terminate hook. Both results terminate; `ABANDON` would skip other people's hooks as well. */
export function terminateHook(heartbeatTimeout: number): Hook {
  return {
    lifecycleHookName: 'adjoin-terminate',
    lifecycleTransition: 'autoscaling:EC2_INSTANCE_TERMINATING',
    defaultResult: 'CONTINUE',
    heartbeatTimeout,
  };
}

/**
 * Attaches a group. Its security groups stay as they are: neither the worker nor the directory connects to an instance.
 *
 * The hooks of a group that is made here are part of the group, so that its very first instances join, too. The hooks of
 * an imported one are resources of their own, hold for instances launched from then on, and its tag `JoinAD=true`
 * (propagated to instances) and the node policy are for its owner to add.
 */
export function attachGroup(group: IAutoScalingGroup, target: HookTarget, options: AttachOptions = {}): void {
  const { join = true, unjoin = true, heartbeat = Duration.minutes(5) } = options;
  if (!join && !unjoin)
    throw new Error('attach: join and unjoin are both off, so there is nothing to attach');
  const seconds = heartbeat.toSeconds();
  if (seconds < 30 || seconds > 7200) throw new Error('attach: heartbeat must be from 30 seconds to 2 hours');
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
  if (target.nodePolicy) {
    group.role.addManagedPolicy(
      ManagedPolicy.fromManagedPolicyArn(scope, 'NodePolicy', target.nodePolicy.attrPolicyArn),
    );
  }
}
