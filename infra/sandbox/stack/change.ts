/**
 * A stack becomes what a template wants: its creation is a change from nothing. What becomes of each resource, and who
 * takes the transition:
 *
 *   (absent) ──the template has it──▶ CREATE_IN_PROGRESS ──the service makes it──▶ CREATE_COMPLETE
 *   …_COMPLETE ──its properties differ (the engine)──▶ UPDATE_IN_PROGRESS ──the service takes them──▶ UPDATE_COMPLETE
 *   …_COMPLETE ──a property that only a creation can set differs──▶ another one is made; the old one is cleaned up at the end
 *   …_COMPLETE ──the template has it no more──▶ it is cleaned up at the end: DELETE_COMPLETE, or DELETE_SKIPPED if it is retained
 *   any …_IN_PROGRESS ──the service refuses──▶ …_FAILED, and all that was done before is undone, the last first
 *
 * Source: Understand update behaviors of stack resources,
 * https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-updating-stacks-update-behaviors.html
 */
import { isDeepStrictEqual } from 'node:util';
import type { DeployedResource } from './deployed-resource.ts';
import type { Created } from './evaluate.ts';
import { make, policiesOf, typeOf, want, type Workshop } from './make.ts';
import { replacesIt, type Report, type ResourceTypes, type Target, type Wanted } from './resource-type.ts';
import { reasonOf, rollBack, type Deletable, type RollbackEnd } from './rollback.ts';

export type ResourceStatus =
  | `${'CREATE' | 'UPDATE' | 'DELETE' | 'IMPORT'}_${'IN_PROGRESS' | 'COMPLETE' | 'FAILED'}`
  | 'DELETE_SKIPPED';

export interface ResourceEvent {
  readonly logicalId: string;
  readonly type: string;
  readonly status: ResourceStatus;
  /** Its physical ID, once it has one. */
  readonly ref?: string;
  readonly reason?: string;
}

/** Who looks on. */
export interface Witnesses {
  report(event: ResourceEvent): void;
  /** From now on it is there, or is like this. */
  added(resource: DeployedResource): void;
  /** It was there before the stack, and stays as it is, whatever the template says of it. */
  imported(resource: DeployedResource): void;
  removed(resource: DeployedResource): void;
}

export interface Failed {
  readonly logicalId: string;
  readonly type: string;
  readonly cause: unknown;
}

export type ChangeEnd =
  | {
      readonly done: true;
      readonly resources: readonly Deletable[];
      /** What has no place in the stack any more, and is there still. */
      readonly leftOver: readonly LeftOver[];
    }
  | {
      readonly done: false;
      readonly failed: Failed;
      /** As they are after the rollback. */
      readonly resources: readonly Deletable[];
      readonly end: RollbackEnd;
    };

export interface LeftOver {
  readonly resource: Deletable;
  readonly retained: boolean;
}

/** What is undone in a rollback. */
type Step =
  | { readonly kind: 'made'; readonly resource: Deletable }
  | { readonly kind: 'updated'; readonly before: Deletable; readonly after: Deletable };

export async function change(
  workshop: Workshop,
  before: readonly Deletable[],
  witnesses: Witnesses,
): Promise<ChangeEnd> {
  const { prepared } = workshop;
  const old = new Map(before.map((each) => [each.logicalId, each]));
  const created = new Map<string, Created>();
  const resources: Deletable[] = [];
  const steps: Step[] = [];
  const replaced: Deletable[] = [];
  for (const logicalId of prepared.order) {
    const { type } = prepared.definition(logicalId);
    const present = old.get(logicalId);
    const told = { logicalId, type, ...(present && { ref: present.ref }) };
    let verb: 'CREATE' | 'UPDATE' = present === undefined ? 'CREATE' : 'UPDATE';
    try {
      const wanted = want(workshop, logicalId, created, resources);
      const same = present?.type === type && isDeepStrictEqual(present.properties, wanted.properties);
      if (present !== undefined && same) {
        const kept = { ...present, ...policiesOf(prepared, logicalId) };
        created.set(logicalId, kept);
        resources.push(kept);
        witnesses.removed(present);
        witnesses.added(kept);
        continue;
      }
      witnesses.report({ ...told, status: `${verb}_IN_PROGRESS` });
      let now: Deletable;
      if (
        present === undefined ||
        present.type !== type ||
        replacesIt(typeOf(workshop.types, type), present, wanted)
      ) {
        if (present !== undefined) {
          verb = 'UPDATE';
          replaced.push(present);
        }
        now = await make(workshop, wanted);
        steps.push({ kind: 'made', resource: now });
        witnesses.added(now);
      } else {
        now = await update(workshop, present, wanted, (reason) =>
          witnesses.report({ ...told, status: 'UPDATE_IN_PROGRESS', reason }),
        );
        steps.push({ kind: 'updated', before: present, after: now });
        witnesses.removed(present);
        witnesses.added(now);
      }
      created.set(logicalId, now);
      resources.push(now);
      witnesses.report({ ...told, ref: now.ref, status: `${verb}_COMPLETE` });
    } catch (cause) {
      witnesses.report({ ...told, status: `${verb}_FAILED`, reason: reasonOf(cause) });
      const end = await undo(steps, workshop, witnesses);
      const left = [...end.retained, ...end.undeleted.map(({ resource }) => resource)];
      return {
        done: false,
        failed: { logicalId, type, cause },
        resources: before.length === 0 ? left : before,
        end,
      };
    }
  }
  const wanted = new Set(prepared.order);
  const dropped = before.filter(({ logicalId }) => !wanted.has(logicalId));
  return {
    done: true,
    resources,
    leftOver: [
      ...replaced.map((resource) => ({ resource, retained: resource.updateReplacePolicy === 'Retain' })),
      ...dropped.map((resource) => ({ resource, retained: resource.deletionPolicy !== 'Delete' })),
    ],
  };
}

async function update(
  workshop: Workshop,
  present: Deletable,
  wanted: Wanted,
  report: Report,
): Promise<Deletable> {
  const type = typeOf(workshop.types, wanted.type);
  const next = { ...wanted, madeUpName: present.madeUpName };
  if (type.update === undefined)
    throw new Error(`The sandbox does not update resources of type ${wanted.type}.`);
  const answer = await type.update(present, next, workshop.target, report);
  return { ...next, ...answer, ...policiesOf(workshop.prepared, wanted.logicalId) };
}

async function undo(steps: readonly Step[], workshop: Workshop, witnesses: Witnesses): Promise<RollbackEnd> {
  const { types, target } = workshop;
  const made = steps.flatMap((step) => (step.kind === 'made' ? [step.resource] : []));
  const failures: { resource: Deletable; reason: string }[] = [];
  for (const step of steps.toReversed()) {
    if (step.kind !== 'updated') continue;
    const { before, after } = step;
    const told = { logicalId: before.logicalId, type: before.type, ref: before.ref };
    try {
      await typeOf(types, before.type).update?.(after, before, target, (reason) =>
        witnesses.report({ ...told, status: 'UPDATE_IN_PROGRESS', reason }),
      );
      witnesses.removed(after);
      witnesses.added(before);
      witnesses.report({ ...told, status: 'UPDATE_COMPLETE' });
    } catch (error) {
      failures.push({ resource: after, reason: reasonOf(error) });
      witnesses.report({ ...told, status: 'UPDATE_FAILED', reason: reasonOf(error) });
    }
  }
  const end = await rollBack(made, types, target, (event) => tell(event, witnesses));
  return { ...end, undeleted: [...end.undeleted, ...failures] };
}

/** Removes what a finished update has left over, the last first. One that can't be deleted is left, as CloudFormation does. */
export async function cleanUp(
  leftOver: readonly LeftOver[],
  types: ResourceTypes,
  target: Target,
  witnesses: Witnesses,
): Promise<void> {
  const retained = leftOver.filter((each) => each.retained).map(({ resource }) => resource);
  for (const { logicalId, type, ref } of retained)
    witnesses.report({ logicalId, type, ref, status: 'DELETE_SKIPPED' });
  const gone = leftOver.filter((each) => !each.retained).map(({ resource }) => resource);
  await rollBack(
    // Here nothing is retained: those have been sorted out.
    gone.map((each) => ({ ...each, was: each, deletionPolicy: 'Delete' as const })),
    types,
    target,
    (event) => tell(event, witnesses),
  );
}

/** Deletes a whole stack; what a policy keeps stays, whichever operation made it. */
export async function remove(
  resources: readonly Deletable[],
  types: ResourceTypes,
  target: Target,
  witnesses: Witnesses,
): Promise<RollbackEnd> {
  return rollBack(
    resources.map((each) => ({
      ...each,
      was: each,
      deletionPolicy: each.deletionPolicy === 'Delete' ? ('Delete' as const) : ('Retain' as const),
    })),
    types,
    target,
    (event) => tell(event, witnesses),
  );
}

function tell(
  event: { resource: Deletable & { was?: Deletable }; status: ResourceStatus; reason?: string },
  witnesses: Witnesses,
): void {
  const { resource, ...rest } = event;
  const { logicalId, type, ref } = resource;
  witnesses.report({ logicalId, type, ref, ...rest });
  if (rest.status === 'DELETE_COMPLETE') witnesses.removed(resource.was ?? resource);
}
