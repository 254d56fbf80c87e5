import { CfnScalingPolicy } from 'aws-cdk-lib/aws-autoscaling';
import { CfnAlarm } from 'aws-cdk-lib/aws-cloudwatch';
import { CfnMetricFilter } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import type { Site } from './site.ts';

export interface WorkerScalingProps {
  readonly site: Site;
  /** Of the workers. */
  readonly groupName: string;
  readonly queueName: string;
  readonly logGroupName: string;
}

/** Messages that wait for each worker: far less than one can do, far more than a quiet hour brings. */
const backlog = 100;
/** Percent of a worker's slots, or places, that are taken: what comes during the five minutes until the next one works fits into the rest. */
const busy = 60;
/** Seconds that an action waits for a worker before there is one more, and on top of those, before there are two more. */
const longWait = 60;
const muchLonger = 240;
/** Seconds: the workers tell their load once a minute. */
const period = 60;
/** Of so many minutes, so many must be beyond: one late message is no trend. */
const evaluated = 3;
const beyond = 2;

/**
 * Adds workers and removes them.
 *
 * Three things add one: workers whose slots are taken, an action that has waited long for any of them, and messages that none of them
 * receives. The first two are told by the workers (`worker load`). SQS's own age of the oldest message would not do: messages that are
 * in work count, so that one launch whose node never comes, or that is held, would add workers for as long as it waits.
 *
 * Workers are removed when both the slots and the backlog of those that stay would suffice: Auto Scaling does so only when all policies
 * with a target agree, and not while a metric is missing. One that is removed needs no protection from it: when its instance stops, it
 * takes no more messages, has `drainSeconds` for what it works on, and hands back the rest, which another worker goes on with.
 */
export class WorkerScaling extends Construct {
  constructor(scope: Construct, id: string, props: WorkerScalingProps) {
    super(scope, id);
    this.#byBacklog(props);
    this.#bySlots(props);
    this.#byWait(props);
  }

  #byBacklog({ groupName, queueName }: WorkerScalingProps): void {
    new CfnScalingPolicy(this, 'Backlog', {
      autoScalingGroupName: groupName,
      policyType: 'TargetTrackingScaling',
      targetTrackingConfiguration: {
        targetValue: backlog,
        customizedMetricSpecification: {
          metrics: [
            {
              id: 'waiting',
              returnData: false,
              metricStat: {
                metric: {
                  namespace: 'AWS/SQS',
                  metricName: 'ApproximateNumberOfMessagesVisible',
                  dimensions: [{ name: 'QueueName', value: queueName }],
                },
                stat: 'Average',
              },
            },
            {
              id: 'workers',
              returnData: false,
              metricStat: {
                metric: {
                  namespace: 'AWS/AutoScaling',
                  metricName: 'GroupInServiceInstances',
                  dimensions: [{ name: 'AutoScalingGroupName', value: groupName }],
                },
                stat: 'Average',
              },
            },
            {
              id: 'backlog',
              label: 'Messages for each worker',
              expression: 'waiting / IF(workers > 0, workers, 1)',
              returnData: true,
            },
          ],
        },
      },
    });
  }

  #bySlots(props: WorkerScalingProps): void {
    const { namespace, metricName } = this.#told(props, 'BusyPercent', '$.busyPercent', 'Percent');
    new CfnScalingPolicy(this, 'Slots', {
      autoScalingGroupName: props.groupName,
      policyType: 'TargetTrackingScaling',
      targetTrackingConfiguration: {
        targetValue: busy,
        // Each worker tells its own: their average falls as workers are added.
        customizedMetricSpecification: { namespace, metricName, statistic: 'Average' },
      },
    });
  }

  /** How long something waits is not in proportion to the number of workers, so that no target can be tracked. */
  #byWait(props: WorkerScalingProps): void {
    const metric = this.#told(props, 'LongestWait', '$.longestWaitSeconds', 'Seconds');
    const policy = new CfnScalingPolicy(this, 'Wait', {
      autoScalingGroupName: props.groupName,
      policyType: 'StepScaling',
      adjustmentType: 'ChangeInCapacity',
      metricAggregationType: 'Maximum',
      stepAdjustments: [
        { metricIntervalLowerBound: 0, metricIntervalUpperBound: muchLonger, scalingAdjustment: 1 },
        { metricIntervalLowerBound: muchLonger, scalingAdjustment: 2 },
      ],
    });
    new CfnAlarm(this, 'LongWait', {
      alarmName: `${props.site.deployment}-long-wait`,
      alarmDescription:
        'An action waits for a worker: the group of workers gets one more. Nobody has to act, unless it has as many as it may.',
      metrics: [
        {
          id: 'wait',
          label: 'Longest wait for a worker',
          returnData: true,
          metricStat: { metric, stat: 'Maximum', period },
        },
      ],
      threshold: longWait,
      comparisonOperator: 'GreaterThanOrEqualToThreshold',
      evaluationPeriods: evaluated,
      datapointsToAlarm: beyond,
      treatMissingData: 'notBreaching',
      alarmActions: [policy.ref],
    });
  }

  /** What the workers tell of their load. There is no default: it would count as a worker that has nothing to do. */
  #told(
    { site, logGroupName }: WorkerScalingProps,
    metricName: string,
    metricValue: string,
    unit: string,
  ): { readonly namespace: string; readonly metricName: string } {
    const namespace = `adjoin/${site.deployment}`;
    new CfnMetricFilter(this, metricName, {
      logGroupName,
      filterPattern: '{ $.event = "worker load" }',
      metricTransformations: [{ metricNamespace: namespace, metricName, metricValue, unit }],
    });
    return { namespace, metricName };
  }
}
