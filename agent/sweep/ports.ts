/** What a sweep is given to work with. */
import type { Existence } from '../aws/instances.ts';
import type { Clock } from '../clock.ts';
import type { MembershipPage } from '../aws/membership-table.ts';
import type { Holding } from '../ledger/ledger.ts';
import type { Membership } from '../ledger/membership.ts';
import type { DirectoryPort } from '../lifecycle/work.ts';
import type { Log } from '../log.ts';

/** An account under our organizational unit, with a stamp of this deployment, account and Region. */
export interface StampedAccount {
  readonly computerName: string;
  readonly objectGuid: string;
  readonly whenCreated: Date | undefined;
  /** The stamp names it. */
  readonly stamp: { readonly instanceId: string };
}

export interface SweepPorts {
  readonly directory: {
    list(signal: AbortSignal): Promise<readonly StampedAccount[]>;
    find(instanceId: string, signal: AbortSignal): Promise<readonly unknown[]>;
    /** Which of these computers (at most `LOOK_TOGETHER`) have DNS records, and no account has the name. */
    strays(computerNames: readonly string[], signal: AbortSignal): Promise<readonly string[]>;
    remove: DirectoryPort['remove'];
  };
  readonly instances: {
    /** @throws AdjoinError when it is not proven that EC2's answers are about our account and Region */
    proveAccount(signal: AbortSignal): Promise<void>;
    /** Each of these (at most `LOOK_TOGETHER`), or an error. */
    look(instanceIds: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, Existence>>;
  };
  /** Whether an Auto Scaling group counts the instance as its own. */
  readonly isInAutoScaling: (instanceId: string, signal: AbortSignal) => Promise<boolean>;
  readonly ledger: {
    pages(signal: AbortSignal): AsyncIterable<MembershipPage>;
    find(instanceId: string): Promise<Membership | undefined>;
    claim(instanceId: string): Promise<Holding>;
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
  /** Milliseconds for which the lease on a membership lasts without renewal. */
  readonly leaseMs: number;
  /** Milliseconds after which one operation of the directory is given up. */
  readonly operationMs: number;
}
