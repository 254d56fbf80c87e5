/** What a sweep is given to work with. */
import type { Clock } from '../clock.ts';
import type { Directory } from '../directory/directory.ts';
import type { Ledger, MembershipPage } from '../ledger/ledger.ts';
import type { Log } from '../log.ts';
import type { Existence, KnownAccounts } from '../terms.ts';

/** An account of this deployment in our organizational unit. */
export interface OwnAccount {
  readonly computerName: string;
  readonly objectGuid: string;
  readonly whenCreated: Date | undefined;
  /** The instance that it belongs to. */
  readonly instanceId: string;
}

/** What EC2 says about whether instances exist. "Not there" must be proof before anything is destroyed because of it. */
export interface InstancesPort {
  /**
   * Proves that the credentials are this account's, in this Region.
   * @throws AdjoinError `account-unproven`, `aws-*`
   */
  proveAccount(signal: AbortSignal): Promise<void>;
  /**
   * Whether each of these instances (at most `LOOK_TOGETHER`) exists. Rejects rather than leave one out.
   * @throws AdjoinError `account-unproven`, `aws-*`
   */
  look(instanceIds: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, Existence>>;
}

export interface SweepPorts {
  readonly directory: Pick<Directory, 'remove' | 'setEnabled'> & {
    /** @param of what is kept of each; may be called again for all of them */
    list<Kept>(signal: AbortSignal, of: (account: OwnAccount) => Kept): Promise<readonly Kept[]>;
    find(instanceId: string, signal: AbortSignal): Promise<readonly unknown[]>;
    /** All accounts of an instance in the whole domain. */
    locate(
      instanceId: string,
      known: KnownAccounts,
      signal: AbortSignal,
    ): Promise<readonly { readonly distinguishedName: string; readonly isInUnit: boolean }[]>;
    /** Which of these computers (at most `LOOK_TOGETHER`) have DNS records of their own, and no account has the name. */
    strays(
      computers: readonly { readonly computerName: string; readonly objectSids: readonly string[] }[],
      signal: AbortSignal,
    ): Promise<readonly string[]>;
  };
  readonly instances: InstancesPort;
  /** Whether an Auto Scaling group counts the instance as its own. */
  readonly isInAutoScaling: (instanceId: string, signal: AbortSignal) => Promise<boolean>;
  readonly ledger: Pick<Ledger, 'find' | 'claim'> & {
    /**
     * All memberships that have not ended, or ended since then (milliseconds since the Unix epoch), page by page, each as it stood
     * about when its page was read.
     * @throws AdjoinError `aws-*`
     */
    pages(endedSince: number, signal: AbortSignal): AsyncIterable<MembershipPage>;
  };
  readonly clock: Clock;
  readonly log: Log;
}

/** Instances in one question to EC2: a filter takes 200 values; with fewer, one bad answer leaves fewer undecided. */
export const LOOK_TOGETHER = 100;

export interface SweepLimits {
  /** Milliseconds that an account, or a membership, must be old before "not there" counts against it. */
  readonly ageGuardMs: number;
  /** Removals in one run. */
  readonly maximumRemovals: number;
  /** Milliseconds for which accounts are disabled before they are removed; 0 for none. */
  readonly quarantineMs: number;
  /** Share of the members in the ledger, from 0 to 1, that may be missing at once. */
  readonly largestLoss: number;
  /** Milliseconds after which one operation of the directory is given up. */
  readonly operationMs: number;
}
