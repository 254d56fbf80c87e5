/**
 * A CloudFormation engine, as far as one deployment into an empty account needs it: parameters, conditions, intrinsic
 * functions, order, creation, and the rollback of a creation that fails. It updates nothing, and deletes no stack.
 *
 * A resource type that it does not know, or a property that neither works here nor is known to be without effect, is an
 * error: what a stack says must either be true in the sandbox or be named as left out.
 */
import type { DeployedResource } from './deployed-resource.ts';
import { evaluate, evaluateCondition, evaluateMap, type Created, type Scope } from './evaluate.ts';
import { checkProperties } from './limits/check-properties.ts';
import { checkServices } from './limits/check-services.ts';
import { checkTemplate } from './limits/template-quotas.ts';
import { creationOrder } from './order.ts';
import { resolveParameters } from './parameters.ts';
import type { Target, ResourceTypes } from './resource-type.ts';
import { resourceTypes } from './resources/index.ts';
import { DeploymentFailure, rollBack, type Deletable } from './rollback.ts';
import { parseTemplate, TemplateError, type Json, type JsonMap, type Rule } from './template.ts';

export interface DeployedStack {
  readonly name: string;
  readonly resources: readonly DeployedResource[];
  readonly outputs: ReadonlyMap<string, Json>;
}

export interface Deployment {
  readonly name: string;
  /** JSON. */
  readonly template: string;
  readonly parameters: Readonly<Record<string, string>>;
  /** What the SSM parameter store answers, such as the newest AMI. */
  readonly publicParameters?: Readonly<Record<string, string>>;
  readonly target: Target;
  /** Told each resource when it is there. */
  readonly onCreated?: (resource: DeployedResource) => void;
  /** Told each resource that a rollback deletes. */
  readonly onDeleted?: (resource: DeployedResource) => void;
  readonly types?: ResourceTypes;
}

/** @throws TemplateError or ServiceFailure before anything is made; {@link DeploymentFailure} after what was made is rolled back */
export async function deploy(deployment: Deployment): Promise<DeployedStack> {
  const { name, target } = deployment;
  const types = deployment.types ?? resourceTypes;
  const template = parseTemplate(deployment.template);
  checkTemplate(deployment.template, template, deployment.parameters);
  const unknown = new Set(
    [...template.resources.values()].map(({ type }) => type).filter((type) => !types[type]),
  );
  if (unknown.size > 0) throw new TemplateError(`The sandbox does not know ${[...unknown].join(', ')}.`);

  const created = new Map<string, Created>();
  const conditions = new Map<string, boolean>();
  const scope: Scope = {
    place: target,
    stackName: name,
    parameters: resolveParameters(template.parameters, deployment.parameters, deployment.publicParameters),
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
  checkRules(template.rules, scope);
  const holds = (condition: string | undefined) => condition === undefined || scope.condition(condition);

  const resources: Deletable[] = [];
  for (const logicalId of creationOrder(template.resources)) {
    const definition = template.resources.get(logicalId);
    const type = types[definition?.type ?? ''];
    if (!definition || !type || !holds(definition.condition)) continue;
    try {
      const properties = evaluateMap(definition.properties, scope);
      refuseUnknown(type, properties);
      checkProperties(definition.type, logicalId, properties);
      checkServices({ type: definition.type, properties }, resources);
      const madeUpName = `${name}-${logicalId}-${target.hex(12).toUpperCase()}`;
      const wanted = { logicalId, type: definition.type, properties, madeUpName };
      const answer = await type.create(wanted, target);
      created.set(logicalId, answer);
      const resource = { ...wanted, ...answer, deletionPolicy: definition.deletionPolicy };
      resources.push(resource);
      deployment.onCreated?.(resource);
    } catch (cause) {
      const end = await rollBack(resources, types, target, (gone) => deployment.onDeleted?.(gone));
      throw new DeploymentFailure(name, { logicalId, type: definition.type, cause }, end);
    }
  }
  const outputs = [...template.outputs].filter(([, { condition }]) => holds(condition));
  return {
    name,
    resources,
    outputs: new Map(outputs.map(([key, { value }]) => [key, evaluate(value, scope)])),
  };
}

function refuseUnknown({ applied, inert = [] }: ResourceTypes[string], properties: JsonMap): void {
  if (applied === 'all') return;
  const stranger = Object.keys(properties).find((key) => !applied.includes(key) && !inert.includes(key));
  if (stranger !== undefined) throw new TemplateError(`The sandbox does not know its property ${stranger}.`);
}

/** Rules see parameters only, and are asked before anything is made. */
function checkRules(rules: ReadonlyMap<string, Rule>, scope: Scope): void {
  const broken = [...rules.values()]
    .filter(({ condition }) => condition === undefined || evaluateCondition(condition, scope))
    .flatMap(({ assertions }) => assertions.filter(({ assert }) => !evaluateCondition(assert, scope)))
    .map(({ description }) => description);
  if (broken.length > 0) throw new TemplateError(`Template error: ${broken.join(' ')}`);
}
