import {
  DescribeAutoScalingInstances$,
  TerminateInstanceInAutoScalingGroup$,
  type ActivityType,
  type AutoScalingInstancesType,
  type DescribeAutoScalingInstancesCommandInput,
  type TerminateInstanceInAutoScalingGroupCommandInput,
} from '@aws-sdk/client-auto-scaling';
import { ServiceFailure } from '../failure.ts';
import { operationsOn } from '../operations.ts';
import { page } from '../pages.ts';
import type { Operation, Resource } from '../service.ts';
import { instancePage, pageSize } from './page-size.ts';
import { groupResource, type AutoScalingParts } from './parts.ts';
import { activityShape, memberShape } from './shapes.ts';

/** DescribeAutoScalingInstances takes no more IDs than this. */
const mostInstanceIds = 50;

export function instanceOperations(parts: AutoScalingParts): Operation[] {
  const on = operationsOn('autoscaling', parts);
  return [
    on(DescribeAutoScalingInstances$, describeInstances),
    on(TerminateInstanceInAutoScalingGroup$, terminateInstance, ofInstance),
  ];
}

function describeInstances(
  { groups }: AutoScalingParts,
  input: DescribeAutoScalingInstancesCommandInput,
): AutoScalingInstancesType {
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
      ...memberShape(member),
      AutoScalingGroupName: group.name,
    })),
    NextToken: given.next,
  };
}

function terminateInstance(
  { groups }: AutoScalingParts,
  input: TerminateInstanceInAutoScalingGroupCommandInput,
): ActivityType {
  const activity = groups.terminateMember(
    input.InstanceId ?? '',
    input.ShouldDecrementDesiredCapacity ?? false,
  );
  return { Activity: activityShape(activity) };
}

/** The group that the instance is in. */
function ofInstance(
  parts: AutoScalingParts,
  input: TerminateInstanceInAutoScalingGroupCommandInput,
): Resource[] {
  return [groupResource(parts, parts.groups.memberOf(input.InstanceId ?? '')?.group.name)];
}
