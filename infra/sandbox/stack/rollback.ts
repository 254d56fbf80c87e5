/**
 * What becomes of a stack whose creation fails. Its states, and who takes each transition:
 *
 *   CREATE_IN_PROGRESS ──a resource can't be created (the service)──▶ ROLLBACK_IN_PROGRESS
 *   ROLLBACK_IN_PROGRESS ──every resource is deleted or retained (the engine)──▶ ROLLBACK_COMPLETE
 *   ROLLBACK_IN_PROGRESS ──one can't be deleted (the service)──▶ ROLLBACK_FAILED
 *
 * Source: DeletionPolicy attribute, AWS CloudFormation Template Reference,
 * https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-deletionpolicy.html
 */
import type { DeployedResource } from './deployed-resource.ts';
import type { ResourceTypes, Target } from './resource-type.ts';
import { TemplateError, type JsonMap, type DeletionPolicy, type UpdateReplacePolicy } from './template.ts';

/** A deployed resource, and what becomes of it. */
export interface Deletable extends DeployedResource {
  readonly madeUpName: string;
  readonly deletionPolicy: DeletionPolicy;
  /** What becomes of it when an update puts another one in its place. */
  readonly updateReplacePolicy: UpdateReplacePolicy;
  readonly updatePolicy?: JsonMap | undefined;
}

/** A stack that was not created. */
export class DeploymentFailure extends TemplateError {
  readonly status: 'ROLLBACK_COMPLETE' | 'ROLLBACK_FAILED';
  /** What is still there, by logical ID. */
  readonly left: readonly string[];

  constructor(stack: string, failed: { logicalId: string; type: string; cause: unknown }, end: RollbackEnd) {
    const { logicalId, type, cause } = failed;
    const undeleted = end.undeleted.map(({ resource, reason }) => `${resource.logicalId}: ${reason}`);
    const status = undeleted.length > 0 ? 'ROLLBACK_FAILED' : 'ROLLBACK_COMPLETE';
    super(
      [
        `${stack}: ${logicalId} (${type}) can't be created: ${reasonOf(cause)}`,
        `The stack is ${status}.`,
        ...(undeleted.length > 0
          ? [`The following resource(s) failed to delete: ${undeleted.join('; ')}`]
          : []),
      ].join('\n'),
      { cause },
    );
    this.status = status;
    this.left = [...end.retained, ...end.undeleted.map(({ resource }) => resource)].map(
      (each) => each.logicalId,
    );
  }
}

export interface RollbackEnd {
  readonly retained: readonly Deletable[];
  readonly undeleted: readonly { readonly resource: Deletable; readonly reason: string }[];
}

export interface DeletionEvent {
  readonly resource: Deletable;
  readonly status: `DELETE_${'IN_PROGRESS' | 'COMPLETE' | 'FAILED' | 'SKIPPED'}`;
  readonly reason?: string;
}

/**
 * Deletes what the failed creation made, the last first. One that can't be deleted does not keep the others.
 * @param told what becomes of each resource
 */
export async function rollBack(
  made: readonly Deletable[],
  types: ResourceTypes,
  target: Target,
  told: (event: DeletionEvent) => void,
): Promise<RollbackEnd> {
  const retained: Deletable[] = [];
  const undeleted: { resource: Deletable; reason: string }[] = [];
  for (const resource of made.toReversed()) {
    if (resource.deletionPolicy === 'Retain') {
      retained.push(resource);
      told({ resource, status: 'DELETE_SKIPPED' });
      continue;
    }
    told({ resource, status: 'DELETE_IN_PROGRESS' });
    try {
      await types[resource.type]?.delete(resource, target);
      told({ resource, status: 'DELETE_COMPLETE' });
    } catch (error) {
      undeleted.push({ resource, reason: reasonOf(error) });
      told({ resource, status: 'DELETE_FAILED', reason: reasonOf(error) });
    }
  }
  return { retained, undeleted };
}

export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
