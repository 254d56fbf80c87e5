import type { Created } from '../evaluate.ts';
import {
  asBefore,
  maps,
  optionalText,
  text,
  type ResourceTypes,
  type Target,
  type Wanted,
} from '../resource-type.ts';
import { scalar, TemplateError } from '../template.ts';

const groupOf = (name: string, { cloud }: Target): Created => ({
  ref: name,
  attributes: { Arn: `${cloud.logGroups.arnOf(name)}:*` },
});

export const logs: ResourceTypes = {
  'AWS::Logs::LogGroup': {
    applied: ['LogGroupName'],
    // Nothing is encrypted here, and a sandbox lives for an hour.
    inert: ['DeletionProtectionEnabled', 'KmsKeyId', 'LogGroupClass', 'RetentionInDays', 'Tags'],
    fixed: ['LogGroupName'],
    create(wanted, target) {
      const name = optionalText(wanted, 'LogGroupName') ?? wanted.madeUpName;
      target.cloud.logGroups.create(name);
      return groupOf(name, target);
    },
    import: {
      by: 'LogGroupName',
      find(name, target) {
        if (!target.cloud.logGroups.names().includes(name))
          throw new Error('The specified log group does not exist.');
        return groupOf(name, target);
      },
    },
    update: asBefore,
    delete({ ref }, { cloud }) {
      cloud.logGroups.delete(ref);
    },
  },
  'AWS::Logs::MetricFilter': {
    applied: ['FilterName', 'FilterPattern', 'LogGroupName', 'MetricTransformations'],
    fixed: ['FilterName', 'LogGroupName'],
    create(wanted, target) {
      const name = optionalText(wanted, 'FilterName') ?? wanted.madeUpName;
      putFilter(name, wanted, target);
      return { ref: name, attributes: {} };
    },
    update(made, wanted, target) {
      putFilter(made.ref, wanted, target);
      return asBefore(made);
    },
    delete(made, { cloud }) {
      cloud.metricFilters.delete(text(made, 'LogGroupName'), made.ref);
    },
  },
};

const transformed = new Set(['DefaultValue', 'MetricName', 'MetricNamespace', 'MetricValue', 'Unit']);

function putFilter(name: string, wanted: Wanted, { cloud }: Target): void {
  const [transformation, ...others] = maps(wanted, 'MetricTransformations');
  if (transformation === undefined || others.length > 0)
    throw new TemplateError(`${wanted.logicalId} must have one transformation.`);
  const stranger = Object.keys(transformation).find((key) => !transformed.has(key));
  if (stranger !== undefined) throw new TemplateError(`A transformation's ${stranger} is not emulated.`);
  const of = (key: string) => scalar(transformation[key], `${wanted.logicalId}'s ${key}`);
  cloud.metricFilters.put({
    group: text(wanted, 'LogGroupName'),
    name,
    pattern: text(wanted, 'FilterPattern'),
    metric: { namespace: of('MetricNamespace'), name: of('MetricName'), dimensions: {} },
    value: of('MetricValue'),
    otherwise: transformation['DefaultValue'] === undefined ? undefined : Number(of('DefaultValue')),
  });
}
