/** The stack's own alarms, on a clock of CloudWatch's that the test moves: what is measured, and what the topic gets. */
import {
  AutoScalingClient,
  DescribeAutoScalingGroupsCommand,
  TerminateInstanceInAutoScalingGroupCommand,
} from '@aws-sdk/client-auto-scaling';
import {
  CloudWatchLogsClient,
  CreateLogStreamCommand,
  PutLogEventsCommand,
} from '@aws-sdk/client-cloudwatch-logs';
import { ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createVirtualClock, type VirtualClock } from '../../support/virtual-clock.ts';
import { deployed, place, type Deployed } from './deployed.ts';

const minutes = 60_000;
const topicArn = `arn:aws:sns:${place.region}:${place.accountId}:adjoin-alarm`;

let clock: VirtualClock;
let system: Deployed;
/** Open, unless a test holds instances back. */
let gate: Promise<void> = Promise.resolve();
let autoScaling: AutoScalingClient;
let sqs: SQSClient;

beforeAll(async () => {
  clock = createVirtualClock(Date.UTC(2026, 10, 30, 16, 0));
  system = await deployed({ workers: 2, metricsClock: clock, boots: () => gate });
  autoScaling = new AutoScalingClient(system.session(system.account.administratorRoleArn, 'internet'));
  sqs = new SQSClient({ ...asWorker(), useQueueUrlAsEndpoint: false });
});
afterAll(async () => {
  autoScaling.destroy();
  sqs.destroy();
  await system[Symbol.asyncDispose]();
});

const state = (name: string) => system.cloud.alarms.find(`adjoin-${name}`)?.state;

interface Notice {
  readonly AlarmName: string;
  readonly NewStateValue: string;
  readonly OldStateValue: string;
  readonly NewStateReason: string;
}

/** What the topic got, of one alarm, as `OLD -> NEW`. */
function told(name: string): string[] {
  const notices = (system.cloud.topics.find(topicArn)?.messages ?? []).map((body): Notice =>
    JSON.parse(body),
  );
  return notices
    .filter(({ AlarmName }) => AlarmName === `adjoin-${name}`)
    .map(({ OldStateValue, NewStateValue }) => `${OldStateValue} -> ${NewStateValue}`);
}

async function workers(): Promise<{ id: string; state: string }[]> {
  const { AutoScalingGroups = [] } = await autoScaling.send(
    new DescribeAutoScalingGroupsCommand({ AutoScalingGroupNames: ['adjoin-worker'] }),
  );
  return (AutoScalingGroups[0]?.Instances ?? []).map(({ InstanceId = '', LifecycleState = '' }) => ({
    id: InstanceId,
    state: LifecycleState,
  }));
}

/** Machines boot, and policies are asked, beside the clock. */
async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < 500; attempt += 1) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error('It does not come to pass.');
}

/** As an instance of the worker's group has it. */
const asWorker = () =>
  system.session(system.stack.workerRoleArn, 'vpc', {
    'ec2:RoleDelivery': '2.0',
    'ec2:SourceInstanceArn': `arn:aws:ec2:${place.region}:${place.accountId}:instance/i-0123456789abcdef0`,
  });

test('one alarm can not be evaluated here, and says so; all others leave INSUFFICIENT_DATA', async () => {
  expect([...system.cloud.alarms.unevaluated()]).toEqual([
    ['adjoin-slow-joins', 'The statistic p50 is not emulated.'],
  ]);
  await clock.advance(6 * minutes);
  expect(system.cloud.alarms.all().filter((each) => each.state === 'INSUFFICIENT_DATA')).toEqual([
    expect.objectContaining({ reason: 'The statistic p50 is not emulated.' }),
  ]);
});

test('nobody receives for ten minutes: no-worker is told to the topic; a receive ends it', async () => {
  await clock.advance(12 * minutes);
  expect(state('no-worker')).toBe('ALARM');
  for (let minute = 0; minute < 11; minute += 1) {
    await sqs.send(new ReceiveMessageCommand({ QueueUrl: system.stack.queueUrl }));
    await clock.advance(minutes);
  }
  expect(state('no-worker')).toBe('OK');
  await until(() => told('no-worker').at(-1) === 'ALARM -> OK');
});

test('a worker that is missing for three of twelve periods of five minutes: few-workers', async () => {
  await until(async () => (await workers()).every((each) => each.state === 'InService'));
  await clock.advance(6 * minutes);
  expect(state('few-workers')).toBe('OK');
  const { promise, resolve } = Promise.withResolvers<void>();
  gate = promise;
  const [first] = await workers();
  await autoScaling.send(
    new TerminateInstanceInAutoScalingGroupCommand({
      InstanceId: first?.id,
      ShouldDecrementDesiredCapacity: false,
    }),
  );
  await until(async () => (await workers()).some((each) => each.state.startsWith('Pending')));
  const before = told('few-workers').length;
  // The minimum of a period counts: the first minute of the third one is enough.
  await clock.advance(10 * minutes);
  expect(state('few-workers')).toBe('OK');
  await clock.advance(minutes);
  expect(state('few-workers')).toBe('ALARM');
  gate = Promise.resolve();
  resolve();
  await until(async () => (await workers()).every((each) => each.state === 'InService'));
  await until(() => told('few-workers').length > before);
  expect(told('few-workers').slice(before)).toEqual(['OK -> ALARM']);
  const notice: unknown = JSON.parse(
    (system.cloud.topics.find(topicArn)?.messages ?? []).findLast((body) =>
      body.includes('adjoin-few-workers'),
    ) ?? '',
  );
  expect(notice).toMatchObject({
    AlarmName: 'adjoin-few-workers',
    AlarmDescription: expect.stringContaining('There are fewer workers than wanted.'),
    AWSAccountId: place.accountId,
    NewStateValue: 'ALARM',
    NewStateReason: expect.stringMatching(
      /^Threshold Crossed: 3 out of the last 12 datapoints \[1\.0 \([^)]+\), 1\.0 \([^)]+\), 1\.0 \([^)]+\)\] were greater than or equal to the threshold \(1\.0\)/,
    ),
    StateChangeTime: expect.stringMatching(/^2026-11-30T\d\d:\d\d:00\.000\+0000$/),
    Region: 'EU (Frankfurt)',
    AlarmArn: `arn:aws:cloudwatch:${place.region}:${place.accountId}:alarm:adjoin-few-workers`,
    OldStateValue: 'OK',
    AlarmActions: [topicArn],
    OKActions: [topicArn],
    InsufficientDataActions: [],
    Trigger: {
      Period: 300,
      EvaluationPeriods: 12,
      DatapointsToAlarm: 3,
      ComparisonOperator: 'GreaterThanOrEqualToThreshold',
      Threshold: 1,
      TreatMissingData: 'notBreaching',
      EvaluateLowSampleCountPercentile: '',
      Metrics: [
        expect.objectContaining({ Id: 'wanted' }),
        {
          Id: 'there',
          MetricStat: {
            Metric: {
              Dimensions: [{ value: 'adjoin-worker', name: 'AutoScalingGroupName' }],
              MetricName: 'GroupInServiceInstances',
              Namespace: 'AWS/AutoScaling',
            },
            Period: 300,
            Stat: 'Minimum',
          },
          ReturnData: false,
        },
        { Expression: 'wanted - there', Id: 'missing', Label: 'Workers missing', ReturnData: true },
      ],
    },
  });
  // What was missed leaves the twelve periods again, and those that are looked at beyond.
  await clock.advance(90 * minutes);
  await until(() => told('few-workers').length > before + 1);
  expect(told('few-workers').slice(before)).toEqual(['OK -> ALARM', 'ALARM -> OK']);
});

test('a line of the agent’s log makes a metric, and its alarm goes on and off', async () => {
  const logs = new CloudWatchLogsClient(asWorker());
  const stream = { logGroupName: '/adjoin/adjoin/worker', logStreamName: 'i-0123456789abcdef0' };
  await logs.send(new CreateLogStreamCommand(stream));
  const say = async (...events: Record<string, unknown>[]) => {
    const logEvents = events.map((each) => ({ timestamp: Date.now(), message: JSON.stringify(each) }));
    await logs.send(new PutLogEventsCommand({ ...stream, logEvents }));
  };
  await say({ event: 'join failed', ending: 'member' });
  await clock.advance(2 * minutes);
  expect(state('abandoned-launches')).toBe('OK');
  await say({ event: 'join failed', ending: 'abandoned' }, { event: 'worker load', busyPercent: 5 });
  await clock.advance(2 * minutes);
  expect(state('abandoned-launches')).toBe('ALARM');
  // No line comes any more: the last data point is evaluated again while it is among those that are looked at.
  await clock.advance(6 * minutes);
  expect(state('abandoned-launches')).toBe('ALARM');
  await clock.advance(12 * minutes);
  await until(() => told('abandoned-launches').at(-1) === 'ALARM -> OK');
  expect(told('abandoned-launches').slice(-2)).toEqual(['OK -> ALARM', 'ALARM -> OK']);
  logs.destroy();
});
