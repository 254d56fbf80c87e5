import { Aws, type CfnCondition, Stack } from 'aws-cdk-lib';
import { CfnAlarm, CfnDashboard } from 'aws-cdk-lib/aws-cloudwatch';
import type { CfnKey } from 'aws-cdk-lib/aws-kms';
import { CfnMetricFilter } from 'aws-cdk-lib/aws-logs';
import type { CfnTopic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import { topic } from './audit.ts';
import type { Site } from './site.ts';

export interface MonitoringProps {
  readonly site: Site;
  readonly key: CfnKey;
  readonly queueName: string;
  readonly deadLetterQueueName: string;
  readonly workerGroupName: string;
  readonly logGroupName: string;
  readonly auditRuleNames: readonly string[];
  /** Of the rule that tells of instances outside Auto Scaling groups. @default - there is none */
  readonly stateChanges?: { readonly ruleName: string; readonly condition?: CfnCondition };
  /** How long the agent tries. @default - the agent's own defaults */
  readonly patience?: Partial<Patience>;
}

interface Patience {
  readonly joinSeconds: number;
  readonly unjoinSeconds: number;
}

interface AlarmProps {
  readonly description: string;
  readonly metrics: CfnAlarm.MetricDataQueryProperty[];
  /** Either a number, */
  readonly threshold?: number;
  /** or the ID of the band that must not be left upwards. */
  readonly above?: string;
  readonly comparison: 'GreaterThanOrEqualToThreshold' | 'LessThanThreshold' | 'GreaterThanUpperThreshold';
  /** How many periods of five minutes are evaluated. @default 1 */
  readonly periods?: number;
  /** How many of them must be beyond the threshold. @default - all */
  readonly beyond?: number;
  /** @default notBreaching */
  readonly missing?: 'breaching' | 'notBreaching';
}

/** The agent's own defaults of `patience.joinSeconds` and `patience.unjoinSeconds`. */
const defaultPatience: Patience = { joinSeconds: 1800, unjoinSeconds: 3600 };
/** What the log line `join timed` has in `seconds`. */
const timedSteps = ['total', 'slot', 'probe', 'stage', 'join', 'verify', 'postJoin', 'complete'] as const;
/** Seconds on top of the longest time limit, in which a running step ends and a dead worker is replaced. */
const grace = 600;
/** Seconds: the shortest period in which SQS's free metrics are complete. */
const period = 300;

/** Alarms, each with instructions in its description, and one dashboard. */
export class Monitoring extends Construct {
  readonly topic: CfnTopic;
  readonly #site: Site;

  constructor(scope: Construct, id: string, props: MonitoringProps) {
    super(scope, id);
    const { site, queueName } = props;
    this.#site = site;
    this.topic = topic(this, 'Topic', site, props.key, 'alarm');
    const ofQueue = (metricName: string, name = queueName) => queueMetric(metricName, name);
    const abandoned = this.#counted(
      props,
      'AbandonedLaunches',
      '{ $.ending = "abandoned" || $.ending = "held" }',
    );
    const owed = this.#counted(props, 'FailedUnjoins', '{ $.event = "*owed to the sweep" }');
    const cancelled = this.#counted(props, 'CancelledCommands', '{ $.event = "command cancelled" }');

    const failing = this.#counted(props, 'FailingGroups', '{ $.event = "group keeps failing" }');
    const postJoin = this.#counted(props, 'FailedPostJoins', '{ $.event = "post-join document failed" }');
    const halted = this.#counted(props, 'HaltedSweeps', '{ $.event = "sweep halted" }');
    const refused = this.#counted(props, 'NotOptedIn', '{ $.error.code = "action-not-opted-in" }');

    const timeToJoin = this.#timeToJoin(props);

    const { joinSeconds, unjoinSeconds } = { ...defaultPatience, ...props.patience };
    this.#alarm('oldest-message', {
      description:
        'A lifecycle action waits longer than the limits in patience, or the policy HOLD keeps a failed launch for you to look at. Is a worker running? Does the directory answer?',
      metrics: [measured('m', ofQueue('ApproximateAgeOfOldestMessage'), 'Maximum')],
      threshold: Math.max(joinSeconds, unjoinSeconds) + grace,
      comparison: 'GreaterThanOrEqualToThreshold',
    });
    this.#alarm('dead-letters', {
      description:
        'A message could not be handled. Read it in the dead-letter queue; the log names its messageId.',
      metrics: [
        measured('m', ofQueue('ApproximateNumberOfMessagesVisible', props.deadLetterQueueName), 'Maximum'),
      ],
      threshold: 1,
      comparison: 'GreaterThanOrEqualToThreshold',
    });
    this.#alarm('abandoned-launches', {
      description: 'An instance could not join. The log line "join failed" has the code and what to do.',
      metrics: [measured('m', abandoned, 'Sum')],
      threshold: 1,
      comparison: 'GreaterThanOrEqualToThreshold',
    });
    this.#alarm('failing-groups', {
      description:
        'Launch after launch of one group fails and none joins: a bad image, as a rule. The log line "group keeps failing" names the group and the last error. One launch at a time is tried until one joins.',
      metrics: [measured('m', failing, 'Sum')],
      threshold: 1,
      comparison: 'GreaterThanOrEqualToThreshold',
    });
    this.#alarm('failed-unjoins', {
      description:
        'An account stayed in the directory after its instance. The ledger says which, the log says why.',
      metrics: [measured('m', owed, 'Sum')],
      threshold: 1,
      comparison: 'GreaterThanOrEqualToThreshold',
    });
    this.#alarm('cancelled-commands', {
      description:
        'A command of adjoin was cancelled on a node. The log line "command cancelled" names it; the CloudTrail event CancelCommand says who it was.',
      metrics: [measured('m', cancelled, 'Sum')],
      threshold: 1,
      comparison: 'GreaterThanOrEqualToThreshold',
    });
    this.#alarm('halted-sweeps', {
      description:
        'EC2 or the directory shows far fewer members than the ledger knows, and the sweep removes nothing because of that. The log line "sweep halted" has the numbers and what to do.',
      metrics: [measured('m', halted, 'Sum')],
      threshold: 1,
      comparison: 'GreaterThanOrEqualToThreshold',
    });
    this.#alarm('not-opted-in', {
      description:
        'A group has the hooks, but not the tag JoinAD=true: its launches are never answered, so that Auto Scaling ends them and launches again. The log names the group. The tag belongs into its own code: some tools remove tags that they did not set.',
      metrics: [measured('m', refused, 'Sum')],
      threshold: 1,
      comparison: 'GreaterThanOrEqualToThreshold',
    });
    // An instance can be healthy while its agent is dead. A live worker receives from the queue at least every 20 seconds,
    // unless it already works on as many actions as it may.
    this.#alarm('no-worker', {
      description:
        'No worker receives from the queue: none runs, or all of them are full. Look at the worker group, at the log of the worker, and whether the directory answers.',
      metrics: [
        measured('full', ofQueue('NumberOfMessagesReceived'), 'Sum', false),
        measured('empty', ofQueue('NumberOfEmptyReceives'), 'Sum', false),
        { id: 'asked', label: 'Receives', expression: 'full + empty', returnData: true },
      ],
      threshold: 1,
      comparison: 'LessThanThreshold',
      periods: 2,
      missing: 'breaching',
    });
    // An update that replaces the workers causes a gap or two; a set-up that keeps failing causes more.
    this.#alarm('few-workers', {
      description:
        'There are fewer workers than wanted. Look at the activities of the worker group. A worker that could not be set up powers itself off: its console output (aws ec2 get-console-output) says why.',
      metrics: [
        measured('wanted', groupMetric('GroupDesiredCapacity', props.workerGroupName), 'Maximum', false),
        measured('there', groupMetric('GroupInServiceInstances', props.workerGroupName), 'Minimum', false),
        { id: 'missing', label: 'Workers missing', expression: 'wanted - there', returnData: true },
      ],
      threshold: 1,
      comparison: 'GreaterThanOrEqualToThreshold',
      periods: 12,
      beyond: 3,
    });
    this.#alarm('lost-notices', {
      description:
        'EventBridge could not send an audit notice. Do the policies of the audit topic and of its key still allow it?',
      metrics: [
        ...props.auditRuleNames.map((name, index) =>
          measured(`rule${index}`, failedInvocations(name), 'Sum', false),
        ),
        { id: 'lost', label: 'Notices lost', expression: 'SUM(METRICS())', returnData: true },
      ],
      threshold: 1,
      comparison: 'GreaterThanOrEqualToThreshold',
    });
    // No limit fits every image and domain, so that it is compared with its own past. With few launches a day there is little of that:
    // three periods in a row must stand out.
    this.#alarm('slow-joins', {
      description:
        'From the SSM agent being online until the instance may go into service, joins take much longer than they used to. The widget "Time to join" of the dashboard says which step, and of which group. The step "slot" means too few workers.',
      metrics: [
        measured('m', timeToJoin, 'p50'),
        { id: 'usual', label: 'Usual', expression: 'ANOMALY_DETECTION_BAND(m, 4)', returnData: true },
      ],
      above: 'usual',
      comparison: 'GreaterThanUpperThreshold',
      periods: 3,
    });
    if (props.stateChanges) {
      const { ruleName, condition } = props.stateChanges;
      const alarm = this.#alarm('lost-state-changes', {
        description:
          'EventBridge could not send state changes of instances to the queue. Instances outside Auto Scaling groups that started meanwhile did not join: adjoin join --instance ID joins them. The sweep removes those that ended.',
        metrics: [measured('lost', failedInvocations(ruleName), 'Sum')],
        threshold: 1,
        comparison: 'GreaterThanOrEqualToThreshold',
      });
      if (condition) alarm.cfnOptions.condition = condition;
    }
    this.#dashboard(props, ofQueue, [abandoned, failing, owed, cancelled, postJoin, halted], timeToJoin);
  }

  /** Counts the lines of the agent's log that match. */
  #counted({ site, logGroupName }: MonitoringProps, metricName: string, filterPattern: string): MetricOfLog {
    const metricNamespace = `adjoin/${site.deployment}`;
    new CfnMetricFilter(this, metricName, {
      logGroupName,
      filterPattern,
      metricTransformations: [
        { metricNamespace, metricName, metricValue: '1', defaultValue: 0, unit: 'Count' },
      ],
    });
    return { namespace: metricNamespace, metricName };
  }

  /**
   * Seconds that joins take. One metric of the whole deployment, which an alarm can look at. By group and step, it would cost 0.30 USD
   * a month for each pair: the dashboard takes those from the log, when somebody looks at it.
   */
  #timeToJoin({ site, logGroupName }: MonitoringProps): MetricOfLog {
    const [metricNamespace, metricName] = [`adjoin/${site.deployment}`, 'TimeToJoin'];
    new CfnMetricFilter(this, metricName, {
      logGroupName,
      filterPattern: '{ $.event = "join timed" }',
      metricTransformations: [
        { metricNamespace, metricName, metricValue: '$.seconds.total', unit: 'Seconds' },
      ],
    });
    return { namespace: metricNamespace, metricName };
  }

  #alarm(name: string, props: AlarmProps): CfnAlarm {
    return new CfnAlarm(this, name, {
      alarmName: `${this.#site.deployment}-${name}`,
      alarmDescription: props.description,
      metrics: props.metrics,
      ...(props.threshold !== undefined && { threshold: props.threshold }),
      ...(props.above !== undefined && { thresholdMetricId: props.above }),
      comparisonOperator: props.comparison,
      evaluationPeriods: props.periods ?? 1,
      ...(props.beyond !== undefined && { datapointsToAlarm: props.beyond }),
      treatMissingData: props.missing ?? 'notBreaching',
      alarmActions: [this.topic.ref],
      okActions: [this.topic.ref],
    });
  }

  #dashboard(
    props: MonitoringProps,
    ofQueue: (metricName: string, name?: string) => CfnAlarm.MetricProperty,
    counted: MetricOfLog[],
    timeToJoin: MetricOfLog,
  ): void {
    const graph = (title: string, stat: string, metrics: CfnAlarm.MetricProperty[]) => ({
      type: 'metric',
      width: 12,
      height: 6,
      properties: { title, stat, period, region: Aws.REGION, metrics: metrics.map(row) },
    });
    new CfnDashboard(this, 'Dashboard', {
      // Dashboards have no Region of their own: in a second one, the same name would replace the first.
      dashboardName: props.site.globalName,
      dashboardBody: Stack.of(this).toJsonString({
        widgets: [
          graph('Waiting and in progress', 'Maximum', [
            ofQueue('ApproximateNumberOfMessagesVisible'),
            ofQueue('ApproximateNumberOfMessagesNotVisible'),
          ]),
          graph('Oldest message (s)', 'Maximum', [ofQueue('ApproximateAgeOfOldestMessage')]),
          graph(
            'Abandoned launches, failing groups, failed unjoins, cancelled commands, halted sweeps',
            'Sum',
            counted,
          ),
          {
            type: 'metric',
            width: 12,
            height: 6,
            properties: {
              title: 'Time to join (s), from the SSM agent online to CONTINUE',
              period,
              region: Aws.REGION,
              metrics: ['p50', 'p99'].map((stat) => [...row(timeToJoin), { stat, label: stat }]),
            },
          },
          {
            type: 'log',
            width: 24,
            height: 6,
            properties: {
              title: 'Time to join (s), by group and step',
              region: Aws.REGION,
              query: `SOURCE '${props.logGroupName}' | filter event = 'join timed' | stats count(*) as joins${timedSteps.map((step) => `, pct(seconds.${step}, 50) as ${step}P50, pct(seconds.${step}, 99) as ${step}P99`).join('')} by group`,
            },
          },
          graph('Dead letters', 'Maximum', [
            ofQueue('ApproximateNumberOfMessagesVisible', props.deadLetterQueueName),
          ]),
          graph('Workers in service', 'Minimum', [
            groupMetric('GroupInServiceInstances', props.workerGroupName),
          ]),
          {
            type: 'log',
            width: 12,
            height: 6,
            properties: {
              title: 'Errors',
              region: Aws.REGION,
              query: `SOURCE '${props.logGroupName}' | fields @timestamp, event, error.code, error.hint, instanceId | filter level = 'error' | sort @timestamp desc | limit 50`,
            },
          },
        ],
      }),
    });
  }
}

/** A metric in the syntax of dashboards: namespace, name, then name and value of each dimension. */
function row({ namespace, metricName, dimensions }: CfnAlarm.MetricProperty): unknown[] {
  const named = Array.isArray(dimensions) ? dimensions : [];
  const flat = named.flatMap((dimension) => ('name' in dimension ? [dimension.name, dimension.value] : []));
  return [namespace, metricName, ...flat];
}

function queueMetric(metricName: string, queueName: string): CfnAlarm.MetricProperty {
  return { namespace: 'AWS/SQS', metricName, dimensions: [{ name: 'QueueName', value: queueName }] };
}

function groupMetric(metricName: string, groupName: string): CfnAlarm.MetricProperty {
  return {
    namespace: 'AWS/AutoScaling',
    metricName,
    dimensions: [{ name: 'AutoScalingGroupName', value: groupName }],
  };
}

function failedInvocations(ruleName: string): CfnAlarm.MetricProperty {
  return {
    namespace: 'AWS/Events',
    metricName: 'FailedInvocations',
    dimensions: [{ name: 'RuleName', value: ruleName }],
  };
}

interface MetricOfLog {
  readonly namespace: string;
  readonly metricName: string;
}

function measured(
  id: string,
  metric: CfnAlarm.MetricProperty,
  stat: string,
  returnData = true,
): CfnAlarm.MetricDataQueryProperty {
  return { id, returnData, metricStat: { metric, stat, period } };
}
