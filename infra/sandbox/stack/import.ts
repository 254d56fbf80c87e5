/**
 * Resources that are there become a stack's. Nothing of them changes: what the template says of their properties is what CloudFormation
 * believes from then on, and an update carries out only what differs from that.
 *
 *   (in the account) ──an import──▶ IMPORT_IN_PROGRESS ──the service has it──▶ IMPORT_COMPLETE
 *   IMPORT_IN_PROGRESS ──the service has none──▶ IMPORT_FAILED, and the stack is what it was before
 *
 * Source: Import AWS resources into a CloudFormation stack,
 * https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/import-resources.html
 */
import type { Witnesses } from './change.ts';
import type { Created } from './evaluate.ts';
import { policiesOf, typeOf, want, type Workshop } from './make.ts';
import { reasonOf, type Deletable } from './rollback.ts';

export type ImportEnd =
  | { readonly done: true; readonly resources: readonly Deletable[] }
  | { readonly done: false; readonly logicalId: string };

/** @param identifiers what identifies each resource that is taken in, by logical ID */
export async function takeIn(
  workshop: Workshop,
  before: readonly Deletable[],
  identifiers: ReadonlyMap<string, string>,
  witnesses: Witnesses,
): Promise<ImportEnd> {
  const { prepared, types, target } = workshop;
  const created = new Map<string, Created>(before.map((each) => [each.logicalId, each]));
  const resources: Deletable[] = [];
  for (const logicalId of prepared.order) {
    const present = before.find((each) => each.logicalId === logicalId);
    if (present) {
      resources.push(present);
      continue;
    }
    const { type } = prepared.definition(logicalId);
    const identifier = identifiers.get(logicalId) ?? '';
    const told = { logicalId, type, ref: identifier };
    witnesses.report({ ...told, status: 'IMPORT_IN_PROGRESS' });
    try {
      const wanted = want(workshop, logicalId, created, resources);
      const found = await typeOf(types, type).import?.find(identifier, target);
      if (found === undefined) throw new Error(`The sandbox does not import resources of type ${type}.`);
      const resource = { ...wanted, ...found, ...policiesOf(prepared, logicalId) };
      created.set(logicalId, resource);
      resources.push(resource);
      witnesses.report({ ...told, ref: found.ref, status: 'IMPORT_COMPLETE' });
    } catch (error) {
      witnesses.report({ ...told, status: 'IMPORT_FAILED', reason: reasonOf(error) });
      return { done: false, logicalId };
    }
  }
  for (const resource of resources) if (!before.includes(resource)) witnesses.imported(resource);
  return { done: true, resources };
}
