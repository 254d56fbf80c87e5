/**
 * The ledger: memberships in a table, with a lease for whoever works on one.
 *
 * Every write replaces the whole record under one condition: the fencing token is the one that was read. A worker that
 * slept through its lease finds a higher token there, and its write changes nothing. Who takes over replaces only what it
 * has read.
 */
import type { Clock } from '../clock.ts';
import { AdjoinError } from '../errors.ts';
import type { LifecycleAction } from '../lifecycle/action.ts';
import type { ActionRecord, Membership, MembershipChange, Step } from './membership.ts';

export interface Lease {
  /** Milliseconds since the Unix epoch; undefined when it was given back. */
  readonly expiresAt: number | undefined;
}

export interface MembershipTable {
  /** Strongly consistent. */
  read(instanceId: string): Promise<Membership | undefined>;
  /**
   * Writes the record if the stored fencing token is `expected` (undefined: if there is none).
   * @param lease given by who takes over: the lease must still end at the time that was read, too. Otherwise its holder
   * has written since, and what it wrote would be lost
   * @returns false when it is another one.
   */
  write(membership: Membership, expected: number | undefined, lease?: Lease): Promise<boolean>;
}

export interface Holding {
  /** The record as last written by this holder. */
  readonly membership: Membership;
  /** Applies a change, and marks a step as ended now. @throws AdjoinError `lease-lost` */
  update(change: MembershipChange, step?: Step): Promise<void>;
  /** @throws AdjoinError `lease-lost` */
  renew(): Promise<void>;
  /** Gives the lease back; the record stays. Never throws for a lease that is lost already. */
  release(): Promise<void>;
}

export interface LedgerOptions {
  readonly table: MembershipTable;
  readonly clock: Clock;
  /** A name for one holding: this process and a number that never comes again. */
  readonly nextOwner: () => string;
  /** Milliseconds for which a lease holds without renewal. */
  readonly leaseMs: number;
}

export interface Ledger {
  find(instanceId: string): Promise<Membership | undefined>;
  /**
   * Takes the lease on the instance of an action and opens the action's record.
   * @throws AdjoinError `action-owned-elsewhere` while another holder's lease lasts
   */
  take(action: LifecycleAction): Promise<Holding>;
  /**
   * Takes the lease on an instance outside any action, and changes nothing else. An instance without a record gets one,
   * in the state `owed`: who claims it is about to remove an account.
   * @throws AdjoinError `action-owned-elsewhere` while another holder's lease lasts
   */
  claim(instanceId: string): Promise<Holding>;
}

/** Looks before a record that keeps changing hands counts as owned by another. */
const TAKE_ATTEMPTS = 3;

/** What a new launch starts from: nothing of an earlier life but the token that must go on rising. */
function opened(action: LifecycleAction, stored: Membership | undefined, now: number): Membership {
  const record: ActionRecord = { actionToken: action.token, hook: action.hook, times: { received: now } };
  const base = {
    instanceId: action.instanceId,
    autoScalingGroup: action.group,
    fencingToken: (stored?.fencingToken ?? 0) + 1,
  };
  if (action.transition === 'launching') {
    if (stored?.launch?.actionToken === action.token) return { ...stored, ...base };
    // An earlier account may still be there: what is known of it stays until the directory says otherwise.
    return {
      ...stored,
      ...base,
      state: 'joining',
      launch: record,
      terminate: undefined,
      lastError: undefined,
      expiresAt: undefined,
    };
  }
  if (stored?.terminate?.actionToken === action.token) return { ...stored, ...base };
  return { ...stored, ...base, state: 'leaving', terminate: record, expiresAt: undefined };
}

export function createLedger(options: LedgerOptions): Ledger {
  const { table, clock, nextOwner, leaseMs } = options;

  function hold(first: Membership): Holding {
    let current = first;
    /** Writes of one holder go one after the other: the renewal and the work share the record. */
    let queue: Promise<void> = Promise.resolve();

    async function write(change: (membership: Membership) => Membership): Promise<void> {
      const before = queue;
      const { promise, resolve: done } = Promise.withResolvers<void>();
      queue = promise;
      await before;
      try {
        const membership = change(current);
        if (!(await table.write(membership, current.fencingToken))) {
          throw new AdjoinError('lease-lost', `Another worker has taken over ${current.instanceId}.`);
        }
        current = membership;
        if ((membership.leaseExpiresAt ?? Infinity) <= clock.now()) {
          throw new AdjoinError(
            'lease-lost',
            `The lease on ${current.instanceId} ran out before its answer came.`,
          );
        }
      } finally {
        done();
      }
    }

    const leased = (membership: Membership): Membership => ({
      ...membership,
      leaseExpiresAt: clock.now() + leaseMs,
    });

    function withStep(membership: Membership, step: Step | undefined): Membership {
      if (!step) return membership;
      const key = membership.terminate ? 'terminate' : 'launch';
      const record = membership[key];
      if (!record) return membership;
      return { ...membership, [key]: { ...record, times: { ...record.times, [step]: clock.now() } } };
    }

    return {
      get membership() {
        return current;
      },
      update: (change, step) => write((membership) => withStep(leased({ ...membership, ...change }), step)),
      renew: () => write(leased),
      async release() {
        try {
          await write((membership) => ({ ...membership, leaseOwner: undefined, leaseExpiresAt: undefined }));
        } catch (error) {
          if (!(error instanceof AdjoinError) || error.code !== 'lease-lost') throw error;
        }
      },
    };
  }

  async function lease(
    instanceId: string,
    open: (stored: Membership | undefined, now: number) => Membership,
  ): Promise<Holding> {
    const owner = nextOwner();
    for (let attempt = 1; attempt <= TAKE_ATTEMPTS; attempt += 1) {
      const stored = await table.read(instanceId);
      const now = clock.now();
      // Our own name there: the last write arrived and only its answer was lost.
      if (stored?.leaseOwner === owner) return hold(stored);
      if ((stored?.leaseExpiresAt ?? 0) > now) {
        throw new AdjoinError(
          'action-owned-elsewhere',
          `${instanceId} is held by ${stored?.leaseOwner ?? 'another worker'}.`,
        );
      }
      const membership: Membership = {
        ...open(stored, now),
        leaseOwner: owner,
        leaseExpiresAt: now + leaseMs,
      };
      const seen = stored && { expiresAt: stored.leaseExpiresAt };
      if (await table.write(membership, stored?.fencingToken, seen)) return hold(membership);
    }
    throw new AdjoinError('action-owned-elsewhere', `${instanceId} keeps changing hands.`);
  }

  return {
    find: (instanceId) => table.read(instanceId),
    take: (action) => lease(action.instanceId, (stored, now) => opened(action, stored, now)),
    claim: (instanceId) =>
      lease(instanceId, (stored) => ({
        ...(stored ?? { instanceId, autoScalingGroup: '', state: 'owed' }),
        fencingToken: (stored?.fencingToken ?? 0) + 1,
      })),
  };
}
