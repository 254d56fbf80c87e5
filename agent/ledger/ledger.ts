/**
 * The ledger: memberships in a table, with a lease for the worker that works on one.
 *
 * Every write replaces the whole record under one condition: the fencing token is the one that was read. A worker that was
 * suspended until its lease ran out finds a higher token there, and its write changes nothing. A worker that takes a lease
 * over replaces only the record that it has read.
 */
import type { Clock } from '../clock.ts';
import { AdjoinError } from '../errors.ts';
import type { Renewable } from '../keep-alive.ts';
import type { LifecycleAction } from '../terms.ts';
import type { ActionRecord, ListedMembership, Membership, MembershipChange, Step } from './membership.ts';

/** The end of a lease, as it was read. */
export interface SeenLease {
  /** Milliseconds since the Unix epoch; undefined when the lease was given back. */
  readonly expiresAt: number | undefined;
}

export interface MembershipTable {
  /** Strongly consistent. */
  read(instanceId: string): Promise<Membership | undefined>;
  /**
   * Writes the record if the stored fencing token is `expected` (undefined: if there is none).
   * @param seen given when a lease is taken over: the stored lease must still end at the time that was read. Otherwise its
   * owner has written since, and that write would be lost
   * @returns false when the condition is not met
   */
  write(membership: Membership, expected: number | undefined, seen?: SeenLease): Promise<boolean>;
}

/** Memberships that were read together. */
export interface MembershipPage {
  readonly memberships: readonly ListedMembership[];
  /** Instance IDs whose record is there and can't be read, in what is listed of it: nothing may be concluded about them. */
  readonly unreadable: readonly string[];
}

/** A worker's exclusive right to a membership. It lasts `lastsMs` from each renewal or update on. */
export interface Lease extends Renewable {
  /** The record as last written under this lease. */
  readonly membership: Membership;
  /** Applies a change, and marks a step as ended now. @throws AdjoinError `lease-lost` */
  update(change: MembershipChange, step?: Step): Promise<void>;
  /** Marks a step as ended now. That is written with the next write, and is lost with the process. */
  mark(step: Step): void;
  /** @throws AdjoinError `lease-lost` */
  renew(): Promise<void>;
  /** Gives the lease back; the record stays. Never throws for a lease that is lost already. */
  release(): Promise<void>;
}

/** How a lease is asked for. */
export interface LeaseRequest {
  /** A name from `newOwner`. Asked for again under the same name, a lease whose write has lost its answer is recognised. */
  readonly owner: string;
  /** Milliseconds that the lease lasts without renewal. */
  readonly lastsMs: number;
  /**
   * The instance has no record yet, as a rule: it is written without a look. Where there is one, the write changes nothing,
   * and the record is looked at.
   */
  readonly isNew?: boolean;
  /** When the action's message was received, milliseconds since the Unix epoch. @default now */
  readonly receivedAt?: number;
}

export interface LedgerOptions {
  readonly table: MembershipTable;
  readonly clock: Clock;
  /** A name for one lease: this process and a number that is never used again. */
  readonly nextOwner: () => string;
  /** Milliseconds that a lease lasts without renewal if no other time is asked for. */
  readonly leaseMs: number;
}

export interface Ledger {
  find(instanceId: string): Promise<Membership | undefined>;
  /** A name for one lease. */
  newOwner(): string;
  /**
   * Takes the lease on the membership of the action's instance and opens the action's record.
   * @throws AdjoinError `action-owned-elsewhere` while another worker's lease lasts; its `until` is the end of that lease.
   *   `action-void` for a join without a hook that is older than the instance's last unjoin
   */
  take(action: LifecycleAction, request?: LeaseRequest): Promise<Lease>;
  /**
   * Takes the lease on a membership outside any action, and changes nothing else. An instance without a record gets one,
   * in the state `owed`, unless told otherwise: a claim comes before the removal of an account.
   * @throws AdjoinError `action-owned-elsewhere` while another worker's lease lasts
   */
  claim(instanceId: string, first?: 'owed' | 'staged'): Promise<Lease>;
}

/** Looks before a record that keeps changing hands counts as owned by another. */
const TAKE_ATTEMPTS = 3;

/**
 * The record that a join for which no hook waits starts with. Its message may be late, and nothing but the ledger knows what has
 * been done since. A member stays as it is: the join has only to see that it is one.
 * @throws AdjoinError `action-void`
 */
function openedWithoutHook(
  { instanceId, startedAt }: LifecycleAction,
  stored: Membership | undefined,
  opened: Membership,
): Membership {
  const ended = stored?.terminate?.times.received;
  if (ended !== undefined && ended >= startedAt) {
    throw new AdjoinError('action-void', `${instanceId} was taken out of the domain after that.`);
  }
  if (stored?.state !== 'member') return opened;
  return { ...stored, fencingToken: opened.fencingToken };
}

function opened(action: LifecycleAction, stored: Membership | undefined, received: number): Membership {
  if (action.transition === 'terminating') checkNotJoinedSince(action, stored);
  const record = openedByAction(action, stored, received);
  return action.source === undefined || action.transition === 'terminating'
    ? record
    : openedWithoutHook(action, stored, record);
}

/**
 * A request to unjoin is meant for the membership that was there when it was asked. Its message comes back when a worker dies before
 * the outcome is noted, and what has joined by then is another membership. Of an event EC2 shows that the instance ends for good.
 * @throws AdjoinError `action-void`
 */
function checkNotJoinedSince(
  { source, token, instanceId, startedAt }: LifecycleAction,
  stored: Membership | undefined,
): void {
  if (source !== 'request' || stored?.terminate?.actionToken === token) return;
  const joined = stored?.launch?.times.received;
  if (joined === undefined || joined <= startedAt) return;
  throw new AdjoinError(
    'action-void',
    `${instanceId} has joined since that was asked; if it is to leave, ask again.`,
  );
}

/** The record that an action starts with. The fencing token of an earlier life goes on rising. */
function openedByAction(
  action: LifecycleAction,
  stored: Membership | undefined,
  received: number,
): Membership {
  const record: ActionRecord = { actionToken: action.token, hook: action.hook, times: { received } };
  const base = {
    instanceId: action.instanceId,
    autoScalingGroup: action.source === undefined ? action.group : (stored?.autoScalingGroup ?? ''),
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
      quarantinedAt: undefined,
      quarantinedSids: undefined,
    };
  }
  if (stored?.terminate?.actionToken === action.token) return { ...stored, ...base };
  return { ...stored, ...base, state: 'leaving', terminate: record, expiresAt: undefined };
}

/** The record that follows another: what changes, and steps of the action in work that have ended; milliseconds since the Unix epoch. */
function following(
  stored: Membership,
  change: Partial<Membership>,
  steps: readonly (readonly [Step, number])[],
): Membership {
  const key = stored.terminate ? 'terminate' : 'launch';
  const record = stored[key];
  // Each of a launch's writes comes by here: one copy, and none of the steps where none has ended.
  if (!record || steps.length === 0) return { ...stored, ...change };
  const times: Partial<Record<Step, number | undefined>> = { ...record.times };
  for (const [step, time] of steps) times[step] = time;
  return { ...stored, ...change, [key]: { ...record, times } };
}

/** A class: an object with a getter of its own has a hidden class of its own, which keeps what the getter reaches in memory for long. */
class TableLease implements Lease {
  readonly name = 'lease';
  readonly lastsMs: number;
  readonly #table: MembershipTable;
  readonly #clock: Clock;
  #current: Membership;
  /** Steps that have ended and are not written yet, with their times. */
  readonly #marks = new Map<Step, number>();
  /** Whether a write is under way. */
  #isWriting = false;
  /** Writes under one lease go one after the other: the renewal and the work share the record. */
  readonly #waiting: (() => void)[] = [];

  constructor(first: Membership, lastsMs: number, table: MembershipTable, clock: Clock) {
    this.#current = first;
    this.lastsMs = lastsMs;
    this.#table = table;
    this.#clock = clock;
  }

  get membership(): Membership {
    return this.#current;
  }

  update(change: MembershipChange, step?: Step): Promise<void> {
    return this.#write(change, true, step);
  }

  mark(step: Step): void {
    this.#marks.set(step, this.#clock.now());
  }

  renew(): Promise<void> {
    return this.#write({}, true);
  }

  async release(): Promise<void> {
    try {
      await this.#write({ leaseOwner: undefined, leaseExpiresAt: undefined }, false);
    } catch (error) {
      if (!(error instanceof AdjoinError) || error.code !== 'lease-lost') throw error;
    }
  }

  /** @param step ends with this write, unless it fails */
  async #write(change: Partial<Membership>, prolongs: boolean, step?: Step): Promise<void> {
    if (this.#isWriting) await new Promise<void>((resolve) => void this.#waiting.push(resolve));
    this.#isWriting = true;
    try {
      const now = this.#clock.now();
      const marked = [...this.#marks];
      const steps = step ? [...marked, [step, now] as const] : marked;
      const whole = prolongs ? { ...change, leaseExpiresAt: now + this.lastsMs } : change;
      const membership = following(this.#current, whole, steps);
      if (!(await this.#table.write(membership, this.#current.fencingToken))) {
        throw new AdjoinError('lease-lost', `Another worker has taken over ${this.#current.instanceId}.`);
      }
      this.#current = membership;
      for (const [each, time] of marked) if (this.#marks.get(each) === time) this.#marks.delete(each);
      if ((membership.leaseExpiresAt ?? Infinity) <= this.#clock.now()) {
        throw new AdjoinError(
          'lease-lost',
          `The lease on ${membership.instanceId} ran out before its answer came.`,
        );
      }
    } finally {
      // The next one goes on in its turn; one that comes in between waits behind it.
      const next = this.#waiting.shift();
      if (next) next();
      else this.#isWriting = false;
    }
  }
}

export function createLedger(options: LedgerOptions): Ledger {
  const { table, clock, nextOwner, leaseMs } = options;

  const leaseOf = (first: Membership, lastsMs: number): Lease => new TableLease(first, lastsMs, table, clock);

  async function leaseWith(
    instanceId: string,
    open: (stored: Membership | undefined, received: number) => Membership,
    { owner, lastsMs, receivedAt, isNew = false }: LeaseRequest,
  ): Promise<Lease> {
    for (let attempt = isNew ? 0 : 1; attempt <= TAKE_ATTEMPTS; attempt += 1) {
      const stored = attempt === 0 ? undefined : await table.read(instanceId);
      const now = clock.now();
      const isLeased = (stored?.leaseExpiresAt ?? 0) > now;
      if (stored && isLeased && stored.leaseOwner === owner) {
        // Our own name there: an earlier write arrived and only its answer was lost. The lease has lasted since then.
        const lease = leaseOf(stored, lastsMs);
        await lease.renew();
        return lease;
      }
      if (isLeased) {
        throw new AdjoinError(
          'action-owned-elsewhere',
          `${instanceId} is leased to ${stored?.leaseOwner ?? 'another worker'}.`,
          { until: stored?.leaseExpiresAt },
        );
      }
      const membership: Membership = {
        ...open(stored, receivedAt ?? now),
        leaseOwner: owner,
        leaseExpiresAt: now + lastsMs,
      };
      const seen = stored && { expiresAt: stored.leaseExpiresAt };
      if (await table.write(membership, stored?.fencingToken, seen)) return leaseOf(membership, lastsMs);
    }
    throw new AdjoinError('action-owned-elsewhere', `${instanceId} keeps changing hands.`, {
      until: clock.now(),
    });
  }

  const usual = (): LeaseRequest => ({ owner: nextOwner(), lastsMs: leaseMs });

  return {
    find: (instanceId) => table.read(instanceId),
    newOwner: nextOwner,
    take: (action, request = usual()) =>
      leaseWith(action.instanceId, (stored, received) => opened(action, stored, received), request),
    claim: (instanceId, first = 'owed') =>
      leaseWith(
        instanceId,
        (stored) => ({
          ...(stored ?? { instanceId, autoScalingGroup: '', state: first }),
          fencingToken: (stored?.fencingToken ?? 0) + 1,
        }),
        usual(),
      ),
  };
}
