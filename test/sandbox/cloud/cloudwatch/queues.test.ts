/** Queues' metrics, and alarms on them that a stack of a caller has: topics that let nobody in get nothing. */
import {
  CreateChangeSetCommand,
  DescribeStacksCommand,
  ExecuteChangeSetCommand,
} from '@aws-sdk/client-cloudformation';
import { ReceiveMessageCommand, SendMessageCommand } from '@aws-sdk/client-sqs';
import { expect, test } from '@jest/globals';
import { accountId, region, startBench, type Bench } from '../bench.ts';

const minute = 60_000;

const alarm = (name: string, queue: string, metric: string, threshold: number) => ({
  Type: 'AWS::CloudWatch::Alarm',
  DependsOn: 'Dead',
  Properties: {
    AlarmName: name,
    Metrics: [
      {
        Id: 'm',
        ReturnData: true,
        MetricStat: {
          Metric: {
            Namespace: 'AWS/SQS',
            MetricName: metric,
            Dimensions: [{ Name: 'QueueName', Value: queue }],
          },
          Stat: 'Maximum',
          Period: 300,
        },
      },
    ],
    Threshold: threshold,
    ComparisonOperator: 'GreaterThanOrEqualToThreshold',
    EvaluationPeriods: 1,
    TreatMissingData: 'notBreaching',
    AlarmActions: [{ Ref: 'Topic' }],
  },
});

const template = {
  Resources: {
    Topic: { Type: 'AWS::SNS::Topic', Properties: { TopicName: 'alarms' } },
    Dead: { Type: 'AWS::SQS::Queue', Properties: { QueueName: 'dead' } },
    Work: {
      Type: 'AWS::SQS::Queue',
      Properties: {
        QueueName: 'work',
        RedrivePolicy: { deadLetterTargetArn: { 'Fn::GetAtt': ['Dead', 'Arn'] }, maxReceiveCount: 1 },
      },
    },
    Letters: alarm('letters', 'dead', 'ApproximateNumberOfMessagesVisible', 1),
    Age: alarm('age', 'work', 'ApproximateAgeOfOldestMessage', 1_200),
  },
};

async function deploy({ as }: Bench): Promise<void> {
  const { cloudFormation } = as('operator');
  const at = { StackName: 'stack', ChangeSetName: 'change' };
  await cloudFormation.send(
    new CreateChangeSetCommand({ ...at, ChangeSetType: 'CREATE', TemplateBody: JSON.stringify(template) }),
  );
  await cloudFormation.send(new ExecuteChangeSetCommand(at));
  const { Stacks = [] } = await cloudFormation.send(new DescribeStacksCommand({ StackName: 'stack' }));
  expect(Stacks[0]?.StackStatus).toBe('CREATE_COMPLETE');
}

const url = (name: string) => `https://sqs.${region}.amazonaws.com/${accountId}/${name}`;

test('a message that waits too long, and one that becomes a dead letter, are each an alarm', async () => {
  await using bench = await startBench();
  await deploy(bench);
  const { cloud, clock, as } = bench;
  const { sqs } = as('operator');
  const state = (name: string) => cloud.alarms.find(name)?.state;
  await clock.advance(2 * minute);
  expect([state('letters'), state('age')]).toEqual(['OK', 'OK']);
  await sqs.send(new SendMessageCommand({ QueueUrl: url('work'), MessageBody: 'unreadable' }));
  await clock.advance(19 * minute);
  expect(state('age')).toBe('OK');
  await clock.advance(3 * minute);
  expect([state('letters'), state('age')]).toEqual(['OK', 'ALARM']);
  // The second receive makes it a dead letter.
  for (const _ of [1, 2])
    await sqs.send(new ReceiveMessageCommand({ QueueUrl: url('work'), VisibilityTimeout: 0 }));
  await clock.advance(2 * minute);
  expect([state('letters'), state('age')]).toEqual(['ALARM', 'ALARM']);
  await clock.advance(6 * minute);
  expect([state('letters'), state('age')]).toEqual(['ALARM', 'OK']);
  const topic = cloud.topics.find(`arn:aws:sns:${region}:${accountId}:alarms`);
  expect(topic?.messages.map((body): { AlarmName: string } => JSON.parse(body).AlarmName)).toEqual([
    'age',
    'letters',
  ]);
});

test('a topic that CloudWatch may not publish to gets nothing, and nothing says so', async () => {
  await using bench = await startBench({
    authorize: ({ principal }) =>
      principal.name === 'cloudwatch' ? { allowed: false, reason: 'policy' } : { allowed: true },
  });
  await deploy(bench);
  const { cloud, clock, as } = bench;
  await as('operator').sqs.send(new SendMessageCommand({ QueueUrl: url('dead'), MessageBody: 'x' }));
  await clock.advance(2 * minute);
  expect(cloud.alarms.find('letters')?.state).toBe('ALARM');
  expect(cloud.topics.find(`arn:aws:sns:${region}:${accountId}:alarms`)?.messages).toEqual([]);
});
