/** What a sweep keeps of a membership, and of an account, while it looks at all the others: there may be tens of thousands. */
import type { ListedMembership } from '../ledger/membership.ts';
import type { OwnAccount } from './ports.ts';

export interface KnownMembership extends Pick<
  ListedMembership,
  'instanceId' | 'state' | 'fencingToken' | 'leaseExpiresAt' | 'computerName' | 'objectGuid' | 'quarantinedAt'
> {
  /** Of an ended membership only, whose DNS records they lead to. */
  readonly objectSids: ListedMembership['objectSids'];
  /** When it last changed, milliseconds since the Unix epoch, if that is known. */
  readonly changedAt: number | undefined;
}

/** The latest of the times that are known. */
export function newest(times: readonly (number | undefined)[]): number | undefined {
  const known = times.filter((time) => time !== undefined);
  return known.length === 0 ? undefined : Math.max(...known);
}

export function knownOf(membership: ListedMembership): KnownMembership {
  const { instanceId, state, fencingToken, leaseExpiresAt, computerName } = membership;
  const { objectGuid, objectSids, quarantinedAt, stagingBegan, launch, terminate } = membership;
  return {
    instanceId,
    state,
    fencingToken,
    leaseExpiresAt,
    computerName,
    objectGuid,
    objectSids: state === 'removed' || state === 'failed' ? objectSids : undefined,
    quarantinedAt,
    changedAt: newest([
      stagingBegan,
      launch?.times?.received,
      launch?.times?.complete,
      terminate?.times?.received,
    ]),
  };
}

export interface SeenAccount extends Omit<OwnAccount, 'whenCreated'> {
  /** Milliseconds since the Unix epoch, if that is known. */
  readonly createdAt: number | undefined;
}

/** @param membership of the same instance: what both have is kept once */
export function seenOf(account: OwnAccount, membership: KnownMembership | undefined): SeenAccount {
  const { instanceId, computerName, objectGuid, whenCreated } = account;
  return {
    instanceId: membership?.instanceId ?? instanceId,
    computerName: membership?.computerName === computerName ? membership.computerName : computerName,
    objectGuid: membership?.objectGuid === objectGuid ? membership.objectGuid : objectGuid,
    createdAt: whenCreated?.getTime(),
  };
}

/** Accounts by their instances. Nearly all of these have one: a list for each would take as much memory as the account. */
export class SeenAccounts {
  readonly count: number;
  readonly #byInstance = new Map<string, SeenAccount | readonly SeenAccount[]>();

  constructor(accounts: readonly SeenAccount[]) {
    this.count = accounts.length;
    for (const account of accounts) {
      const { instanceId } = account;
      const others = this.of(instanceId);
      this.#byInstance.set(instanceId, others.length === 0 ? account : [...others, account]);
    }
  }

  of(instanceId: string): readonly SeenAccount[] {
    const known = this.#byInstance.get(instanceId) ?? [];
    return 'length' in known ? known : [known];
  }

  /** Whose they are. */
  instances(): Iterable<string> {
    return this.#byInstance.keys();
  }
}
