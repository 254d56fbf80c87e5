import {
  DescribeManagedPrefixLists$,
  type DescribeManagedPrefixListsCommandInput,
  type DescribeManagedPrefixListsResult,
  type Filter,
  type ManagedPrefixList,
} from '@aws-sdk/client-ec2';
import { ServiceFailure } from '../failure.ts';
import { operationsOn } from '../operations.ts';
import type { Place } from '../place.ts';
import type { Operation } from '../service.ts';

/** The IDs are the sandbox's: AWS has others in each Region. */
export const managed = { s3: 'pl-0a77000a', dynamodb: 'pl-0a77000b' } as const;

export function prefixListOperations(parts: { readonly place: Place }): Operation[] {
  const on = operationsOn('ec2', parts);
  return [on(DescribeManagedPrefixLists$, describe)];
}

/** The lists of AWS's own networks that gateway endpoints lead to; the account has none of its own. */
function describe(
  { place }: { readonly place: Place },
  { Filters = [], PrefixListIds = [] }: DescribeManagedPrefixListsCommandInput,
): DescribeManagedPrefixListsResult {
  const all = Object.entries(managed).map(([service, PrefixListId]): ManagedPrefixList => ({
    PrefixListId,
    PrefixListName: `com.amazonaws.${place.region}.${service}`,
    PrefixListArn: `arn:aws:ec2:${place.region}:aws:prefix-list/${PrefixListId}`,
    AddressFamily: 'IPv4',
    State: 'create-complete',
    OwnerId: 'AWS',
  }));
  const unknown = PrefixListIds.find((id) => !all.some(({ PrefixListId }) => PrefixListId === id));
  if (unknown !== undefined)
    throw new ServiceFailure(
      'InvalidPrefixListID.NotFound',
      `The prefix list ID '${unknown}' does not exist`,
    );
  return {
    PrefixLists: all.filter(
      (each) =>
        (PrefixListIds.length === 0 || PrefixListIds.includes(each.PrefixListId ?? '')) &&
        Filters.every((filter) => fits(each, filter)),
    ),
  };
}

function fits(
  { OwnerId, PrefixListId, PrefixListName }: ManagedPrefixList,
  { Name = '', Values = [] }: Filter,
): boolean {
  const value = { 'owner-id': OwnerId, 'prefix-list-id': PrefixListId, 'prefix-list-name': PrefixListName }[
    Name
  ];
  if (value === undefined)
    throw new ServiceFailure('InvalidParameterValue', `The filter '${Name}' is invalid`);
  return Values.includes(value);
}
