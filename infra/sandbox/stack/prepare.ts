/** A template with its parameters resolved: what the resources of one stack are to be. */
import { evaluate, evaluateCondition, evaluateMap, type Created, type Scope } from './evaluate.ts';
import { checkTemplate } from './limits/template-quotas.ts';
import { creationOrder } from './order.ts';
import { resolveParameters } from './parameters.ts';
import type { ResourceTypes } from './resource-type.ts';
import {
  parseTemplate,
  TemplateError,
  type Json,
  type JsonMap,
  type ResourceDefinition,
  type Rule,
  type Template,
} from './template.ts';

export interface Wish {
  readonly name: string;
  /** What `AWS::StackId` answers. Default: one that only tells the name. */
  readonly stackId?: string;
  /** JSON. */
  readonly template: string;
  readonly parameters: Readonly<Record<string, string>>;
  /** What the SSM parameter store answers, such as the newest AMI. */
  readonly publicParameters?: Readonly<Record<string, string>>;
  readonly place: Scope['place'];
  readonly types: ResourceTypes;
}

export interface Prepared {
  readonly template: Template;
  /** The values of the parameters, as texts. */
  readonly values: ReadonlyMap<string, string>;
  /** Logical IDs of the resources whose condition holds, in the order in which they are made. */
  readonly order: readonly string[];
  definition(logicalId: string): ResourceDefinition;
  /**
   * A resource's properties, with every function resolved.
   * @param created what there is already, by logical ID
   * @throws TemplateError
   */
  properties(logicalId: string, created: ReadonlyMap<string, Created>): JsonMap;
  outputs(created: ReadonlyMap<string, Created>): Map<string, Json>;
}

/** @throws TemplateError or ServiceFailure for a template, or values of its parameters, that CloudFormation does not take */
export function prepare(wish: Wish): Prepared {
  const template = parseTemplate(wish.template);
  checkTemplate(wish.template, template, wish.parameters);
  const unknown = new Set(
    [...template.resources.values()].map(({ type }) => type).filter((type) => !wish.types[type]),
  );
  if (unknown.size > 0) throw new TemplateError(`The sandbox does not know ${[...unknown].join(', ')}.`);

  const parameters = resolveParameters(template.parameters, wish.parameters, wish.publicParameters);
  const conditions = new Map<string, boolean>();
  const scopeOf = (created: ReadonlyMap<string, Created>): Scope => {
    const scope: Scope = {
      place: wish.place,
      stackName: wish.name,
      ...(wish.stackId === undefined ? {} : { stackId: wish.stackId }),
      parameters,
      mappings: template.mappings,
      created,
      condition(conditionName) {
        const known = conditions.get(conditionName);
        if (known !== undefined) return known;
        const expression = template.conditions[conditionName];
        if (expression === undefined) throw new TemplateError(`There is no condition ${conditionName}.`);
        const truth = evaluateCondition(expression, scope);
        conditions.set(conditionName, truth);
        return truth;
      },
    };
    return scope;
  };
  const empty = scopeOf(new Map());
  checkRules(template.rules, empty);
  const holds = (condition: string | undefined) => condition === undefined || empty.condition(condition);
  const definition = (logicalId: string): ResourceDefinition => {
    const found = template.resources.get(logicalId);
    if (found === undefined) throw new TemplateError(`There is no resource ${logicalId}.`);
    return found;
  };
  return {
    template,
    values: new Map(
      [...template.parameters].map(([name, { default: otherwise }]) => [
        name,
        wish.parameters[name] ?? otherwise ?? '',
      ]),
    ),
    order: creationOrder(template.resources).filter((id) => holds(definition(id).condition)),
    definition,
    properties: (logicalId, created) => evaluateMap(definition(logicalId).properties, scopeOf(created)),
    outputs(created) {
      const scope = scopeOf(created);
      const outputs = [...template.outputs].filter(([, { condition }]) => holds(condition));
      return new Map(outputs.map(([key, { value }]) => [key, evaluate(value, scope)]));
    },
  };
}

/** Rules see parameters only, and are asked before anything is made. */
function checkRules(rules: ReadonlyMap<string, Rule>, scope: Scope): void {
  const broken = [...rules.values()]
    .filter(({ condition }) => condition === undefined || evaluateCondition(condition, scope))
    .flatMap(({ assertions }) => assertions.filter(({ assert }) => !evaluateCondition(assert, scope)))
    .map(({ description }) => description);
  if (broken.length > 0) throw new TemplateError(`Template error: ${broken.join(' ')}`);
}
