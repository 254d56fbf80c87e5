/** Scheduled actions that happen once. Those that repeat are refused here: nothing that runs in the sandbox makes one. */
import {
  DescribeScheduledActions$,
  PutScheduledUpdateGroupAction$,
  type DescribeScheduledActionsCommandInput,
  type PutScheduledUpdateGroupActionCommandInput,
  type ScheduledActionsType,
} from '@aws-sdk/client-auto-scaling';
import { ServiceFailure } from '../failure.ts';
import { operationsOn } from '../operations.ts';
import { page } from '../pages.ts';
import { arn } from '../place.ts';
import type { Operation } from '../service.ts';
import { groupPage, pageSize } from './page-size.ts';
import { ofGroup, type AutoScalingParts } from './parts.ts';

export function scheduledOperations(parts: AutoScalingParts): Operation[] {
  const on = operationsOn('autoscaling', parts);
  return [
    on(PutScheduledUpdateGroupAction$, putScheduled, ofGroup),
    on(DescribeScheduledActions$, describeScheduled),
  ];
}

function putScheduled({ groups }: AutoScalingParts, input: PutScheduledUpdateGroupActionCommandInput): void {
  const group = groups.get(input.AutoScalingGroupName);
  const refuse = (words: string) => new ServiceFailure('ValidationError', words);
  const { ScheduledActionName: name = '', StartTime, Recurrence, MinSize, MaxSize, DesiredCapacity } = input;
  if (name.length < 1 || name.length > 255) throw refuse('The name must have 1 to 255 characters');
  if (StartTime === undefined || Recurrence !== undefined)
    throw refuse('Only an action with a StartTime and without a Recurrence is emulated here');
  if (MinSize === undefined && MaxSize === undefined && DesiredCapacity === undefined)
    throw refuse('At least one of MinSize, MaxSize and DesiredCapacity must be given');
  groups.schedule(group, {
    name,
    at: StartTime,
    least: MinSize,
    most: MaxSize,
    desired: DesiredCapacity,
  });
}

function describeScheduled(
  { place, groups }: AutoScalingParts,
  input: DescribeScheduledActionsCommandInput,
): ScheduledActionsType {
  const of =
    input.AutoScalingGroupName === undefined ? groups.all() : [groups.get(input.AutoScalingGroupName)];
  const names = input.ScheduledActionNames ?? [];
  const wanted = of
    .flatMap((group) => [...group.scheduled.values()].map((action) => ({ group, action })))
    .filter(({ action }) => names.length === 0 || names.includes(action.name));
  const size = pageSize(input.MaxRecords, groupPage);
  const given = page(
    wanted,
    ({ group, action }) => `${group.name}/${action.name}`,
    input.NextToken,
    size,
    'InvalidNextToken',
  );
  return {
    ScheduledUpdateGroupActions: given.items.map(({ group, action }) => ({
      AutoScalingGroupName: group.name,
      ScheduledActionName: action.name,
      ScheduledActionARN: arn(
        place,
        'autoscaling',
        `scheduledUpdateGroupAction:${group.name}:autoScalingGroupName/${group.name}:scheduledActionName/${action.name}`,
      ),
      StartTime: action.at,
      MinSize: action.least,
      MaxSize: action.most,
      DesiredCapacity: action.desired,
    })),
    NextToken: given.next,
  };
}
