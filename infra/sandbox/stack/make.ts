/** One resource of a stack is made, with all that CloudFormation and its schema ask before. */
import type { Created } from './evaluate.ts';
import { checkProperties } from './limits/check-properties.ts';
import { checkServices } from './limits/check-services.ts';
import type { Prepared } from './prepare.ts';
import type { ResourceType, ResourceTypes, Target, Wanted } from './resource-type.ts';
import type { Deletable } from './rollback.ts';
import { TemplateError, type JsonMap } from './template.ts';

export interface Workshop {
  readonly name: string;
  readonly prepared: Prepared;
  readonly types: ResourceTypes;
  readonly target: Target;
}

export function typeOf(types: ResourceTypes, type: string): ResourceType {
  const found = types[type];
  if (found === undefined) throw new TemplateError(`The sandbox does not know ${type}.`);
  return found;
}

/**
 * What the template wants of a resource at this moment.
 * @throws TemplateError where the schema, a service's documented limit or the sandbox refuses it
 */
export function want(
  { name, prepared, types, target }: Workshop,
  logicalId: string,
  created: ReadonlyMap<string, Created>,
  others: readonly Deletable[],
): Wanted {
  const { type, updatePolicy } = prepared.definition(logicalId);
  const properties = prepared.properties(logicalId, created);
  refuseUnknown(typeOf(types, type), properties);
  checkProperties(type, logicalId, properties);
  checkServices({ type, properties }, others);
  const madeUpName = `${name}-${logicalId}-${target.hex(12).toUpperCase()}`;
  return { logicalId, type, properties, madeUpName, ...(updatePolicy && { updatePolicy }) };
}

export async function make(workshop: Workshop, wanted: Wanted): Promise<Deletable> {
  const answer = await typeOf(workshop.types, wanted.type).create(wanted, workshop.target);
  return { ...wanted, ...answer, ...policiesOf(workshop.prepared, wanted.logicalId) };
}

export function policiesOf(
  prepared: Prepared,
  logicalId: string,
): Pick<Deletable, 'deletionPolicy' | 'updateReplacePolicy'> {
  const { deletionPolicy, updateReplacePolicy } = prepared.definition(logicalId);
  return { deletionPolicy, updateReplacePolicy };
}

function refuseUnknown({ applied, inert = [] }: ResourceType, properties: JsonMap): void {
  if (applied === 'all') return;
  const stranger = Object.keys(properties).find((key) => !applied.includes(key) && !inert.includes(key));
  if (stranger !== undefined) throw new TemplateError(`The sandbox does not know its property ${stranger}.`);
}
