/**
 * What services measure of their own, once a minute. Sources: Available CloudWatch metrics for Amazon SQS,
 * https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html, and Amazon
 * CloudWatch metrics for Amazon EC2 Auto Scaling,
 * https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-metrics.html.
 */
import type { Group } from '../auto-scaling/groups.ts';
import type { Queue } from '../sqs/queue.ts';
import type { Metric, Metrics } from './metrics.ts';

const minuteMs = 60_000;

/** A value is that of the minute that has just ended. */
export function measure(
  metrics: Metrics,
  { groups, queues }: { readonly groups: readonly Group[]; readonly queues: readonly Queue[] },
  now: number,
): void {
  const put = (metric: Metric, value: number) => metrics.put(metric, value, now - minuteMs);
  for (const group of groups.filter((each) => each.isMeasured)) {
    const states = [...group.members.values()].map(({ state }) => state);
    const values = {
      GroupDesiredCapacity: group.desired,
      GroupInServiceInstances: states.filter((state) => state === 'InService').length,
      GroupMaxSize: group.most,
      GroupMinSize: group.least,
      GroupPendingInstances: states.filter((state) => state.startsWith('Pending')).length,
      GroupTerminatingInstances: states.filter((state) => state.startsWith('Terminating')).length,
      GroupTotalInstances: states.length,
    };
    for (const [name, value] of Object.entries(values))
      put({ namespace: 'AWS/AutoScaling', name, dimensions: { AutoScalingGroupName: group.name } }, value);
  }
  for (const queue of queues) {
    const { visible, inFlight, delayed } = queue.counts();
    const { received, empty } = queue.receives();
    const values = {
      ApproximateAgeOfOldestMessage: queue.oldestSeconds(),
      ApproximateNumberOfMessagesDelayed: delayed,
      ApproximateNumberOfMessagesNotVisible: inFlight,
      ApproximateNumberOfMessagesVisible: visible,
      NumberOfEmptyReceives: empty,
      NumberOfMessagesReceived: received,
    };
    for (const [name, value] of Object.entries(values))
      put({ namespace: 'AWS/SQS', name, dimensions: { QueueName: queue.name } }, value);
  }
}
