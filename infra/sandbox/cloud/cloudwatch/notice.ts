import { arn, type Place } from '../place.ts';
import type { AlarmSettings, AlarmState, Query } from './settings.ts';

export interface StateChange {
  readonly from: AlarmState;
  readonly to: AlarmState;
  readonly reason: string;
  readonly at: Date;
  /** When the alarm was put. */
  readonly configuredAt: Date;
}

/** As messages name Regions. */
const regionNames: Readonly<Record<string, string>> = { 'eu-central-1': 'EU (Frankfurt)' };

export const alarmArn = (place: Place, name: string): string => arn(place, 'cloudwatch', `alarm:${name}`);

/** The body that a topic gets of an alarm on `Metrics`. */
export function notice(place: Place, settings: AlarmSettings, change: StateChange): string {
  return JSON.stringify({
    AlarmName: settings.name,
    AlarmDescription: settings.description ?? null,
    AWSAccountId: place.accountId,
    AlarmConfigurationUpdatedTimestamp: timestamp(change.configuredAt),
    NewStateValue: change.to,
    NewStateReason: change.reason,
    StateChangeTime: timestamp(change.at),
    Region: regionNames[place.region] ?? place.region,
    AlarmArn: alarmArn(place, settings.name),
    OldStateValue: change.from,
    OKActions: settings.actions.OK,
    AlarmActions: settings.actions.ALARM,
    InsufficientDataActions: settings.actions.INSUFFICIENT_DATA,
    Trigger: {
      Period: Math.max(...settings.queries.map(({ of }) => (of.kind === 'statistic' ? of.period : 0))),
      EvaluationPeriods: settings.evaluationPeriods,
      DatapointsToAlarm: settings.datapointsToAlarm,
      ComparisonOperator: settings.comparison,
      Threshold: settings.threshold ?? null,
      TreatMissingData: settings.missing,
      EvaluateLowSampleCountPercentile: '',
      Metrics: settings.queries.map(row),
    },
  });
}

function row({ id, label, returnData, of }: Query): Record<string, unknown> {
  const rest = { Id: id, ...(label !== undefined && { Label: label }), ReturnData: returnData };
  if (of.kind === 'expression') return { Expression: of.text, ...rest };
  const { metric, period, name } = of;
  return {
    ...rest,
    MetricStat: {
      Metric: {
        // Both names begin with a small letter here, unlike in the API.
        Dimensions: Object.entries(metric.dimensions).map(([key, value]) => ({ value, name: key })),
        MetricName: metric.name,
        Namespace: metric.namespace,
      },
      Period: period,
      Stat: name,
    },
  };
}

/** `2026-11-30T16:20:00.000+0000` */
const timestamp = (at: Date): string => at.toISOString().replace('Z', '+0000');
