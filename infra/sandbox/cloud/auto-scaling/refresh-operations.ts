import {
  DescribeInstanceRefreshes$,
  StartInstanceRefresh$,
  type DescribeInstanceRefreshesAnswer,
  type DescribeInstanceRefreshesCommandInput,
  type StartInstanceRefreshAnswer,
  type StartInstanceRefreshCommandInput,
} from '@aws-sdk/client-auto-scaling';
import { ServiceFailure } from '../failure.ts';
import { operationsOn } from '../operations.ts';
import type { Operation } from '../service.ts';
import { ofGroup, type AutoScalingParts } from './parts.ts';

export function refreshOperations(parts: AutoScalingParts): Operation[] {
  const on = operationsOn('autoscaling', parts);
  return [
    on(StartInstanceRefresh$, startRefresh, ofGroup),
    on(DescribeInstanceRefreshes$, describeRefreshes),
  ];
}

function startRefresh(
  { groups }: AutoScalingParts,
  input: StartInstanceRefreshCommandInput,
): StartInstanceRefreshAnswer {
  const group = groups.get(input.AutoScalingGroupName);
  if (group.refreshes.some(({ status }) => status === 'InProgress')) {
    throw new ServiceFailure(
      'InstanceRefreshInProgress',
      'An Instance Refresh is already in progress and blocks the execution of this Instance Refresh.',
    );
  }
  return { InstanceRefreshId: groups.refresh(group, input.Strategy ?? 'Rolling').id };
}

function describeRefreshes(
  { groups }: AutoScalingParts,
  input: DescribeInstanceRefreshesCommandInput,
): DescribeInstanceRefreshesAnswer {
  const group = groups.get(input.AutoScalingGroupName);
  const ids = input.InstanceRefreshIds ?? [];
  return {
    InstanceRefreshes: group.refreshes
      .filter(({ id }) => ids.length === 0 || ids.includes(id))
      .map(({ id, status, startedAt, strategy, left, total }) => ({
        InstanceRefreshId: id,
        AutoScalingGroupName: group.name,
        Status: status,
        StartTime: startedAt,
        Strategy: strategy,
        InstancesToUpdate: left.size,
        PercentageComplete: total === 0 ? 100 : Math.floor((100 * (total - left.size)) / total),
      })),
  };
}
