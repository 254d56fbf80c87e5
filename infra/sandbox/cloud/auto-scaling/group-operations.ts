import {
  CreateAutoScalingGroup$,
  DeleteAutoScalingGroup$,
  DescribeAutoScalingGroups$,
  DescribeScalingActivities$,
  DisableMetricsCollection$,
  EnableMetricsCollection$,
  ResumeProcesses$,
  SetDesiredCapacity$,
  SuspendProcesses$,
  UpdateAutoScalingGroup$,
  type ActivitiesType,
  type AutoScalingGroupsType,
  type CreateAutoScalingGroupCommandInput,
  type DeleteAutoScalingGroupCommandInput,
  type DescribeAutoScalingGroupsCommandInput,
  type DescribeScalingActivitiesCommandInput,
  type DisableMetricsCollectionCommandInput,
  type EnableMetricsCollectionCommandInput,
  type Filter,
  type ScalingProcessQuery,
  type SetDesiredCapacityCommandInput,
  type UpdateAutoScalingGroupCommandInput,
} from '@aws-sdk/client-auto-scaling';
import { ServiceFailure } from '../failure.ts';
import { operationsOn } from '../operations.ts';
import { page } from '../pages.ts';
import { arn } from '../place.ts';
import type { Operation, Requirement } from '../service.ts';
import type { Activity, Group } from './groups.ts';
import { hookFrom, passingOn } from './hook-operations.ts';
import { groupPage, pageSize } from './page-size.ts';
import { ofGroup, type AutoScalingParts } from './parts.ts';
import { activityShape, groupShape } from './shapes.ts';
import { tagEntry } from './tag-operations.ts';

export function groupOperations(parts: AutoScalingParts): Operation[] {
  const on = operationsOn('autoscaling', parts);
  return [
    on(CreateAutoScalingGroup$, createGroup, toCreate),
    on(UpdateAutoScalingGroup$, updateGroup, ofGroup),
    on(SetDesiredCapacity$, setDesiredCapacity, ofGroup),
    on(DeleteAutoScalingGroup$, deleteGroup, ofGroup),
    on(EnableMetricsCollection$, enableMetrics, ofGroup),
    on(DisableMetricsCollection$, disableMetrics, ofGroup),
    on(SuspendProcesses$, suspendProcesses, ofGroup),
    on(ResumeProcesses$, resumeProcesses, ofGroup),
    on(DescribeAutoScalingGroups$, describeGroups),
    on(DescribeScalingActivities$, describeActivities),
  ];
}

/**
 * Who makes a group launches by its template, and passes on the roles of its hooks: "Required permissions from other AWS APIs", Amazon
 * EC2 Auto Scaling API permissions (https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-api-permissions.html).
 * Templates have no contents here: the role of an instance profile is not asked for.
 */
function toCreate(parts: AutoScalingParts, input: CreateAutoScalingGroupCommandInput): Requirement[] {
  const { Tags = [], LifecycleHookSpecificationList: hooks = [] } = input;
  const roles = new Set(hooks.flatMap(({ RoleARN }) => RoleARN ?? []));
  return [
    {
      action: 'autoscaling:CreateAutoScalingGroup',
      resources: ofGroup(parts, input),
      context: { 'aws:TagKeys': Tags.map(({ Key = '' }) => Key) },
    },
    ...(launchTemplate(input)
      ? [
          {
            action: 'ec2:RunInstances',
            resources: [{ arn: arn(parts.place, 'ec2', 'instance/i-00000000000000000') }],
          },
        ]
      : []),
    ...[...roles].map(passingOn),
  ];
}

async function createGroup(
  { place, groups }: AutoScalingParts,
  input: CreateAutoScalingGroupCommandInput,
): Promise<void> {
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
}

function updateGroup({ groups }: AutoScalingParts, input: UpdateAutoScalingGroupCommandInput): void {
  const group = groups.get(input.AutoScalingGroupName);
  // Only launches after this one are of it.
  group.launchTemplate = launchTemplate(input) ?? group.launchTemplate;
  groups.resize(
    group,
    {
      ...(input.MinSize === undefined ? {} : { least: input.MinSize }),
      ...(input.MaxSize === undefined ? {} : { most: input.MaxSize }),
      ...(input.DesiredCapacity === undefined ? {} : { desired: input.DesiredCapacity }),
    },
    'a user request updated the group',
  );
}

function setDesiredCapacity({ groups }: AutoScalingParts, input: SetDesiredCapacityCommandInput): void {
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
}

function deleteGroup({ groups }: AutoScalingParts, input: DeleteAutoScalingGroupCommandInput): void {
  groups.delete(groups.get(input.AutoScalingGroupName), input.ForceDelete ?? false);
}

/** All of a group's metrics, or none: which is all that a template here asks for. */
function enableMetrics({ groups }: AutoScalingParts, input: EnableMetricsCollectionCommandInput): void {
  const group = groups.get(input.AutoScalingGroupName);
  if (input.Granularity !== '1Minute')
    throw new ServiceFailure('ValidationError', 'Granularity is not valid. The only valid value is 1Minute.');
  if ((input.Metrics ?? []).length > 0)
    throw new ServiceFailure('ValidationError', 'The sandbox collects all metrics of a group, or none.');
  group.isMeasured = true;
}

function disableMetrics({ groups }: AutoScalingParts, input: DisableMetricsCollectionCommandInput): void {
  groups.get(input.AutoScalingGroupName).isMeasured = false;
}

function suspendProcesses({ groups }: AutoScalingParts, input: ScalingProcessQuery): void {
  const group = groups.get(input.AutoScalingGroupName);
  for (const name of processesOf(input)) group.suspended.add(name);
}

function resumeProcesses({ groups }: AutoScalingParts, input: ScalingProcessQuery): void {
  const group = groups.get(input.AutoScalingGroupName);
  for (const name of processesOf(input)) group.suspended.delete(name);
}

/** Alarms scale nothing here, so that to suspend them needs nothing more. */
function processesOf({ ScalingProcesses: names = [] }: ScalingProcessQuery): readonly string[] {
  const other = names.find((name) => name !== 'AlarmNotification');
  if (other === undefined && names.length > 0) return names;
  throw new ServiceFailure(
    'ValidationError',
    `The sandbox suspends the process AlarmNotification alone, not ${other ?? 'all'}.`,
  );
}

function describeGroups(
  { groups }: AutoScalingParts,
  input: DescribeAutoScalingGroupsCommandInput,
): AutoScalingGroupsType {
  const names = input.AutoScalingGroupNames ?? [];
  const wanted = groups
    .all()
    .filter((group) => names.length === 0 || names.includes(group.name))
    .filter((group) => (input.Filters ?? []).every((each) => groupMatches(group, each)));
  const size = pageSize(input.MaxRecords, groupPage);
  const given = page(wanted, (each) => each.name, input.NextToken, size, 'InvalidNextToken');
  const shapes = given.items.map(groupShape);
  return {
    AutoScalingGroups:
      input.IncludeInstances === false ? shapes.map((shape) => ({ ...shape, Instances: [] })) : shapes,
    NextToken: given.next,
  };
}

function describeActivities(
  { groups }: AutoScalingParts,
  input: DescribeScalingActivitiesCommandInput,
): ActivitiesType {
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
}

function launchTemplate(
  input: Pick<CreateAutoScalingGroupCommandInput, 'LaunchTemplate' | 'MixedInstancesPolicy'>,
): Group['launchTemplate'] {
  const given =
    input.LaunchTemplate ?? input.MixedInstancesPolicy?.LaunchTemplate?.LaunchTemplateSpecification;
  return given && { id: given.LaunchTemplateId, name: given.LaunchTemplateName, version: given.Version };
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

/** Newest first, which is what a reader of a failing group wants: the key turns time around. */
function activityKey(activity: Activity): string {
  return `${String(1e15 - activity.startedAt.getTime())}/${activity.id}`;
}
