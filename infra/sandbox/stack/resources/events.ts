import type { Rule, Target } from '../../cloud/events/bus.ts';
import {
  asBefore,
  maps,
  optionalText,
  type ResourceTypes,
  type Target as Place,
  type Wanted,
} from '../resource-type.ts';
import { isMap, scalar, TemplateError, type Json, type JsonMap } from '../template.ts';

export const events: ResourceTypes = {
  'AWS::Events::Rule': {
    applied: ['Name', 'EventPattern', 'State', 'Targets'],
    inert: ['Description', 'Tags'],
    fixed: ['Name'],
    create(wanted, target) {
      const name = optionalText(wanted, 'Name') ?? wanted.madeUpName;
      const arn = `arn:aws:events:${target.region}:${target.accountId}:rule/${name}`;
      putRule(wanted, name, arn, target);
      return { ref: name, attributes: { Arn: arn } };
    },
    update(made, wanted, target) {
      target.cloud.bus.removeRule(made.ref);
      putRule(wanted, made.ref, made.attributes['Arn'] ?? '', target);
      return asBefore(made);
    },
    delete({ ref }, { cloud }) {
      cloud.bus.removeRule(ref);
    },
  },
};

function putRule(wanted: Wanted, name: string, arn: string, { cloud }: Place): void {
  const pattern = wanted.properties['EventPattern'];
  if (pattern === undefined) throw new TemplateError('A rule without a pattern is not emulated.');
  cloud.bus.addRule({
    name,
    arn,
    pattern,
    state: stateOf(optionalText(wanted, 'State')),
    targets: maps(wanted, 'Targets').map(targetOf),
  });
}

function stateOf(text = 'ENABLED'): Rule['state'] {
  if (text === 'ENABLED' || text === 'DISABLED' || text === 'ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS')
    return text;
  throw new TemplateError(`A rule can't be ${text}.`);
}

const known = new Set(['Arn', 'Id', 'InputTransformer']);

function targetOf(target: JsonMap): Target {
  const stranger = Object.keys(target).find((key) => !known.has(key));
  if (stranger !== undefined) throw new TemplateError(`A target's ${stranger} is not emulated.`);
  const arn = scalar(target['Arn'], "a target's Arn");
  const transformer = target['InputTransformer'];
  if (!isMap(transformer)) return { arn };
  const paths: Json = transformer['InputPathsMap'] ?? {};
  if (!isMap(paths)) throw new TemplateError("A target's InputPathsMap must be a map.");
  return {
    arn,
    transformer: {
      paths: Object.fromEntries(Object.entries(paths).map(([name, path]) => [name, scalar(path, name)])),
      template: scalar(transformer['InputTemplate'], "a target's InputTemplate"),
    },
  };
}
