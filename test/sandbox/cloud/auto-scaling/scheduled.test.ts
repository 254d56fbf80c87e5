import {
  CreateAutoScalingGroupCommand,
  DeleteAutoScalingGroupCommand,
  DescribeAutoScalingGroupsCommand,
  DescribeScheduledActionsCommand,
  PutScheduledUpdateGroupActionCommand,
  type PutScheduledUpdateGroupActionCommandInput,
} from '@aws-sdk/client-auto-scaling';
import { describe, expect, test } from '@jest/globals';
import { accountId, startBench, type Bench } from '../bench.ts';

const AutoScalingGroupName = 'fleet';
const make = (bench: Bench) =>
  bench.as('operator').autoScaling.send(
    new CreateAutoScalingGroupCommand({
      AutoScalingGroupName,
      MinSize: 0,
      MaxSize: 1,
      DesiredCapacity: 1,
      AvailabilityZones: ['eu-central-1a'],
      LaunchTemplate: { LaunchTemplateName: 'fleet' },
    }),
  );
const put = (
  bench: Bench,
  seconds: number,
  change: Partial<PutScheduledUpdateGroupActionCommandInput> = {},
) =>
  bench.as('operator').autoScaling.send(
    new PutScheduledUpdateGroupActionCommand({
      AutoScalingGroupName,
      ScheduledActionName: 'end',
      StartTime: new Date(bench.clock.now() + seconds * 1000),
      MinSize: 0,
      MaxSize: 0,
      DesiredCapacity: 0,
      ...change,
    }),
  );
async function sizes(bench: Bench) {
  const { AutoScalingGroups: [group] = [] } = await bench
    .as('operator')
    .autoScaling.send(new DescribeAutoScalingGroupsCommand({}));
  return group && [group.MaxSize, group.DesiredCapacity, group.Instances?.length];
}

describe('a scheduled action', () => {
  test('changes the size of the group when its time comes, once', async () => {
    await using bench = await startBench();
    await make(bench);
    await put(bench, 60);
    const shown = () =>
      bench.as('operator').autoScaling.send(new DescribeScheduledActionsCommand({ AutoScalingGroupName }));
    expect((await shown()).ScheduledUpdateGroupActions).toEqual([
      expect.objectContaining({ ScheduledActionName: 'end', DesiredCapacity: 0, MaxSize: 0 }),
    ]);
    await bench.clock.advance(59_000);
    expect(await sizes(bench)).toEqual([1, 1, 1]);
    await bench.clock.advance(30_000);
    expect(await sizes(bench)).toEqual([0, 0, 0]);
    expect((await shown()).ScheduledUpdateGroupActions).toEqual([]);
  });

  test('takes the place of one with its name, and ends with its group', async () => {
    await using bench = await startBench();
    await make(bench);
    await put(bench, 60);
    await put(bench, 600);
    await bench.clock.advance(120_000);
    expect(await sizes(bench)).toEqual([1, 1, 1]);
    await bench
      .as('operator')
      .autoScaling.send(new DeleteAutoScalingGroupCommand({ AutoScalingGroupName, ForceDelete: true }));
    await bench.clock.advance(60_000);
    await make(bench);
    await bench.clock.advance(600_000);
    expect(await sizes(bench)).toEqual([1, 1, 1]);
  });

  test('is refused in the past, without a change, and for a group that is not there', async () => {
    await using bench = await startBench();
    await expect(put(bench, 60)).rejects.toThrow('not found');
    await make(bench);
    await expect(put(bench, 0)).rejects.toThrow('in the past');
    const nothing = { MinSize: undefined, MaxSize: undefined, DesiredCapacity: undefined };
    await expect(put(bench, 60, nothing)).rejects.toThrow('At least one');
    await expect(put(bench, 60, { Recurrence: '0 0 * * *' })).rejects.toThrow('Recurrence');
  });
});

test('who makes a group may launch by its template, and pass on the roles of its hooks', async () => {
  const role = `arn:aws:iam::${accountId}:role/publisher`;
  for (const [missing, resource] of [
    ['ec2:RunInstances', ':instance/i-00000000000000000'],
    ['iam:PassRole', role],
  ] as const) {
    const asked: string[] = [];
    await using bench = await startBench({
      authorize({ action, resource: { arn } }) {
        if (action !== missing) return { allowed: true };
        asked.push(arn);
        return { allowed: false, reason: 'not yours' };
      },
    });
    const create = bench.as('operator').autoScaling.send(
      new CreateAutoScalingGroupCommand({
        AutoScalingGroupName,
        MinSize: 0,
        MaxSize: 1,
        LaunchTemplate: { LaunchTemplateName: 'fleet' },
        LifecycleHookSpecificationList: [
          {
            LifecycleHookName: 'launch',
            LifecycleTransition: 'autoscaling:EC2_INSTANCE_LAUNCHING',
            RoleARN: role,
          },
        ],
      }),
    );
    await expect(create).rejects.toMatchObject({ name: expect.stringMatching(/^AccessDenied/) });
    expect(asked).toEqual([expect.stringContaining(resource)]);
    expect(await sizes(bench)).toBeUndefined();
  }
});
