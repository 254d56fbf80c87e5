/** What a sweep keeps of a membership while it looks at all the others: a ledger may have hundreds of thousands. */
import type { Membership } from '../ledger/membership.ts';

export interface KnownMembership extends Pick<
  Membership,
  | 'instanceId'
  | 'state'
  | 'fencingToken'
  | 'leaseExpiresAt'
  | 'computerName'
  | 'objectGuid'
  | 'objectSids'
  | 'quarantinedAt'
> {
  /** When it last changed, milliseconds since the Unix epoch, if that is known. */
  readonly changedAt: number | undefined;
}

/** The latest of the times that are known. */
export function newest(times: readonly (number | undefined)[]): number | undefined {
  const known = times.filter((time) => time !== undefined);
  return known.length === 0 ? undefined : Math.max(...known);
}

export function knownOf(membership: Membership): KnownMembership {
  const { instanceId, state, fencingToken, leaseExpiresAt, computerName } = membership;
  const { objectGuid, objectSids, quarantinedAt, stagingBegan, launch, terminate } = membership;
  return {
    instanceId,
    state,
    fencingToken,
    leaseExpiresAt,
    computerName,
    objectGuid,
    objectSids,
    quarantinedAt,
    changedAt: newest([
      stagingBegan,
      launch?.times.received,
      launch?.times.complete,
      terminate?.times.received,
    ]),
  };
}
