/**
 * Terminology, and the types that several rooms share.
 *
 * Lifecycle
 * - **lifecycle hook**: what makes Auto Scaling wait before it puts an instance into service, or ends it.
 * - **lifecycle action**: one such wait, of one instance. Its **token** names it; a **heartbeat** prolongs it; the answer
 *   `CONTINUE` or `ABANDON` completes it. An action is **void** when Auto Scaling no longer waits for it.
 * - **inquiry**: an operator's question to a worker, which looks and writes down what it found. A **finding** is what one
 *   check found.
 * - **delivery**: one received SQS message: when it was received, and how to hide it or remove it.
 * - **handler**: takes a delivery from parsing to removal. To **dispose** of a message is to decide, after an error, what
 *   becomes of it. The **ending** says how the work on a delivery ended.
 * - **standalone instance**: one outside Auto Scaling groups. No hook waits for its joins and unjoins.
 * - **held**: a launch that failed in a group whose policy is `HOLD`; it gets no answer, and the hook's time-out decides.
 * - **breaker**: lets launches of a group that keeps failing be tried one at a time.
 * - **slot**: what an action needs to be worked on. One that only waits has none.
 * - **keep-alive**: the loop that renews message visibility, heartbeat and lease, and the signal that aborts the work when
 *   one of them is lost.
 *
 * Ledger
 * - **membership**: the record of one instance in the domain. The **ledger** is the table of memberships.
 * - **lease**: a worker's exclusive right to a membership, for a limited time. Its **fencing token** rises with each new
 *   lease, so a write under an earlier lease is refused.
 * - **owed**: a removal that is not done yet, and that the sweep still has to do.
 *
 * Directory
 * - **computer account**: what a computer is in Active Directory. The **stamp** is the attribute that marks an account as
 *   one of this deployment's.
 * - **stage**: create the computer account ahead of the join, with a **one-time password**. The join replaces it.
 * - **join**: the node becomes a member of the domain. **leave**: the node gives the membership up by itself.
 *   **unjoin**: the whole way out: leave, then remove the account and its DNS records.
 * - **service account**: the account that the agent logs on to the directory with.
 *
 * Nodes
 * - **managed node**: an instance that Systems Manager can run commands on. An **invocation** is one command on one node.
 *
 * Sweep
 * - **orphan**: a computer account that no living instance owns. The **sweep** finds and removes orphans, and does what is
 *   owed.
 */

export type Transition = 'launching' | 'terminating';

export interface LifecycleAction {
  /**
   * What asks for it, where that is no lifecycle hook: an `event` of an instance outside Auto Scaling groups, or an operator's
   * `request`. Auto Scaling does not wait for such an action, and it has neither hook nor group.
   */
  readonly source?: 'event' | 'request';
  /** Names this action and no other; Auto Scaling makes a new one each time. Also the correlation ID of all that follows. */
  readonly token: string;
  readonly hook: string;
  readonly group: string;
  readonly instanceId: string;
  readonly transition: Transition;
  /** Where the instance comes from and goes to: `EC2`, `AutoScalingGroup`, `WarmPool`, or a place that AWS adds. */
  readonly origin: string;
  readonly destination: string;
  /** When the action began, milliseconds since the Unix epoch. The hook's global deadline counts from here. */
  readonly startedAt: number;
}

/** The answer to a lifecycle action. */
export type LifecycleResult = 'CONTINUE' | 'ABANDON';

/** An instance, as EC2 shows it. */
export interface Ec2Instance {
  /** As EC2 names it: `pending`, `running`, `stopping`, `stopped`, `shutting-down`, `terminated`. */
  readonly state: string;
  readonly tags: ReadonlyMap<string, string>;
}

/** How the work on a delivery ends. */
export const endings = [
  'joined',
  'abandoned',
  /** A failed launch that is not answered. */
  'held',
  'unjoined',
  /** A termination that was answered although the removal is still owed. */
  'owed',
  /** The instance stays the member that it was: a termination into a warm pool, or an instance that runs again. */
  'kept',
  'void',
  'not-opted-in',
  'test-notification',
  /** An operator's question, with no action to it. */
  'answered',
  'malformed',
  'handed-back',
  /** The message stays in the queue, and comes back by itself. */
  'failed',
] as const;
export type Ending = (typeof endings)[number];

/** What Auto Scaling shows of an instance. */
export interface InstanceState {
  readonly group: string;
  /** As Auto Scaling names it: `Pending:Wait`, `InService`, `Terminating:Wait` … */
  readonly lifecycleState: string;
}

/**
 * What EC2 says of an instance. It forgets a terminated one after about an hour, and does not know one at once that was just
 * launched: `unknown` says that an instance is gone only of one that is old enough.
 */
export type Existence = 'living' | 'terminated' | 'unknown';

/** An account that waits for its computer to join. */
export interface StagedAccount {
  readonly computerName: string;
  readonly distinguishedName: string;
  /** In its canonical form, `01234567-89ab-cdef-0123-456789abcdef`. */
  readonly objectGuid: string;
  /** Its security identifier, `S-1-5-21-…`: the owner of the DNS records that the computer registers. */
  readonly objectSid: string;
  /** Host name of the domain controller that took the write; the join must use the same one. */
  readonly domainController: string;
  /** `pwdLastSet` as that controller shows it after staging: a FILETIME, 100 ns since 1601. It moves with the join. */
  readonly passwordLastSet: bigint;
}

/** An account, or the DNS records of its name, that a removal is about to write to. */
export interface FoundAccount {
  /** In capitals. */
  readonly computerName: string;
  /** Nothing for DNS records. */
  readonly objectSid?: string | undefined;
}

/** Which account is about to be written, and where. */
export interface StagingWrite {
  readonly computerName: string;
  /** Host name. */
  readonly domainController: string;
}

/** What the ledger knows of an earlier staging, even if that did not come to its end. */
export interface EarlierStaging {
  readonly computerName?: string | undefined;
  /** Host name of the domain controller that the write went to. */
  readonly domainController?: string | undefined;
  /** Of the account that was staged. */
  readonly objectGuid?: string | undefined;
  /** Security identifiers of the instance's accounts. */
  readonly objectSids?: readonly string[] | undefined;
}

/** The last staging of an instance, whether or not it came to its end. */
export interface LastStaging {
  readonly computerName: string;
  /** At the latest, milliseconds since the Unix epoch. */
  readonly at: number;
}

/** What the ledger knows of accounts that nobody else can have: these are the instance's, wherever they are. */
export interface KnownAccounts {
  /** Of the account that was staged. */
  readonly objectGuid?: string | undefined;
  /** Security identifiers of all the instance's accounts. DNS records that one of them owns are the instance's, too. */
  readonly objectSids?: readonly string[];
}

/** Whether accounts may be used: all of an instance's are disabled, and only those that adjoin disabled are enabled again. */
export type Enabling =
  | { readonly enabled: false }
  | { readonly enabled: true; readonly objectSids: readonly string[] };

/** What the ledger knows of the accounts of an instance that are to be removed. */
export interface RememberedAccounts extends KnownAccounts {
  /** Names that they may have had; those that no account of this instance could have had are ignored. */
  readonly names: readonly string[];
  /** Names that were told right before a delete, in this removal or in an earlier one that did not come to its end. */
  readonly foundNames?: readonly string[];
  /** Host name of the domain controller that took the staging write: it shows the account even if no other does yet. */
  readonly domainController?: string | undefined;
  /** The staging whose account may still exist. Nothing when no account can. */
  readonly staged?: LastStaging | undefined;
  /**
   * objectGuid of an account to spare: all others of this instance go. When it is not shown, nothing is deleted, and the
   * removal is refused.
   */
  readonly keep?: string | undefined;
}

/** What a removal has deleted. */
export interface Removal {
  /** Names of the computer accounts that were deleted. */
  readonly accounts: readonly string[];
  /** Fully qualified names whose DNS records were deleted. */
  readonly dnsRecords: readonly string[];
  /** Fully qualified names of the instance's accounts with DNS records that somebody else owns: these stay. */
  readonly othersRecords: readonly string[];
  /** Host name of the domain controller that took the deletes; the others follow when they replicate. */
  readonly domainController: string;
}

/** The service account, as one version of the secret gives it. */
export interface ServiceCredential {
  readonly versionId: string;
  readonly domain: string;
  /** `user`, `user@domain` or `DOMAIN\user`. */
  readonly user: string;
  readonly password: string;
  readonly organizationalUnit: string;
}
