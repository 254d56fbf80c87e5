/** Groups and what belongs to them, as the API writes them. */
import type {
  AutoScalingGroup,
  LifecycleHook as LifecycleHookShape,
  TagDescription,
} from '@aws-sdk/client-auto-scaling';
import { isPooled, type Activity, type Group, type Member } from './groups.ts';
import { globalTimeoutMs, type LifecycleHook } from './hook.ts';

/** All that a group can be asked to collect here, which leaves warm pools out. */
export const groupMetrics = [
  'GroupMinSize',
  'GroupMaxSize',
  'GroupDesiredCapacity',
  'GroupInServiceInstances',
  'GroupPendingInstances',
  'GroupTerminatingInstances',
  'GroupTotalInstances',
] as const;

export function groupShape(group: Group): AutoScalingGroup {
  return {
    AutoScalingGroupName: group.name,
    AutoScalingGroupARN: group.arn,
    MinSize: group.least,
    MaxSize: group.most,
    DesiredCapacity: group.desired,
    DefaultCooldown: 300,
    AvailabilityZones: [...group.zones],
    LoadBalancerNames: [],
    TargetGroupARNs: [],
    HealthCheckType: 'EC2',
    HealthCheckGracePeriod: 0,
    Instances: [...group.members.values()]
      .filter((member) => !isPooled(member))
      .map((member) => ({
        ...memberShape(member),
        ProtectedFromScaleIn: false,
      })),
    CreatedTime: group.createdAt,
    SuspendedProcesses: [...group.suspended].map((ProcessName) => ({ ProcessName })),
    EnabledMetrics: group.isMeasured
      ? groupMetrics.map((Metric) => ({ Metric, Granularity: '1Minute' }))
      : [],
    Tags: tagShapes(group),
    TerminationPolicies: ['Default'],
    NewInstancesProtectedFromScaleIn: false,
    LaunchTemplate: templateShape(group),
    VPCZoneIdentifier: group.subnets,
    Status: group.deleting ? 'Delete in progress' : undefined,
  };
}

export function memberShape(member: Member) {
  return {
    InstanceId: member.instance.id,
    InstanceType: 't3.micro',
    AvailabilityZone: member.instance.zone,
    LifecycleState: member.state,
    HealthStatus: member.health,
    LaunchTemplate: templateShape(member),
    ProtectedFromScaleIn: false,
  };
}

function templateShape({ launchTemplate: template }: Pick<Group, 'launchTemplate'>) {
  return (
    template && {
      LaunchTemplateId: template.id,
      LaunchTemplateName: template.name,
      Version: template.version,
    }
  );
}

export function hookShape(group: Group, hook: LifecycleHook): LifecycleHookShape {
  return {
    LifecycleHookName: hook.name,
    AutoScalingGroupName: group.name,
    LifecycleTransition: hook.transition,
    NotificationTargetARN: hook.targetArn,
    RoleARN: hook.roleArn,
    NotificationMetadata: hook.metadata,
    HeartbeatTimeout: hook.heartbeatTimeoutMs / 1000,
    GlobalTimeout: globalTimeoutMs(hook.heartbeatTimeoutMs) / 1000,
    DefaultResult: hook.defaultResult,
  };
}

export function tagShapes(group: Group): TagDescription[] {
  return [...group.tags].map(([Key, tag]) => ({
    ResourceId: group.name,
    ResourceType: 'auto-scaling-group',
    Key,
    Value: tag.value,
    PropagateAtLaunch: tag.propagate,
  }));
}

export function activityShape(activity: Activity) {
  return {
    ActivityId: activity.id,
    AutoScalingGroupName: activity.groupName,
    Description: activity.description,
    Cause: activity.cause,
    StartTime: activity.startedAt,
    EndTime: activity.endedAt,
    StatusCode: activity.status,
    StatusMessage: activity.message,
    Progress: activity.endedAt ? 100 : 50,
  };
}
