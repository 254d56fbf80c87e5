/**
 * A membership: the record of one instance in the domain.
 *
 * States, and who takes each step:
 *
 *     joining ──▶ staged ──▶ member ──▶ leaving ──▶ removed
 *        │           │                   │ │
 *        └─▶ failed ◀┴───────────────────┘ └─▶ owed ──▶ removed
 *
 * - `joining`: a launch is worked on. `stagingBegan` says that an account may exist: it is written before the account is
 *   made, and stands until the outcome is known.
 * - `staged`: the account exists, with a one-time password.
 * - `member`: the directory showed the join.
 * - `leaving`: a termination is worked on.
 * - `removed`: account and DNS records are gone.
 * - `failed`: the join failed; nothing is left in the directory. Or, with `account-unmatched`, others had joined an instance that
 *   ended, and no account was proven to be its own.
 * - `owed`: an account may be left in the directory; the sweep removes it.
 *
 * The worker that has the lease takes every step but `owed → removed`, which is the sweep's. When an instance is gone for
 * good, the sweep turns its state into `owed` before it removes anything. A new launch of the same instance ID (root-volume
 * replacement, warm pool) starts again at `joining` from any state.
 */
export type MembershipState = 'joining' | 'staged' | 'member' | 'leaving' | 'removed' | 'failed' | 'owed';

/** `give-up` ends a launch that can't join: what was staged is removed, or owed. Such a launch is not tried again. */
type LaunchStep =
  | 'received'
  | 'node'
  | 'probe'
  | 'stage'
  | 'join'
  | 'verify'
  | 'post-join'
  | 'give-up'
  | 'complete';
type TerminateStep = 'received' | 'match' | 'leave' | 'remove' | 'complete';
export type Step = LaunchStep | TerminateStep;

/** One lifecycle action, as the ledger remembers it. */
export interface ActionRecord {
  readonly actionToken: string;
  readonly hook: string;
  /** When each step ended, milliseconds since the Unix epoch. */
  readonly times: { readonly [step in Step]?: number | undefined };
}

export interface Membership {
  readonly instanceId: string;
  readonly autoScalingGroup: string;
  readonly state: MembershipState;
  /** Goes up with each change of hands. A write under an earlier lease is refused. */
  readonly fencingToken: number;
  readonly leaseOwner?: string | undefined;
  /** Milliseconds since the Unix epoch. */
  readonly leaseExpiresAt?: number | undefined;
  readonly stagingBegan?: number | undefined;
  readonly computerName?: string | undefined;
  /**
   * Names of accounts with this instance's stamp that a removal is about to delete. Once they are deleted nothing else
   * leads to their DNS records, so these are kept until those are gone, too.
   */
  readonly foundNames?: readonly string[] | undefined;
  readonly distinguishedName?: string | undefined;
  readonly objectGuid?: string | undefined;
  /**
   * Security identifiers of the instance's accounts: they own the DNS records that the computer registered, and may register
   * again after the account is gone.
   */
  readonly objectSids?: readonly string[] | undefined;
  readonly domainController?: string | undefined;
  /** `pwdLastSet` (FILETIME) as read back after staging; a join moves it on. */
  readonly stagedPasswordLastSet?: string | undefined;
  /**
   * Milliseconds since the Unix epoch: when the sweep disabled the accounts of this instance, which it took for gone, instead of
   * removing them. Nothing again once it is seen alive.
   */
  readonly quarantinedAt?: number | undefined;
  /** Security identifiers of the accounts that it disabled: another one that is disabled is so by the will of others. */
  readonly quarantinedSids?: readonly string[] | undefined;
  readonly lastError?: { readonly code: string; readonly message: string; readonly at: number } | undefined;
  readonly launch?: ActionRecord | undefined;
  readonly terminate?: ActionRecord | undefined;
  /** Seconds since the Unix epoch, for DynamoDB's time to live. Only an ended membership has it. */
  readonly expiresAt?: number | undefined;
}

/**
 * What is read of a membership where all are looked at. The rest, most of its bytes, is read with the lease, before anything is done
 * because of it.
 */
export interface ListedMembership extends Pick<
  Membership,
  | 'instanceId'
  | 'state'
  | 'fencingToken'
  | 'leaseExpiresAt'
  | 'stagingBegan'
  | 'computerName'
  | 'objectGuid'
  | 'objectSids'
  | 'quarantinedAt'
> {
  readonly launch?: ListedTimes<'received' | 'complete'> | undefined;
  readonly terminate?: ListedTimes<'received'> | undefined;
}

interface ListedTimes<Listed extends Step> {
  readonly times?: Pick<ActionRecord['times'], Listed> | undefined;
}

/** What may be changed under a lease. */
export type MembershipChange = Partial<
  Omit<Membership, 'instanceId' | 'fencingToken' | 'leaseOwner' | 'leaseExpiresAt' | 'launch' | 'terminate'>
>;

/** What an ended membership forgets: account and DNS records are gone. */
export const NOTHING_LEFT = {
  stagingBegan: undefined,
  foundNames: undefined,
  quarantinedAt: undefined,
  quarantinedSids: undefined,
} satisfies MembershipChange;

/** Days for which an ended membership stays readable. */
const KEEP_DAYS = 30;

/** `expiresAt` of a membership that ends now. @param now milliseconds since the Unix epoch */
export const expiryFrom = (now: number): number => Math.round(now / 1000) + KEEP_DAYS * 86_400;

/** What a membership that ends at this time becomes, besides its state. All in one write, because no other may follow. */
export const endedAt = (now: number): MembershipChange => ({ ...NOTHING_LEFT, expiresAt: expiryFrom(now) });

/** Whether an account may exist in the directory for this membership. */
export function mayHaveAccount(membership: Membership): boolean {
  if (membership.state === 'removed' || membership.state === 'failed') return false;
  return membership.stagingBegan !== undefined || membership.objectGuid !== undefined;
}

/** A name that a node was told to register, among the names that lead to DNS records. */
export const CHALLENGE = /^ADJOIN-[0-9A-F]{32}$/;

/** Whether others had joined the instance, and which account it has was asked and never learnt. */
export function isUnmatched({ foundNames = [], objectGuid, launch }: Membership): boolean {
  return launch === undefined && objectGuid === undefined && foundNames.some((name) => CHALLENGE.test(name));
}

/**
 * Whether this very launch was worked on and has failed: what is left to do is to answer it, or to leave it unanswered. It
 * stays so when the sweep has removed what the launch had left.
 */
export function isGivenUp(action: { readonly token: string }, membership: Membership | undefined): boolean {
  if (membership?.launch?.actionToken !== action.token || membership.terminate) return false;
  const failed = membership.state === 'failed' || membership.state === 'owed';
  return membership.launch.times['give-up'] !== undefined || (failed && membership.lastError !== undefined);
}

/** Whether this very action was worked on to its end, so that only its answer was left to give. */
export function hasVerdict(
  { token }: { readonly token: string },
  { launch, terminate }: Membership,
): boolean {
  const ends = ({ actionToken, times }: ActionRecord): boolean =>
    actionToken === token &&
    [times.verify, times['give-up'], times.remove, times.complete].some((time) => time !== undefined);
  return (launch !== undefined && ends(launch)) || (terminate !== undefined && ends(terminate));
}
