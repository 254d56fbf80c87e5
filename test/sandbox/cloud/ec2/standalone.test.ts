import { CreateAutoScalingGroupCommand, SetDesiredCapacityCommand } from '@aws-sdk/client-auto-scaling';
import {
  DescribeInstancesCommand,
  RebootInstancesCommand,
  RunInstancesCommand,
  StartInstancesCommand,
  StopInstancesCommand,
  TerminateInstancesCommand,
  type RunInstancesCommandInput,
} from '@aws-sdk/client-ec2';
import { DescribeInstanceInformationCommand } from '@aws-sdk/client-ssm';
import { describe, expect, test } from '@jest/globals';
import { accountId, type Bench, region, startBench } from '../bench.ts';

interface StateEvent {
  readonly source: string;
  readonly 'detail-type': string;
  readonly account: string;
  readonly resources: readonly string[];
  readonly detail: { readonly 'instance-id': string; readonly state: string };
}

/** A topic that hears of every new state. */
function listen({ cloud }: Bench): () => StateEvent[] {
  const topic = cloud.topics.create('states', undefined);
  cloud.bus.addRule({
    name: 'states',
    arn: `arn:aws:events:${region}:${accountId}:rule/states`,
    pattern: { source: ['aws.ec2'], 'detail-type': ['EC2 Instance State-change Notification'] },
    state: 'ENABLED',
    targets: [{ arn: topic.arn }],
  });
  return () => topic.messages.map((body): StateEvent => JSON.parse(body));
}

const request: RunInstancesCommandInput = {
  ImageId: 'ami-0123456789abcdef0',
  MinCount: 1,
  MaxCount: 1,
  TagSpecifications: [{ ResourceType: 'instance', Tags: [{ Key: 'JoinAD', Value: 'true' }] }],
};

async function run(bench: Bench): Promise<string> {
  const { ec2 } = bench.as('operator');
  const { Instances = [] } = await ec2.send(new RunInstancesCommand(request));
  await bench.clock.advance(5_000);
  return Instances[0]?.InstanceId ?? '';
}

const states = (events: readonly StateEvent[]): string[] => events.map(({ detail }) => detail.state);

describe('an instance of no group', () => {
  test('has its tags from the start, and each state that it comes to is told', async () => {
    await using bench = await startBench();
    const heard = listen(bench);
    const id = await run(bench);
    const { ec2 } = bench.as('operator');
    const { Reservations = [] } = await ec2.send(new DescribeInstancesCommand({ InstanceIds: [id] }));
    expect(Reservations[0]?.Instances?.[0]).toMatchObject({
      State: { Name: 'running' },
      Tags: [{ Key: 'JoinAD', Value: 'true' }],
    });
    const stopped = await ec2.send(new StopInstancesCommand({ InstanceIds: [id] }));
    expect(stopped.StoppingInstances?.[0]).toMatchObject({
      CurrentState: { Code: 64, Name: 'stopping' },
      PreviousState: { Code: 16, Name: 'running' },
    });
    await bench.clock.advance(5_000);
    await ec2.send(new StartInstancesCommand({ InstanceIds: [id] }));
    await bench.clock.advance(5_000);
    await ec2.send(new TerminateInstancesCommand({ InstanceIds: [id] }));
    await bench.clock.advance(5_000);
    expect(bench.halted).toEqual([`stop ${id}`, `start ${id} same`]);
    expect(states(heard())).toEqual([
      'pending',
      'running',
      'stopping',
      'stopped',
      'pending',
      'running',
      'shutting-down',
      'terminated',
    ]);
    expect(heard()[1]).toMatchObject({
      account: accountId,
      resources: [`arn:aws:ec2:${region}:${accountId}:instance/${id}`],
      detail: { 'instance-id': id },
    });
  });

  test('is silent while it starts anew, and no state of it changes by a reboot', async () => {
    await using bench = await startBench();
    const heard = listen(bench);
    const id = await run(bench);
    const { ec2, ssm } = bench.as('operator');
    await ec2.send(new RebootInstancesCommand({ InstanceIds: [id] }));
    await bench.clock.advance(5_000);
    expect(bench.rebooted).toEqual([id]);
    expect(states(heard())).toEqual(['pending', 'running']);
    const { InstanceInformationList = [] } = await ssm.send(new DescribeInstanceInformationCommand({}));
    expect(InstanceInformationList[0]).toMatchObject({ InstanceId: id, PingStatus: 'Online' });
  });

  test('is refused what its state does not allow', async () => {
    await using bench = await startBench();
    const id = await run(bench);
    const { ec2 } = bench.as('operator');
    await ec2.send(new TerminateInstancesCommand({ InstanceIds: [id] }));
    await bench.clock.advance(5_000);
    const refused = { name: 'IncorrectInstanceState' };
    await expect(ec2.send(new StartInstancesCommand({ InstanceIds: [id] }))).rejects.toMatchObject(refused);
    await expect(ec2.send(new StopInstancesCommand({ InstanceIds: [id] }))).rejects.toMatchObject(refused);
    await expect(ec2.send(new RebootInstancesCommand({ InstanceIds: [id] }))).rejects.toMatchObject(refused);
  });

  test.each([
    ['no image', { ...request, ImageId: undefined }, 'MissingParameter'],
    ['none at all', { ...request, MinCount: 0 }, 'InvalidParameterValue'],
    ['fewer at most than at least', { ...request, MinCount: 2 }, 'InvalidParameterValue'],
    [
      'a tag of AWS',
      {
        ...request,
        TagSpecifications: [
          {
            ResourceType: 'instance' as const,
            Tags: [{ Key: 'aws:autoscaling:groupName', Value: 'fleet' }],
          },
        ],
      },
      'InvalidParameterValue',
    ],
  ])('is not run with %s', async (_what, input, name) => {
    await using bench = await startBench();
    const { ec2 } = bench.as('operator');
    await expect(ec2.send(new RunInstancesCommand(input))).rejects.toMatchObject({ name });
  });
});

test('the states of a group’s instances are told as well, and the event does not say whose they are', async () => {
  await using bench = await startBench();
  const heard = listen(bench);
  const { autoScaling } = bench.as('operator');
  const AutoScalingGroupName = 'fleet';
  const sizes = { MinSize: 0, MaxSize: 1, DesiredCapacity: 0 };
  await autoScaling.send(new CreateAutoScalingGroupCommand({ AutoScalingGroupName, ...sizes }));
  await autoScaling.send(new SetDesiredCapacityCommand({ AutoScalingGroupName, DesiredCapacity: 1 }));
  await bench.clock.advance(5_000);
  expect(states(heard())).toEqual(['pending', 'running']);
  expect(Object.keys(heard()[0]?.detail ?? {})).toEqual(['instance-id', 'state']);
});
