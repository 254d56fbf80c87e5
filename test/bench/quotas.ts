/**
 * How many requests a second AWS takes from an account in a Region, each rate with its source. AWS publishes few of them. An assumed
 * one is what an account with 10,000 launches at once must have: only to keep 10,000 hooks of 300 seconds alive takes 34 heartbeats
 * a second. The queue has no such rate: a standard queue takes "a nearly unlimited number of API calls per second" (docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/DistributedQueues.html).
 */
import type { Quota } from '../support/throttle.ts';

interface SourcedQuota extends Quota {
  /** The page that says so, or `assumed`. */
  readonly source: string;
  /** Requests or units of capacity that a join can't do without, where as many joins as possible share each request: */
  readonly least: {
    /** before its node is there, */
    readonly early?: number;
    /** and once it is. */
    readonly late: number;
  };
}

const ON_DEMAND =
  'https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html';
/** Nodes of one look, of one probe, and of one join. */
const [PER_LOOK, PER_PROBE, PER_JOIN] = [50, 50, 40];

export const QUOTAS: readonly SourcedQuota[] = [
  {
    operations: ['autoscaling.CompleteLifecycleAction', 'autoscaling.RecordLifecycleActionHeartbeat'],
    perSecond: 100,
    burst: 200,
    source: 'assumed',
    // The heartbeat that proves the token, before anything is done for the action, and the answer.
    least: { early: 1, late: 1 },
  },
  {
    operations: [
      'autoscaling.DescribeAutoScalingGroups',
      'autoscaling.DescribeAutoScalingInstances',
      'autoscaling.DescribeLifecycleHooks',
    ],
    perSecond: 20,
    burst: 100,
    source: 'assumed',
    least: { early: 1 / PER_LOOK, late: 0 },
  },
  {
    operations: ['ssm.SendCommand'],
    perSecond: 20,
    burst: 50,
    source: 'assumed',
    least: { late: 1 / PER_PROBE + 1 / PER_JOIN },
  },
  {
    operations: ['ssm.ListCommandInvocations'],
    perSecond: 20,
    burst: 50,
    source: 'assumed',
    least: { late: 1 / PER_PROBE + 1 / PER_JOIN },
  },
  {
    operations: ['ssm.DescribeInstanceInformation'],
    perSecond: 20,
    burst: 50,
    source: 'assumed',
    least: { late: 1 / PER_LOOK },
  },
  {
    operations: ['dynamodb.PutItem', 'dynamodb.TransactWriteItems'],
    perSecond: 4_000,
    burst: 4_000,
    source: ON_DEMAND,
    // Lease, intention, staged, member, lease given back.
    least: { late: 5 },
  },
  {
    operations: ['dynamodb.GetItem', 'dynamodb.TransactGetItems'],
    perSecond: 12_000,
    burst: 12_000,
    source: ON_DEMAND,
    least: { late: 0 },
  },
];
