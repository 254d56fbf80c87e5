/** What a change set says that it will do. It sees what the template says, not what services will answer. */
import type { Change, ResourceChange } from '@aws-sdk/client-cloudformation';
import { isDeepStrictEqual } from 'node:util';
import type { Created } from '../evaluate.ts';
import type { Prepared } from '../prepare.ts';
import { replacesIt, type ResourceTypes } from '../resource-type.ts';
import type { Deletable } from '../rollback.ts';

/** Of what is not there yet, or will change: its own name stands for each answer. */
function unknown(logicalId: string): Created {
  const told = (name: string) => `${logicalId}.${name}`;
  return {
    ref: logicalId,
    attributes: new Proxy<Record<string, string>>({}, { get: (_, name) => told(String(name)) }),
  };
}

export function plan(prepared: Prepared, before: readonly Deletable[], types: ResourceTypes): Change[] {
  const old = new Map(before.map((each) => [each.logicalId, each]));
  const created = new Map<string, Created>(before.map((each) => [each.logicalId, each]));
  const changes: ResourceChange[] = [];
  for (const logicalId of prepared.order) {
    const { type } = prepared.definition(logicalId);
    const present = old.get(logicalId);
    if (present === undefined) {
      created.set(logicalId, unknown(logicalId));
      changes.push({
        Action: 'Add',
        LogicalResourceId: logicalId,
        ResourceType: type,
        Scope: [],
        Details: [],
      });
      continue;
    }
    const properties = guess(prepared, logicalId, created);
    if (
      properties !== undefined &&
      present.type === type &&
      isDeepStrictEqual(properties, present.properties)
    )
      continue;
    const known = types[type];
    const isReplaced =
      properties !== undefined &&
      known !== undefined &&
      (present.type !== type || replacesIt(known, present, { ...present, properties }));
    created.set(logicalId, isReplaced ? unknown(logicalId) : { ...unknown(logicalId), ref: present.ref });
    changes.push({
      Action: 'Modify',
      LogicalResourceId: logicalId,
      PhysicalResourceId: present.ref,
      ResourceType: type,
      Replacement: properties === undefined ? 'Conditional' : isReplaced ? 'True' : 'False',
      Scope: ['Properties'],
      Details: [],
    });
  }
  const wanted = new Set(prepared.order);
  for (const { logicalId, type, ref, deletionPolicy } of before.toReversed()) {
    if (wanted.has(logicalId)) continue;
    changes.push({
      Action: 'Remove',
      LogicalResourceId: logicalId,
      PhysicalResourceId: ref,
      ResourceType: type,
      PolicyAction: deletionPolicy === 'Delete' ? 'Delete' : 'Retain',
      Scope: [],
      Details: [],
    });
  }
  return changes.map((ResourceChange) => ({ Type: 'Resource', ResourceChange }));
}

/** Undefined where a function can't be resolved before the change. */
function guess(prepared: Prepared, logicalId: string, created: ReadonlyMap<string, Created>) {
  try {
    return prepared.properties(logicalId, created);
  } catch {
    return undefined;
  }
}
