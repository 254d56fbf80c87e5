import type { AlarmSettings, Missing, Query } from '../../cloud/cloudwatch/settings.ts';
import {
  asBefore,
  maps,
  optionalText,
  text,
  texts,
  type ResourceTypes,
  type Target,
  type Wanted,
} from '../resource-type.ts';
import { isList, isMap, mapAt, scalar, TemplateError, type JsonMap } from '../template.ts';

export const cloudWatch: ResourceTypes = {
  'AWS::CloudWatch::Alarm': {
    applied: [
      'AlarmActions',
      'AlarmDescription',
      'AlarmName',
      'ComparisonOperator',
      'DatapointsToAlarm',
      'EvaluationPeriods',
      'InsufficientDataActions',
      'Metrics',
      'OKActions',
      'Threshold',
      'ThresholdMetricId',
      'TreatMissingData',
    ],
    inert: ['Tags'],
    fixed: ['AlarmName'],
    create(wanted, target) {
      const name = optionalText(wanted, 'AlarmName') ?? wanted.madeUpName;
      const { cloud, region, accountId } = target;
      // PutMetricAlarm would change the other one; the handler of the resource type refuses.
      if (cloud.alarms.find(name))
        throw new TemplateError(
          `Resource of type '${wanted.type}' with identifier '${name}' already exists.`,
        );
      cloud.alarms.put(settingsOf(name, wanted));
      return { ref: name, attributes: { Arn: `arn:aws:cloudwatch:${region}:${accountId}:alarm:${name}` } };
    },
    update(made, wanted, { cloud }: Target) {
      cloud.alarms.put(settingsOf(made.ref, wanted));
      return asBefore(made);
    },
    delete({ ref }, { cloud }) {
      cloud.alarms.delete(ref);
    },
  },
};

function settingsOf(name: string, wanted: Wanted): AlarmSettings {
  const evaluationPeriods = Number(text(wanted, 'EvaluationPeriods'));
  const threshold = optionalText(wanted, 'Threshold');
  return {
    name,
    description: optionalText(wanted, 'AlarmDescription'),
    queries: maps(wanted, 'Metrics').map(queryOf),
    threshold: threshold === undefined ? undefined : Number(threshold),
    comparison: text(wanted, 'ComparisonOperator'),
    evaluationPeriods,
    datapointsToAlarm: Number(optionalText(wanted, 'DatapointsToAlarm') ?? evaluationPeriods),
    missing: missingOf(optionalText(wanted, 'TreatMissingData') ?? 'missing'),
    actions: {
      OK: texts(wanted, 'OKActions'),
      ALARM: texts(wanted, 'AlarmActions'),
      INSUFFICIENT_DATA: texts(wanted, 'InsufficientDataActions'),
    },
  };
}

function missingOf(value: string): Missing {
  if (value === 'missing' || value === 'ignore' || value === 'breaching' || value === 'notBreaching')
    return value;
  throw new TemplateError(`An alarm can't treat missing data as ${value}.`);
}

function queryOf(given: JsonMap): Query {
  const id = scalar(given['Id'], "a metric's Id");
  const label = given['Label'];
  const common = {
    id,
    ...(label !== undefined && { label: scalar(label, `${id}'s Label`) }),
    // "The default is true": of PutMetricAlarm, where all but one say false.
    returnData: given['ReturnData'] === undefined || scalar(given['ReturnData'], id) === 'true',
  };
  const statistic = given['MetricStat'];
  if (!isMap(statistic))
    return { ...common, of: { kind: 'expression', text: scalar(given['Expression'], `${id}'s Expression`) } };
  const metric = mapAt(statistic['Metric'], `${id}'s Metric`);
  const dimensions = metric['Dimensions'] ?? [];
  return {
    ...common,
    of: {
      kind: 'statistic',
      metric: {
        namespace: scalar(metric['Namespace'], `${id}'s Namespace`),
        name: scalar(metric['MetricName'], `${id}'s MetricName`),
        dimensions: Object.fromEntries(
          (isList(dimensions) ? dimensions : []).map((each) => {
            const { Name, Value } = mapAt(each, `a dimension of ${id}`);
            return [scalar(Name, 'Name'), scalar(Value, 'Value')];
          }),
        ),
      },
      name: scalar(statistic['Stat'], `${id}'s Stat`),
      period: Number(scalar(statistic['Period'], `${id}'s Period`)),
    },
  };
}
