/** What a change set of type IMPORT may say: it takes resources into a stack, and does nothing else. */
import type { Change, CreateChangeSetCommandInput, ResourceToImport } from '@aws-sdk/client-cloudformation';
import { ServiceFailure } from '../../cloud/failure.ts';
import type { Prepared } from '../prepare.ts';
import type { ResourceTypes } from '../resource-type.ts';
import type { Stack } from './stacks.ts';

/** "up to 200 resources": https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateChangeSet.html */
const most = 200;

const refuse = (words: string): never => {
  throw new ServiceFailure('ValidationError', words);
};
const listed = (ids: readonly string[]): string => `[${ids.join(', ')}]`;

/**
 * What identifies each resource, by logical ID.
 * @param others all other stacks
 * @param changes what an update by this template would do
 * @throws ServiceFailure
 */
export function importsOf(
  input: Pick<CreateChangeSetCommandInput, 'ResourcesToImport'>,
  ready: Prepared,
  present: Stack | undefined,
  others: readonly Stack[],
  types: ResourceTypes,
  changes: readonly Change[],
): Map<string, string> {
  const wanted = input.ResourcesToImport ?? [];
  if (wanted.length === 0)
    refuse('You must specify ResourcesToImport when creating a change set of type IMPORT.');
  if (wanted.length > most)
    refuse(`Member must have length less than or equal to ${most}: ResourcesToImport`);
  const identifiers = new Map(
    wanted.map((each): [string, string] => [
      each.LogicalResourceId ?? '',
      identifierOf(each, ready, present, types),
    ]),
  );

  // "You can't import the same resource into multiple stacks."
  for (const stack of others) {
    const taken = stack.resources.find(({ type, ref }) =>
      wanted.some(
        (each) => each.ResourceType === type && identifiers.get(each.LogicalResourceId ?? '') === ref,
      ),
    );
    if (taken) refuse(`Resource ${taken.ref} is already managed by stack ${stack.id}`);
  }

  const strange = changes
    .map(({ ResourceChange: each }) => each)
    .filter((each) => !identifiers.has(each?.LogicalResourceId ?? ''));
  const missing = strange
    .filter((each) => each?.Action === 'Add')
    .map((each) => each?.LogicalResourceId ?? '');
  if (missing.length > 0) refuse(`Resources ${listed(missing)} is missing from ResourceToImport list`);
  const modified = strange.map((each) => each?.LogicalResourceId ?? '');
  if (modified.length > 0)
    refuse(
      `You have modified resources ${listed(modified)} in your template that are not being imported. Update, create or delete operations cannot be executed during import operations.`,
    );
  return identifiers;
}

/** @throws ServiceFailure */
function identifierOf(
  { LogicalResourceId = '', ResourceType = '', ResourceIdentifier = {} }: ResourceToImport,
  ready: Prepared,
  present: Stack | undefined,
  types: ResourceTypes,
): string {
  if (!ready.order.includes(LogicalResourceId))
    refuse(`The resources [${LogicalResourceId}] passed in ResourceToImport do not exist in the template`);
  const { type, retention } = ready.definition(LogicalResourceId);
  if (type !== ResourceType)
    refuse(`The type ${ResourceType} of ${LogicalResourceId} does not match the template's ${type}`);
  // "Each resource to import must have a DeletionPolicy attribute."
  if (!retention)
    refuse(
      `Resources [${LogicalResourceId}] to import must have a DeletionPolicy attribute specified in the template.`,
    );
  if (present?.resources.some(({ logicalId }) => logicalId === LogicalResourceId))
    refuse(`Resource ${LogicalResourceId} is already in the stack ${present.name}`);
  const by = types[type]?.import?.by;
  if (by === undefined) return refuse(`ResourceTypes [${type}] are not supported for Import`);
  const names = Object.keys(ResourceIdentifier);
  const identifier = ResourceIdentifier[by];
  if (identifier === undefined || names.length !== 1)
    return refuse(`Invalid resource identifiers ${listed(names)} for ${LogicalResourceId}: expected [${by}]`);
  return identifier;
}

/** How the change set shows it. */
export function importsShown(identifiers: ReadonlyMap<string, string>, ready: Prepared): Change[] {
  return ready.order.flatMap((LogicalResourceId): Change[] => {
    const PhysicalResourceId = identifiers.get(LogicalResourceId);
    if (PhysicalResourceId === undefined) return [];
    const ResourceType = ready.definition(LogicalResourceId).type;
    return [
      {
        Type: 'Resource',
        ResourceChange: {
          Action: 'Import',
          LogicalResourceId,
          PhysicalResourceId,
          ResourceType,
          Scope: [],
          Details: [],
        },
      },
    ];
  });
}
