/** An update of a stack whose group has an update policy: which instances are replaced, when, and what a failure makes of it. */
import {
  CreateChangeSetCommand,
  DescribeStackEventsCommand,
  DescribeStacksCommand,
  ExecuteChangeSetCommand,
} from '@aws-sdk/client-cloudformation';
import { DescribeAutoScalingGroupsCommand } from '@aws-sdk/client-auto-scaling';
import { describe, expect, test } from '@jest/globals';
import { rollingUpdateOf } from '../../../infra/sandbox/stack/rolling-update.ts';
import { startBench, type Bench } from '../cloud/bench.ts';

interface Wish {
  readonly userData: string;
  readonly policy?: object;
  readonly size?: string;
  readonly most?: string;
  /** Its change fails, after the group's. */
  readonly queueDelay?: string;
}

const template = ({ userData, policy, size = '2', most = '6', queueDelay = '0' }: Wish) => ({
  Resources: {
    Template: {
      Type: 'AWS::EC2::LaunchTemplate',
      Properties: { LaunchTemplateData: { UserData: { 'Fn::Base64': userData } } },
    },
    Group: {
      Type: 'AWS::AutoScaling::AutoScalingGroup',
      ...(policy && { UpdatePolicy: { AutoScalingRollingUpdate: policy } }),
      Properties: {
        AutoScalingGroupName: 'workers',
        MinSize: size,
        MaxSize: most,
        VPCZoneIdentifier: ['subnet-1'],
        LaunchTemplate: {
          LaunchTemplateId: { Ref: 'Template' },
          Version: { 'Fn::GetAtt': ['Template', 'LatestVersionNumber'] },
        },
      },
    },
    Queue: {
      Type: 'AWS::SQS::Queue',
      DependsOn: 'Group',
      Properties: { QueueName: 'queue', DelaySeconds: queueDelay },
    },
  },
});

/** As the stack of adjoin has it. */
const ours = { MaxBatchSize: 1, PauseTime: 'PT5M', SuspendProcesses: ['AlarmNotification'] };

async function put(bench: Bench, type: 'CREATE' | 'UPDATE', wish: Wish): Promise<void> {
  const { cloudFormation } = bench.as('operator');
  const at = { StackName: 'stack', ChangeSetName: `change-${wish.userData}` };
  await cloudFormation.send(
    new CreateChangeSetCommand({ ...at, ChangeSetType: type, TemplateBody: JSON.stringify(template(wish)) }),
  );
  await cloudFormation.send(new ExecuteChangeSetCommand(at));
}

const group = async ({ as }: Bench) => {
  const { AutoScalingGroups = [] } = await as('operator').autoScaling.send(
    new DescribeAutoScalingGroupsCommand({ AutoScalingGroupNames: ['workers'] }),
  );
  const { Instances = [], MinSize, DesiredCapacity, SuspendedProcesses = [] } = AutoScalingGroups[0] ?? {};
  return {
    size: `${MinSize}/${DesiredCapacity}`,
    suspended: SuspendedProcesses.map(({ ProcessName }) => ProcessName),
    serving: Instances.filter(({ LifecycleState }) => LifecycleState === 'InService').map(
      ({ InstanceId = '', LaunchTemplate }) => ({ id: InstanceId, version: LaunchTemplate?.Version }),
    ),
  };
};

const status = async ({ as }: Bench) => {
  const { Stacks = [] } = await as('operator').cloudFormation.send(new DescribeStacksCommand({}));
  return Stacks[0]?.StackStatus ?? '';
};

/** Events of the group that say something, the oldest first. */
const said = async ({ as }: Bench) => {
  const { StackEvents = [] } = await as('operator').cloudFormation.send(
    new DescribeStackEventsCommand({ StackName: 'stack' }),
  );
  return StackEvents.filter(({ LogicalResourceId }) => LogicalResourceId === 'Group')
    .flatMap(({ ResourceStatusReason }) => ResourceStatusReason ?? [])
    .toReversed();
};

/** Lets time pass until it holds; each step also lets calls to the cloud go and come. */
async function until(bench: Bench, holds: () => Promise<boolean>, limit = 600): Promise<void> {
  for (let step = 0; step < limit; step += 1) {
    if (await holds()) return;
    await bench.clock.advance(1_000);
  }
  throw new Error(`It does not come to pass: ${(await said(bench)).join('\n')}`);
}

async function created(wish: Wish): Promise<Bench> {
  const bench = await startBench({ signalled: true });
  await put(bench, 'CREATE', wish);
  await until(bench, async () => {
    const { serving } = await group(bench).catch(() => ({ serving: [] }));
    return serving.length === Number(wish.size ?? 2);
  });
  await until(bench, async () => (await status(bench)) === 'CREATE_COMPLETE');
  return bench;
}

test('an update with another launch template replaces one instance, pauses, and replaces the next', async () => {
  await using bench = await created({ userData: 'one', policy: ours });
  const before = (await group(bench)).serving.map(({ id }) => id);
  await put(bench, 'UPDATE', { userData: 'two', policy: ours });
  const kept = async () => (await group(bench)).serving.filter(({ id }) => before.includes(id)).length;
  await until(bench, async () => (await kept()) === 1);
  await until(bench, async () => (await group(bench)).serving.length === 2);
  expect((await group(bench)).suspended).toEqual(['AlarmNotification']);
  // The other one serves on for the whole pause.
  await bench.clock.advance(280_000);
  expect(await kept()).toBe(1);
  expect(await status(bench)).toBe('UPDATE_IN_PROGRESS');
  await until(bench, async () => (await status(bench)).startsWith('UPDATE_COMPLETE'), 900);
  const { serving, suspended, size } = await group(bench);
  expect(serving.map(({ version }) => version)).toEqual(['2', '2']);
  expect({ suspended, size }).toEqual({ suspended: [], size: '2/2' });
  const [first, second] = before;
  expect(await said(bench)).toEqual([
    'Rolling update initiated. Terminating 2 obsolete instance(s) in batches of 1. Pausing for PT5M when new instances are added to the autoscaling group.',
    'Temporarily setting autoscaling group MinSize and DesiredCapacity to 2.',
    `Terminating instance(s) [${first}]; replacing with 1 new instance(s).`,
    `Successfully terminated instance(s) [${first}] (Progress 50%).`,
    'New instance(s) added to autoscaling group - Pausing for PT5M.',
    `Terminating instance(s) [${second}]; replacing with 1 new instance(s).`,
    `Successfully terminated instance(s) [${second}] (Progress 100%).`,
    'New instance(s) added to autoscaling group - Pausing for PT5M.',
  ]);
}, 60_000);

test('where so many must stay in service, there are more for as long as it takes', async () => {
  const policy = { MaxBatchSize: 2, MinInstancesInService: 1 };
  await using bench = await created({ userData: 'one', policy, size: '2' });
  await put(bench, 'UPDATE', { userData: 'two', policy, size: '2' });
  let least = 2;
  await until(bench, async () => {
    least = Math.min(least, (await group(bench)).serving.length);
    return (await status(bench)).startsWith('UPDATE_COMPLETE');
  });
  expect(least).toBeGreaterThan(0);
  expect((await said(bench)).slice(0, 2)).toEqual([
    'Rolling update initiated. Terminating 2 obsolete instance(s) in batches of 2, while keeping at least 1 instance(s) in service.',
    'Temporarily setting autoscaling group MinSize and DesiredCapacity to 3.',
  ]);
  const { serving, size } = await group(bench);
  expect(serving.map(({ version }) => version)).toEqual(['2', '2']);
  expect(size).toBe('2/2');
}, 60_000);

test('a change that needs no other instances replaces none', async () => {
  await using bench = await created({ userData: 'one', policy: ours });
  const before = (await group(bench)).serving;
  await put(bench, 'UPDATE', { userData: 'one', policy: ours, most: '7' });
  await until(bench, async () => (await status(bench)).startsWith('UPDATE_COMPLETE'));
  expect((await group(bench)).serving).toEqual(before);
  expect(await said(bench)).toEqual([]);
}, 60_000);

test('an update that fails later replaces them once more, by the template from before', async () => {
  const policy = { MaxBatchSize: 2 };
  await using bench = await created({ userData: 'one', policy });
  await put(bench, 'UPDATE', { userData: 'two', policy, queueDelay: '901' });
  await until(bench, async () => (await status(bench)) === 'UPDATE_ROLLBACK_COMPLETE');
  expect((await group(bench)).serving.map(({ version }) => version)).toEqual(['1', '1']);
  const rolled = (await said(bench)).filter((each) => each.startsWith('Rolling update initiated.'));
  expect(rolled).toHaveLength(2);
}, 60_000);

describe('an update policy that is not emulated is refused', () => {
  test.each([
    [{ AutoScalingReplacingUpdate: { WillReplace: true } }, 'The update policy AutoScalingReplacingUpdate'],
    [{ AutoScalingRollingUpdate: { WaitOnResourceSignals: true } }, 'WaitOnResourceSignals'],
    [{ AutoScalingRollingUpdate: { MinSuccessfulInstancesPercent: 50 } }, 'MinSuccessfulInstancesPercent'],
    [{ AutoScalingRollingUpdate: { PauseTime: '5 minutes' } }, '5 minutes is no PauseTime'],
  ])('%j', (policy, reason) => {
    expect(() => rollingUpdateOf(policy)).toThrow(reason);
  });
});
