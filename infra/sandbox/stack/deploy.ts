/**
 * A CloudFormation engine, as far as one deployment into an empty account needs it: parameters, conditions, intrinsic
 * functions, order, creation, and the rollback of a creation that fails. `change.ts` has what becomes of each resource.
 *
 * A resource type that it does not know, or a property that neither works here nor is known to be without effect, is an
 * error: what a stack says must either be true in the sandbox or be named as left out.
 */
import type { DeployedResource } from './deployed-resource.ts';
import { change } from './change.ts';
import { prepare } from './prepare.ts';
import type { Target, ResourceTypes } from './resource-type.ts';
import { resourceTypes } from './resources/index.ts';
import { DeploymentFailure } from './rollback.ts';
import type { Json } from './template.ts';

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
  const prepared = prepare({ ...deployment, place: target, types });
  const end = await change({ name, prepared, types, target }, [], {
    report: () => undefined,
    added: (resource) => deployment.onCreated?.(resource),
    imported: () => undefined,
    removed: (resource) => deployment.onDeleted?.(resource),
  });
  if (!end.done) throw new DeploymentFailure(name, end.failed, end.end);
  const { resources } = end;
  return {
    name,
    resources,
    outputs: prepared.outputs(new Map(resources.map((each) => [each.logicalId, each]))),
  };
}
