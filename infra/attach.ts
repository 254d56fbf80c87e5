import { Annotations, Duration, Token } from 'aws-cdk-lib';
import { type CfnAutoScalingGroup, CfnLifecycleHook } from 'aws-cdk-lib/aws-autoscaling';
import { type CfnManagedPolicy, type IRole, ManagedPolicy } from 'aws-cdk-lib/aws-iam';
import type { IConstruct, IDependable } from 'constructs';
import { Construct } from 'constructs';

/**
 * An Auto Scaling group, of this copy of the construct library or of another: an `AutoScalingGroup`, a `CfnAutoScalingGroup`, or one
 * that is imported by its name.
 */
export interface AttachableGroup extends IConstruct {
  readonly autoScalingGroupName?: string | undefined;
}

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
  /** What the instances run, where they are derivatives that do not say it themselves; as the tag `Operating_System` has it. */
  readonly operatingSystem?: string;
  /** Groups of the domain whose members may log in to the instances. @default - as the agent's settings say */
  readonly logInGroups?: readonly string[];
  /** Groups of the domain whose members may use sudo on the instances. @default - as the agent's settings say */
  readonly sudoGroups?: readonly string[];
  /**
   * Command documents of your own, by name, each one of those in `ownDocuments` of the agent's settings: to join, to leave, and to run
   * on a new member before it enters service.
   * @default - adjoin's documents, and nothing after the join
   */
  readonly ownDocuments?: {
    readonly join?: string;
    readonly leave?: string;
    readonly postJoin?: string;
    /** What a failure of the last one does to the launch. @default CONTINUE */
    readonly onPostJoinFailure?: 'CONTINUE' | 'ABANDON';
  };
  /**
   * Attaches the node policy to the role of the group's instances. With false, the role's owner does: needed for a group whose
   * role, or whose launch template, is not made in this app.
   * @default true
   */
  readonly nodePolicy?: boolean;
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
 * tags (propagated to instances).
 * @throws Error for what would have no effect, because the group, its tags or the role of its instances are out of reach here
 */
export function attachGroup(group: AttachableGroup, target: HookTarget, options: AttachOptions = {}): void {
  const { unjoinOnly = false } = options;
  const { join = !unjoinOnly, unjoin = true, heartbeat = Duration.minutes(5) } = options;
  if (unjoinOnly && (join || !unjoin)) throw new Error('attach: unjoinOnly is without join, and with unjoin');
  if (!join && !unjoin)
    throw new Error('attach: join and unjoin are both off, so there is nothing to attach');
  const seconds = heartbeat.toSeconds({ integral: false });
  // A value that is known at deployment only is for Auto Scaling to check.
  const isKnown = !Token.isUnresolved(seconds);
  if (
    isKnown &&
    (!Number.isInteger(seconds) || seconds < SHORTEST_HEARTBEAT || seconds > LONGEST_HEARTBEAT)
  ) {
    throw new Error(`attach: heartbeat ${heartbeatBounds}`);
  }
  const hooks = [...(join ? [launchHook(seconds)] : []), ...(unjoin ? [terminateHook(seconds)] : [])];
  const tags = tagsOf(options, unjoinOnly);
  const made = isGroupResource(group) ? group : group.node.defaultChild;
  if (!isGroupResource(made)) {
    const autoScalingGroupName = importedName(group, tags);
    const scope = new Construct(group, 'Adjoin');
    Annotations.of(scope).addWarningV2(
      'adjoin:imported-group',
      'The owner of this group tags it JoinAD=true, propagated to instances, and gives their role the node policy.',
    );
    for (const hook of hooks) {
      const resource = new CfnLifecycleHook(scope, hook.lifecycleHookName, {
        ...hook,
        autoScalingGroupName,
        notificationTargetArn: target.queueArn,
        roleArn: target.publisherRoleArn,
      });
      resource.node.addDependency(...target.readiness);
    }
    return;
  }
  // Found before anything is changed: a group that is refused stays as it was.
  const role = target.nodePolicy && (options.nodePolicy ?? true) ? roleOf(group) : undefined;
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
  for (const [key, value] of Object.entries({ JoinAD: 'true', ...tags }))
    made.tags.setTag(key, value, tagPriority, true);
  if (role && target.nodePolicy) {
    const scope = new Construct(group, 'Adjoin');
    role.addManagedPolicy(
      ManagedPolicy.fromManagedPolicyArn(scope, 'NodePolicy', target.nodePolicy.attrPolicyArn),
    );
  }
}

/** What the agent reads of a group, besides that it opted in. */
function tagsOf(options: AttachOptions, unjoinOnly: boolean): Record<string, string> {
  const { ownDocuments: own = {} } = options;
  const tags = {
    'adjoin:OnJoinFailure': options.onJoinFailure,
    'adjoin:UnjoinOnly': unjoinOnly ? 'true' : undefined,
    Operating_System: options.operatingSystem,
    'adjoin:LogInGroups': options.logInGroups?.join(':'),
    'adjoin:SudoGroups': options.sudoGroups?.join(':'),
    'adjoin:JoinDocument': own.join,
    'adjoin:LeaveDocument': own.leave,
    'adjoin:PostJoinDocument': own.postJoin,
    'adjoin:OnPostJoinFailure': own.onPostJoinFailure,
  };
  return Object.fromEntries(Object.entries(tags).flatMap(([key, value]) => (value ? [[key, value]] : [])));
}

/** @throws Error for a group without a name, and for tags that would be set nowhere */
function importedName(group: AttachableGroup, tags: Readonly<Record<string, string>>): string {
  if (!group.autoScalingGroupName) throw new Error(`attach: ${group.node.path} is no Auto Scaling group`);
  const names = Object.keys(tags);
  if (names.length > 0) {
    throw new Error(
      `attach: ${group.node.path} is not made in this app, so it can't be tagged here. Its owner sets ${names.join(', ')}, propagated to instances.`,
    );
  }
  return group.autoScalingGroupName;
}

/** Above that of tags that an app gives to all that it makes. */
const tagPriority = 300;

/** By its type and not by its class, since an app may load another copy of the construct library. */
function isGroupResource(made: unknown): made is CfnAutoScalingGroup {
  return isResource(made, 'AWS::AutoScaling::AutoScalingGroup');
}

function isResource(made: unknown, type: string): boolean {
  return (
    typeof made === 'object' && made !== null && 'cfnResourceType' in made && made.cfnResourceType === type
  );
}

/** @throws Error where a policy that is attached here would reach nobody */
function roleOf(group: AttachableGroup): IRole {
  let role: unknown;
  try {
    // Groups with a launch template that is not made here throw.
    role = Reflect.get(group, 'role');
  } catch {
    role = undefined;
  }
  if (isRole(role) && isResource(role.node.defaultChild, 'AWS::IAM::Role')) return role;
  throw new Error(
    `attach: the role of the instances of ${group.node.path} is not made in this app, so the node policy can't be attached to it. ` +
      'Give it to the role with grantNode, or where the role is made, and say nodePolicy: false here.',
  );
}

function isRole(value: unknown): value is IRole {
  return typeof value === 'object' && value !== null && 'addManagedPolicy' in value && 'node' in value;
}
