import {
  CompleteLifecycleAction$,
  CreateAutoScalingGroup$,
  CreateOrUpdateTags$,
  DeleteAutoScalingGroup$,
  DeleteLifecycleHook$,
  DescribeAutoScalingGroups$,
  DescribeAutoScalingInstances$,
  DescribeLifecycleHooks$,
  DescribeScalingActivities$,
  DescribeTags$,
  errorTypeRegistries,
  PutLifecycleHook$,
  RecordLifecycleActionHeartbeat$,
  SetDesiredCapacity$,
  TerminateInstanceInAutoScalingGroup$,
  UpdateAutoScalingGroup$,
  type ActivitiesType,
  type ActivityType,
  type AutoScalingGroup,
  type AutoScalingGroupsType,
  type AutoScalingInstancesType,
  type CompleteLifecycleActionCommandInput,
  type CreateAutoScalingGroupCommandInput,
  type CreateOrUpdateTagsCommandInput,
  type DeleteAutoScalingGroupCommandInput,
  type DeleteLifecycleHookCommandInput,
  type DescribeAutoScalingGroupsCommandInput,
  type DescribeAutoScalingInstancesCommandInput,
  type DescribeLifecycleHooksAnswer,
  type DescribeLifecycleHooksCommandInput,
  type DescribeScalingActivitiesCommandInput,
  type DescribeTagsCommandInput,
  type Filter,
  type LifecycleHook as LifecycleHookShape,
  type PutLifecycleHookCommandInput,
  type RecordLifecycleActionHeartbeatCommandInput,
  type SetDesiredCapacityCommandInput,
  type Tag,
  type TagDescription,
  type TagsType,
  type TerminateInstanceInAutoScalingGroupCommandInput,
  type UpdateAutoScalingGroupCommandInput,
} from '@aws-sdk/client-auto-scaling';
import { ServiceFailure } from '../failure.ts';
import { page } from '../pages.ts';
import type { Place } from '../place.ts';
import { operation, operationTable, type Requirement, type Resource, type Service } from '../service.ts';
import type { Activity, Group, Groups, GroupTag, Member } from './groups.ts';
import {
  globalTimeoutMs,
  heartbeatSeconds,
  hookResult,
  lifecycleTransition,
  type LifecycleHook,
} from './hook.ts';

/** Page sizes of the describe operations: AWS's defaults and maxima. */
const groupPage = { otherwise: 50, most: 100 };
const instancePage = { otherwise: 50, most: 50 };
/** DescribeAutoScalingInstances takes no more IDs than this. */
const mostInstanceIds = 50;
const mostHooks = 50;
/** In the place of the ID of a group that is not made yet: policies can only name such a group by its name. */
const unmade = '00000000-0000-0000-0000-000000000000';

export function autoScalingService(place: Place, groups: Groups): Service {
  const createGroup = async (input: CreateAutoScalingGroupCommandInput): Promise<void> => {
    const least = input.MinSize ?? 0;
    groups.create({
      name: input.AutoScalingGroupName ?? '',
      least,
      most: input.MaxSize ?? 0,
      desired: input.DesiredCapacity ?? least,
      tags: new Map((input.Tags ?? []).map(tagEntry)),
      zones: input.AvailabilityZones?.length
        ? input.AvailabilityZones
        : ['a', 'b'].map((zone) => place.region + zone),
      launchTemplate: launchTemplate(input),
      subnets: input.VPCZoneIdentifier,
    });
    const group = groups.get(input.AutoScalingGroupName);
    for (const each of input.LifecycleHookSpecificationList ?? []) {
      await groups.putHook(group, hookFrom({ ...each, AutoScalingGroupName: group.name }, undefined));
    }
  };

  const updateGroup = (input: UpdateAutoScalingGroupCommandInput): void => {
    groups.resize(
      groups.get(input.AutoScalingGroupName),
      {
        ...(input.MinSize === undefined ? {} : { least: input.MinSize }),
        ...(input.MaxSize === undefined ? {} : { most: input.MaxSize }),
        ...(input.DesiredCapacity === undefined ? {} : { desired: input.DesiredCapacity }),
      },
      'a user request updated the group',
    );
  };

  const setDesiredCapacity = (input: SetDesiredCapacityCommandInput): void => {
    const group = groups.get(input.AutoScalingGroupName);
    const desired = input.DesiredCapacity ?? 0;
    if (desired > group.most || desired < group.least) {
      const bound = desired > group.most ? `above max value ${group.most}` : `below min value ${group.least}`;
      throw new ServiceFailure(
        'ValidationError',
        `New SetDesiredCapacity value ${desired} is ${bound} for the AutoScalingGroup.`,
      );
    }
    groups.resize(
      group,
      { desired },
      `a user request set group desired capacity changing it from ${group.desired} to ${desired}`,
    );
  };

  const deleteGroup = (input: DeleteAutoScalingGroupCommandInput): void => {
    groups.delete(groups.get(input.AutoScalingGroupName), input.ForceDelete ?? false);
  };

  const describeGroups = (input: DescribeAutoScalingGroupsCommandInput): AutoScalingGroupsType => {
    const names = input.AutoScalingGroupNames ?? [];
    const wanted = groups
      .all()
      .filter((group) => names.length === 0 || names.includes(group.name))
      .filter((group) => (input.Filters ?? []).every((each) => groupMatches(group, each)));
    const size = pageSize(input.MaxRecords, groupPage);
    const given = page(wanted, (each) => each.name, input.NextToken, size, 'InvalidNextToken');
    return { AutoScalingGroups: given.items.map(groupShape), NextToken: given.next };
  };

  const describeInstances = (input: DescribeAutoScalingInstancesCommandInput): AutoScalingInstancesType => {
    const ids = input.InstanceIds ?? [];
    if (ids.length > mostInstanceIds) {
      throw new ServiceFailure(
        'ValidationError',
        `The number of instance ids that may be passed in is limited to ${mostInstanceIds}`,
      );
    }
    const wanted = groups
      .all()
      .flatMap((group) => [...group.members.values()].map((member) => ({ group, member })))
      .filter(({ member }) => ids.length === 0 || ids.includes(member.instance.id));
    const size = pageSize(input.MaxRecords, instancePage);
    const given = page(wanted, ({ member }) => member.instance.id, input.NextToken, size, 'InvalidNextToken');
    return {
      AutoScalingInstances: given.items.map(({ group, member }) => ({
        ...memberShape(group, member),
        AutoScalingGroupName: group.name,
      })),
      NextToken: given.next,
    };
  };

  const putHook = async (input: PutLifecycleHookCommandInput): Promise<void> => {
    const group = groups.get(input.AutoScalingGroupName);
    const before = group.hooks.get(input.LifecycleHookName ?? '');
    if (!before && group.hooks.size >= mostHooks) {
      throw new ServiceFailure('LimitExceeded', `A group can have at most ${mostHooks} lifecycle hooks`);
    }
    await groups.putHook(group, hookFrom(input, before));
  };

  const deleteHook = (input: DeleteLifecycleHookCommandInput): void => {
    const group = groups.get(input.AutoScalingGroupName);
    const name = input.LifecycleHookName ?? '';
    if (!group.hooks.has(name)) {
      throw new ServiceFailure(
        'ValidationError',
        `No Lifecycle Hook found with name ${name} for the group ${group.name}`,
      );
    }
    groups.deleteHook(group, name);
  };

  const describeHooks = (input: DescribeLifecycleHooksCommandInput): DescribeLifecycleHooksAnswer => {
    const group = groups.get(input.AutoScalingGroupName);
    const names = input.LifecycleHookNames ?? [];
    const hooks = [...group.hooks.values()].filter((each) => names.length === 0 || names.includes(each.name));
    return { LifecycleHooks: hooks.map((each) => hookShape(group, each)) };
  };

  const address = (
    input: CompleteLifecycleActionCommandInput | RecordLifecycleActionHeartbeatCommandInput,
  ) => {
    if (input.LifecycleActionToken === undefined && input.InstanceId === undefined) {
      throw new ServiceFailure(
        'ValidationError',
        'Either LifecycleActionToken or InstanceId must be provided',
      );
    }
    return {
      groupName: input.AutoScalingGroupName ?? '',
      hookName: input.LifecycleHookName ?? '',
      token: input.LifecycleActionToken,
      instanceId: input.InstanceId,
    };
  };

  const completeAction = (input: CompleteLifecycleActionCommandInput): object => {
    groups.complete(address(input), hookResult(input.LifecycleActionResult, 'ABANDON'));
    return {};
  };

  const recordHeartbeat = (input: RecordLifecycleActionHeartbeatCommandInput): object => {
    groups.heartbeat(address(input));
    return {};
  };

  const terminateInstance = (input: TerminateInstanceInAutoScalingGroupCommandInput): ActivityType => ({
    Activity: activityShape(
      groups.terminateMember(input.InstanceId ?? '', input.ShouldDecrementDesiredCapacity ?? false),
    ),
  });

  const createOrUpdateTags = (input: CreateOrUpdateTagsCommandInput): void => {
    for (const tag of input.Tags ?? []) {
      const [key, value] = tagEntry(tag);
      groups.get(tag.ResourceId).tags.set(key, value);
    }
  };

  const describeTags = (input: DescribeTagsCommandInput): TagsType => {
    const wanted = groups
      .all()
      .flatMap(tagShapes)
      .filter((tag) => (input.Filters ?? []).every((each) => tagMatches(tag, each)));
    const size = pageSize(input.MaxRecords, groupPage);
    const given = page(wanted, tagKey, input.NextToken, size, 'InvalidNextToken');
    return { Tags: given.items, NextToken: given.next };
  };

  const describeActivities = (input: DescribeScalingActivitiesCommandInput): ActivitiesType => {
    const named =
      input.AutoScalingGroupName === undefined ? groups.all() : [groups.get(input.AutoScalingGroupName)];
    const ids = input.ActivityIds ?? [];
    const wanted = named
      .flatMap((group) => group.activities)
      .filter((each) => ids.length === 0 || ids.includes(each.id));
    const given = page(
      wanted,
      activityKey,
      input.NextToken,
      pageSize(input.MaxRecords, groupPage),
      'InvalidNextToken',
    );
    return { Activities: given.items.map(activityShape), NextToken: given.next };
  };

  const ofGroup = (input: { AutoScalingGroupName?: string | undefined }): Resource[] => [
    resource(input.AutoScalingGroupName),
  ];
  /** Who names a role for Auto Scaling to use needs the right to pass it on. */
  const ofHook = (input: PutLifecycleHookCommandInput): Requirement[] => [
    { action: 'autoscaling:PutLifecycleHook', resources: ofGroup(input) },
    ...(input.RoleARN === undefined
      ? []
      : [
          {
            action: 'iam:PassRole',
            resources: [{ arn: input.RoleARN }],
            context: { 'iam:PassedToService': 'autoscaling.amazonaws.com' },
          },
        ]),
  ];
  const ofTags = ({ Tags = [] }: CreateOrUpdateTagsCommandInput): Requirement[] => [
    {
      action: 'autoscaling:CreateOrUpdateTags',
      resources: Tags.map((tag) => resource(tag.ResourceId)),
      context: { 'aws:TagKeys': Tags.map(({ Key = '' }) => Key) },
    },
  ];
  const resource = (name: string | undefined): Resource => {
    const group = groups.find(name ?? '');
    if (!group) {
      const unknown = `arn:aws:autoscaling:${place.region}:${place.accountId}:autoScalingGroup:${unmade}:autoScalingGroupName/${name ?? ''}`;
      return { arn: unknown };
    }
    return {
      arn: group.arn,
      tags: Object.fromEntries([...group.tags].map(([key, tag]) => [key, tag.value])),
    };
  };

  return {
    name: 'autoscaling',
    protocol: 'query',
    selector: '2011-01-01',
    namespace: 'http://autoscaling.amazonaws.com/doc/2011-01-01/',
    errors: errorTypeRegistries,
    operations: operationTable([
      operation('autoscaling', CreateAutoScalingGroup$, createGroup, ofGroup),
      operation('autoscaling', UpdateAutoScalingGroup$, updateGroup, ofGroup),
      operation('autoscaling', SetDesiredCapacity$, setDesiredCapacity, ofGroup),
      operation('autoscaling', DeleteAutoScalingGroup$, deleteGroup, ofGroup),
      operation('autoscaling', DescribeAutoScalingGroups$, describeGroups),
      operation('autoscaling', DescribeAutoScalingInstances$, describeInstances),
      operation('autoscaling', PutLifecycleHook$, putHook, ofHook),
      operation('autoscaling', DeleteLifecycleHook$, deleteHook, ofGroup),
      operation('autoscaling', DescribeLifecycleHooks$, describeHooks),
      operation('autoscaling', CompleteLifecycleAction$, completeAction, ofGroup),
      operation('autoscaling', RecordLifecycleActionHeartbeat$, recordHeartbeat, ofGroup),
      operation('autoscaling', TerminateInstanceInAutoScalingGroup$, terminateInstance, (input) => [
        resource(groups.memberOf(input.InstanceId ?? '')?.group.name),
      ]),
      operation('autoscaling', CreateOrUpdateTags$, createOrUpdateTags, ofTags),
      operation('autoscaling', DescribeTags$, describeTags),
      operation('autoscaling', DescribeScalingActivities$, describeActivities),
    ]),
  };
}

function hookFrom(input: PutLifecycleHookCommandInput, before: LifecycleHook | undefined): LifecycleHook {
  const seconds =
    input.HeartbeatTimeout ?? (before ? before.heartbeatTimeoutMs / 1000 : heartbeatSeconds.otherwise);
  if (seconds < heartbeatSeconds.least || seconds > heartbeatSeconds.most) {
    throw new ServiceFailure(
      'ValidationError',
      `Heartbeat timeout must be between ${heartbeatSeconds.least} and ${heartbeatSeconds.most} seconds`,
    );
  }
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

function launchTemplate(input: CreateAutoScalingGroupCommandInput): Group['launchTemplate'] {
  const given =
    input.LaunchTemplate ?? input.MixedInstancesPolicy?.LaunchTemplate?.LaunchTemplateSpecification;
  return given && { id: given.LaunchTemplateId, name: given.LaunchTemplateName, version: given.Version };
}

function tagEntry(tag: Tag): [string, GroupTag] {
  return [tag.Key ?? '', { value: tag.Value ?? '', propagate: tag.PropagateAtLaunch ?? false }];
}

function tagShapes(group: Group): TagDescription[] {
  return [...group.tags].map(([Key, tag]) => ({
    ResourceId: group.name,
    ResourceType: 'auto-scaling-group',
    Key,
    Value: tag.value,
    PropagateAtLaunch: tag.propagate,
  }));
}

function tagKey(tag: TagDescription): string {
  return `${tag.ResourceId}/${tag.Key}`;
}

/** Newest first, which is what a reader of a failing group wants: the key turns time around. */
function activityKey(activity: Activity): string {
  return `${String(1e15 - activity.startedAt.getTime())}/${activity.id}`;
}

function groupShape(group: Group): AutoScalingGroup {
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
    Instances: [...group.members.values()].map((member) => ({
      ...memberShape(group, member),
      ProtectedFromScaleIn: false,
    })),
    CreatedTime: group.createdAt,
    SuspendedProcesses: [],
    EnabledMetrics: [],
    Tags: tagShapes(group),
    TerminationPolicies: ['Default'],
    NewInstancesProtectedFromScaleIn: false,
    LaunchTemplate: templateShape(group),
    VPCZoneIdentifier: group.subnets,
    Status: group.deleting ? 'Delete in progress' : undefined,
  };
}

function memberShape(group: Group, member: Member) {
  return {
    InstanceId: member.instance.id,
    InstanceType: 't3.micro',
    AvailabilityZone: member.instance.zone,
    LifecycleState: member.state,
    HealthStatus: member.health,
    LaunchTemplate: templateShape(group),
    ProtectedFromScaleIn: false,
  };
}

function templateShape(group: Group) {
  const template = group.launchTemplate;
  return (
    template && {
      LaunchTemplateId: template.id,
      LaunchTemplateName: template.name,
      Version: template.version,
    }
  );
}

function hookShape(group: Group, hook: LifecycleHook): LifecycleHookShape {
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

function activityShape(activity: Activity) {
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

function groupMatches(group: Group, filter: Filter): boolean {
  const values = filter.Values ?? [];
  const name = filter.Name ?? '';
  if (name.startsWith('tag:')) return values.includes(group.tags.get(name.slice('tag:'.length))?.value ?? '');
  if (name === 'tag-key') return values.some((each) => group.tags.has(each));
  if (name === 'tag-value') return [...group.tags.values()].some((tag) => values.includes(tag.value));
  throw new ServiceFailure(
    'ValidationError',
    `Filter type ${name} is not correct. Allowed Filter types are: tag-key, tag-value, tag:`,
  );
}

function tagMatches(tag: TagDescription, filter: Filter): boolean {
  const values = filter.Values ?? [];
  switch (filter.Name) {
    case 'auto-scaling-group':
      return values.includes(tag.ResourceId ?? '');
    case 'key':
      return values.includes(tag.Key ?? '');
    case 'value':
      return values.includes(tag.Value ?? '');
    case 'propagate-at-launch':
      return values.includes(String(tag.PropagateAtLaunch));
    case undefined:
    default:
      throw new ServiceFailure(
        'ValidationError',
        `Filter type ${filter.Name} is not correct. Allowed Filter types are: auto-scaling-group key value propagate-at-launch`,
      );
  }
}

function pageSize(asked: number | undefined, bounds: { otherwise: number; most: number }): number {
  if (asked === undefined) return bounds.otherwise;
  if (asked < 1) throw new ServiceFailure('ValidationError', 'MaxRecords must be at least 1');
  return Math.min(asked, bounds.most);
}
