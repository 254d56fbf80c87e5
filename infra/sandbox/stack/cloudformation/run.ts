/** What a stack's operation does once it is asked for: it goes on after the answer. */
import type { Call } from '../../cloud/service.ts';
import { change, cleanUp, remove, type Witnesses } from '../change.ts';
import { takeIn } from '../import.ts';
import type { Prepared } from '../prepare.ts';
import { prepared as prepare, targetOf, type CloudFormationParts } from './parts.ts';
import type { ChangeSet, Stack } from './stacks.ts';

const userInitiated = 'User Initiated';

function witnessesOf({ stacks, engine }: CloudFormationParts, stack: Stack): Witnesses {
  return {
    report: (event) => stacks.tell(stack, event),
    added: (resource) => engine.onCreated(resource),
    imported: (resource) => engine.onImported(resource),
    removed: (resource) => engine.onDeleted(resource),
  };
}

export function execute(parts: CloudFormationParts, stack: Stack, changeSet: ChangeSet, call: Call): void {
  const { stacks } = parts;
  const { wanted, type } = changeSet;
  const before = stack.resources;
  const plan = prepare(parts, stack, wanted);
  stacks.turn(stack, `${type}_IN_PROGRESS`, userInitiated);
  changeSet.executionStatus = 'EXECUTE_IN_PROGRESS';
  // "CloudFormation deletes all change sets associated with the stack", but for this one.
  for (const name of stack.changeSets.keys()) if (name !== changeSet.name) stack.changeSets.delete(name);
  stack.going = carryOut().catch((error: unknown) =>
    stacks.turn(stack, `${type === 'UPDATE' ? 'UPDATE' : 'CREATE'}_FAILED`, defect(error)),
  );

  async function carryOut(): Promise<void> {
    const target = targetOf(parts, call);
    const witnesses = witnessesOf(parts, stack);
    const { types } = parts.engine;
    try {
      const workshop = { name: stack.name, prepared: plan, types, target };
      if (type === 'IMPORT') {
        const end = await takeIn(workshop, before, changeSet.imports, witnesses);
        changeSet.executionStatus = end.done ? 'EXECUTE_COMPLETE' : 'EXECUTE_FAILED';
        if (end.done) {
          stack.resources = end.resources;
          note(stack, plan, wanted);
          stacks.turn(stack, 'IMPORT_COMPLETE');
          return;
        }
        stacks.turn(
          stack,
          'IMPORT_ROLLBACK_IN_PROGRESS',
          `The following resource(s) failed to import: [${end.logicalId}].`,
        );
        stacks.turn(stack, 'IMPORT_ROLLBACK_COMPLETE');
        return;
      }
      const end = await change(workshop, before, witnesses);
      if (!end.done) {
        changeSet.executionStatus = 'EXECUTE_FAILED';
        const failed = `The following resource(s) failed to ${type === 'UPDATE' ? 'update' : 'create'}: [${end.failed.logicalId}]. `;
        const rollback = type === 'UPDATE' ? 'UPDATE_ROLLBACK' : 'ROLLBACK';
        stacks.turn(stack, `${rollback}_IN_PROGRESS`, `${failed}Rollback requested by user.`);
        stack.resources = end.resources;
        if (type !== 'UPDATE') note(stack, plan, wanted);
        const { undeleted } = end.end;
        const names = undeleted.map(({ resource }) => resource.logicalId).join(', ');
        stacks.turn(
          stack,
          `${rollback}_${undeleted.length > 0 ? 'FAILED' : 'COMPLETE'}`,
          undeleted.length > 0 ? `The following resource(s) failed to delete: [${names}]. ` : undefined,
        );
        return;
      }
      changeSet.executionStatus = 'EXECUTE_COMPLETE';
      stack.resources = end.resources;
      note(stack, plan, wanted);
      stack.outputs = plan.outputs(new Map(end.resources.map((each) => [each.logicalId, each])));
      if (type === 'UPDATE') {
        stacks.turn(stack, 'UPDATE_COMPLETE_CLEANUP_IN_PROGRESS');
        await cleanUp(end.leftOver, types, target, witnesses);
      }
      stacks.turn(stack, `${type}_COMPLETE`);
    } finally {
      target.close();
    }
  }
}

function note(stack: Stack, plan: Prepared, wanted: ChangeSet['wanted']): void {
  stack.now = wanted;
  stack.values = plan.values;
}

/** @param retained logical IDs of resources that a stack in DELETE_FAILED leaves */
export function destroy(
  parts: CloudFormationParts,
  stack: Stack,
  call: Call,
  retained: readonly string[],
): void {
  const { stacks, engine } = parts;
  stack.former = stack.resources;
  stacks.turn(stack, 'DELETE_IN_PROGRESS', userInitiated);
  stack.going = carryOut().catch((error: unknown) => stacks.turn(stack, 'DELETE_FAILED', defect(error)));

  async function carryOut(): Promise<void> {
    const target = targetOf(parts, call);
    try {
      const resources = stack.resources.map((each) =>
        retained.includes(each.logicalId) ? { ...each, deletionPolicy: 'Retain' as const } : each,
      );
      const { undeleted } = await remove(resources, engine.types, target, witnessesOf(parts, stack));
      // What is retained is the stack's no more.
      stack.resources = undeleted.map(({ resource }) => resource);
      if (undeleted.length === 0) {
        stacks.turn(stack, 'DELETE_COMPLETE');
        return;
      }
      const names = undeleted.map(({ resource }) => resource.logicalId).join(', ');
      stacks.turn(stack, 'DELETE_FAILED', `The following resource(s) failed to delete: [${names}]. `);
    } finally {
      target.close();
    }
  }
}

/** The emulation failed, not the stack: the text is what finds it. */
const defect = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? error.message) : String(error);
