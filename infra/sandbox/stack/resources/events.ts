import type { Rule, Target } from '../../cloud/events/bus.ts';
import { maps, optionalText, type ResourceTypes } from '../resource-type.ts';
import { isMap, scalar, TemplateError, type Json, type JsonMap } from '../template.ts';

export const events: ResourceTypes = {
  'AWS::Events::Rule': {
    applied: ['Name', 'EventPattern', 'State', 'Targets'],
    inert: ['Description', 'Tags'],
    create(wanted, { region, accountId, cloud }) {
      const name = optionalText(wanted, 'Name') ?? wanted.madeUpName;
      const arn = `arn:aws:events:${region}:${accountId}:rule/${name}`;
      const pattern = wanted.properties['EventPattern'];
      if (pattern === undefined) throw new TemplateError('A rule without a pattern is not emulated.');
      cloud.bus.addRule({
        name,
        arn,
        pattern,
        state: stateOf(optionalText(wanted, 'State')),
        targets: maps(wanted, 'Targets').map(targetOf),
      });
      return { ref: name, attributes: { Arn: arn } };
    },
    delete({ ref }, { cloud }) {
      cloud.bus.removeRule(ref);
    },
  },
};

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
