/**
 * The sweep: what the hooks missed. Hooks are bypassed by a direct TerminateInstances, a hard reclaim, a detached
 * instance, an outage longer than the hook; and a removal that was not done in time is owed.
 *
 *     ledger read ─▶ what is owed removed ─▶ accounts and stray DNS records listed ─▶ instances looked up ─▶ orphans removed,
 *     entries reconciled
 *
 * An account is removed only when all of this is true: its stamp is ours to the letter; it is older than the age guard;
 * EC2, asked in the right account, says in a complete answer that its instance is terminated or unknown; no Auto Scaling
 * group counts the instance; no worker has a lease on its membership, and the membership is as it was when this was
 * judged; the run's cap is not reached. What the ledger says is owed needs none of these proofs but the lease. A living
 * member keeps the account that it joined as; its other accounts are removed when they are old enough and no worker has a
 * lease on its membership.
 */
import { AdjoinError, asAdjoinError, type ErrorCode } from '../errors.ts';
import type { Membership } from '../ledger/membership.ts';
import { knownOf, newest, SeenAccounts, seenOf, type KnownMembership, type SeenAccount } from './known.ts';
import { pay, type Debt } from './pay.ts';
import { LOOK_TOGETHER, type SweepLimits, type SweepPorts } from './ports.ts';
import type { Finding, FindingKind, KeptReason, Outcome, SweepError, SweepReport } from './report.ts';
import { setAside, takeBack } from './quarantine.ts';
import { isShrunk, SAMPLE, shrunk } from './shrinkage.ts';
import type { Existence } from '../terms.ts';

/** Errors that are about one account or one membership. After any other error the next one would fail as well. */
const CODES_OF_ONE: ReadonlySet<ErrorCode> = new Set([
  'account-out-of-reach',
  'account-protected',
  'action-owned-elsewhere',
  'directory-denied',
  'directory-refused',
  'lease-lost',
  'message-malformed',
  'removal-unproven',
  'unexpected',
]);

interface Candidate {
  readonly instanceId: string;
  readonly accounts: readonly SeenAccount[];
  readonly membership: KnownMembership | undefined;
}

/** What the sweep removes is old enough, so that an instance which EC2 does not know is one that it has forgotten. */
const isGone = (existence: Existence | undefined): boolean =>
  existence === 'terminated' || existence === 'unknown';

/** What EC2 and Auto Scaling say. Nearly all instances live, so only the others are kept. */
interface Seen {
  readonly gone: Map<string, Existence>;
  /** A bad answer says nothing of them. */
  readonly undecided: Set<string>;
  readonly inAutoScaling: Set<string>;
}

export interface SweepOptions extends SweepLimits {
  readonly dryRun: boolean;
}

/** States in which an instance that is gone would leave something to do. */
const UNENDED_STATES: ReadonlySet<Membership['state']> = new Set(['joining', 'staged', 'member', 'leaving']);

/**
 * Milliseconds for which the DNS records of an ended membership are looked for. A machine registers itself, and may do so
 * between its account's removal and its own end; a record made on one controller shows on another when they replicate.
 * After a day both are over.
 */
const STRAY_MS = 24 * 3_600_000;

type Done = Exclude<Outcome, { readonly result: 'kept' }>;

const kept = (reason: KeptReason): Outcome => ({ result: 'kept', reason });

/** When the candidate last changed, if that is known; one account without a time makes it unknown. */
function changedAt({ accounts, membership }: Candidate): number | undefined {
  if (accounts.some((account) => account.createdAt === undefined)) return undefined;
  return newest([...accounts.map((account) => account.createdAt), membership?.changedAt]);
}

function namesOf({ accounts, membership }: Candidate): string[] {
  const names = accounts.map((account) => account.computerName);
  return membership?.computerName === undefined ? names : [...new Set([...names, membership.computerName])];
}

/**
 * Runs one sweep. Whatever goes wrong is in the report.
 * @param signal ends the run between two steps and within one; what was begun is `owed` by then
 */
export async function sweep(
  ports: SweepPorts,
  options: SweepOptions,
  signal: AbortSignal,
): Promise<SweepReport> {
  const { clock, directory, instances, ledger, log } = ports;
  const { ageGuardMs, dryRun, largestLoss, maximumRemovals, quarantineMs } = options;
  const findings: Finding[] = [];
  const errors: SweepError[] = [];
  /** All but those that ended longer ago than `endedSince`. */
  const memberships = new Map<string, KnownMembership>();
  const endedSince = clock.now() - STRAY_MS - ageGuardMs;
  const unreadable = new Set<string>();
  let accounts = new SeenAccounts([]);
  let removals = 0;

  function find(kind: FindingKind, candidate: Candidate, outcome: Outcome): void {
    const { instanceId } = candidate;
    const computerName = namesOf(candidate)[0];
    findings.push({ kind, instanceId, computerName, since: changedAt(candidate), outcome });
  }

  /**
   * Removes what the candidate leaves, or says why not.
   * @param keep objectGuid of the account that it keeps
   * @throws an error that the next candidate would meet, too
   */
  function settle(kind: FindingKind, candidate: Candidate, keep?: string): Promise<void> {
    return change(kind, candidate, { would: 'would-remove', done: 'removed' }, (debt) =>
      pay({ ...debt, keep }, ports, options.operationMs, signal),
    );
  }

  /** Changes something for the candidate, or says why not. @throws an error that the next candidate would meet, too */
  async function change(
    kind: FindingKind,
    candidate: Candidate,
    { would, done }: { would: Done['result']; done: Done['result'] },
    work: (debt: Debt) => Promise<void>,
  ): Promise<void> {
    const { instanceId, membership } = candidate;
    if (signal.aborted) return find(kind, candidate, kept('stopped'));
    if ((membership?.leaseExpiresAt ?? 0) > clock.now()) return find(kind, candidate, kept('in-work'));
    if (removals >= maximumRemovals) return find(kind, candidate, kept('cap'));
    if (dryRun) {
      removals += 1;
      return find(kind, candidate, { result: would });
    }
    try {
      await work({ instanceId, fencingToken: membership?.fencingToken, names: namesOf(candidate) });
      removals += 1;
      return find(kind, candidate, { result: done });
    } catch (error) {
      if (signal.aborted) return find(kind, candidate, kept('stopped'));
      const known = asAdjoinError(error);
      if (known.code === 'action-owned-elsewhere' || known.code === 'lease-lost') {
        return find(kind, candidate, kept('in-work'));
      }
      if (known.code === 'dns-record-denied') {
        log.warn('DNS record not removed by the sweep', { instanceId, error: known });
        return find(kind, candidate, kept('denied'));
      }
      find(kind, candidate, kept('failed'));
      if (!CODES_OF_ONE.has(known.code)) throw known;
      errors.push({ instanceId, error: known });
      log.warn('account not removed by the sweep', { instanceId, error: known });
    }
  }

  async function readLedger(): Promise<void> {
    for await (const page of ledger.pages(endedSince, signal)) {
      for (const membership of page.memberships) memberships.set(membership.instanceId, knownOf(membership));
      for (const instanceId of page.unreadable) {
        const error = new AdjoinError('unexpected', `The ledger's record of ${instanceId} can't be read.`);
        unreadable.add(instanceId);
        errors.push({ instanceId, error });
      }
    }
  }

  /**
   * The whole record of an instance. One that can't be read is in the report, and proves nothing.
   * @throws an error that the next candidate would meet, too
   */
  async function recordOf(instanceId: string): Promise<Membership | undefined | 'unreadable'> {
    try {
      return await ledger.find(instanceId);
    } catch (error) {
      const known = asAdjoinError(error);
      if (!CODES_OF_ONE.has(known.code)) throw known;
      errors.push({ instanceId, error: known });
      return 'unreadable';
    }
  }

  async function payDebts(): Promise<void> {
    for (const membership of memberships.values()) {
      if (membership.state !== 'owed') continue;
      await settle('debt', { instanceId: membership.instanceId, accounts: [], membership });
    }
  }

  /** Ended memberships whose computers have DNS records again: their instance IDs. */
  async function withStrays(): Promise<string[]> {
    const byName = new Map<string, string>();
    const ended: { computerName: string; objectSids: readonly string[] }[] = [];
    for (const membership of memberships.values()) {
      const { instanceId, state, computerName, objectSids = [] } = membership;
      if ((state !== 'removed' && state !== 'failed') || computerName === undefined) continue;
      if (membership.changedAt === undefined || membership.changedAt < endedSince) continue;
      byName.set(computerName.toUpperCase(), instanceId);
      ended.push({ computerName: computerName.toUpperCase(), objectSids });
    }
    const found: string[] = [];
    try {
      for (let at = 0; at < ended.length; at += LOOK_TOGETHER) {
        found.push(...(await directory.strays(ended.slice(at, at + LOOK_TOGETHER), signal)));
      }
    } catch (error) {
      signal.throwIfAborted();
      const known = asAdjoinError(error);
      if (!CODES_OF_ONE.has(known.code)) throw known;
      // When this account may not read a zone, the orphans are removed all the same.
      errors.push({ error: known });
      log.warn('stray DNS records not looked for', { error: known });
    }
    return found.flatMap((name) => byName.get(name) ?? []);
  }

  const candidateOf = (instanceId: string): Candidate => ({
    instanceId,
    accounts: accounts.of(instanceId),
    membership: memberships.get(instanceId),
  });

  /**
   * Every instance that has an account, a membership that has not ended, or stray records; what is owed is removed already.
   */
  function wanted(strays: readonly string[]): string[] {
    const hasNone = (instanceId: string): boolean => accounts.of(instanceId).length === 0;
    /** In a set of its own: of those with an account, there are tens of thousands. */
    const without = new Set(strays.filter(hasNone));
    for (const { instanceId, state } of memberships.values())
      if (UNENDED_STATES.has(state) && hasNone(instanceId)) without.add(instanceId);
    return [...accounts.instances(), ...without].filter(
      (instanceId) => memberships.get(instanceId)?.state !== 'owed',
    );
  }

  const isYoung = (candidate: Candidate): boolean => {
    const changed = changedAt(candidate);
    return changed === undefined || clock.now() - changed < ageGuardMs;
  };

  /**
   * A domain controller that failed during a join, and seemed to have no account yet, brings one back when it returns. The
   * account that the member joined as is the one that the ledger knows and the directory shows.
   */
  async function judgeTwins(candidate: Candidate): Promise<void> {
    const { accounts, membership } = candidate;
    const joined = accounts.find((account) => account.objectGuid === membership?.objectGuid);
    if (joined === undefined || membership?.state !== 'member') return;
    if (isYoung(candidate)) return find('twin', candidate, kept('too-young'));
    return settle('twin', candidate, joined.objectGuid);
  }

  async function judgeLiving(candidate: Candidate): Promise<void> {
    const { instanceId, accounts, membership } = candidate;
    if (membership?.quarantinedAt !== undefined) {
      const ends = { would: 'restored', done: 'restored' } as const;
      return change(kindOf(candidate), candidate, ends, (debt) => takeBack(debt, ports, signal));
    }
    if (accounts.length > 1) return judgeTwins(candidate);
    if (accounts.length > 0 || membership?.state !== 'member' || isYoung(candidate)) return;
    // The directory first: an unjoin changes the ledger's `member` before it touches the account.
    const found = await directory.find(instanceId, signal);
    if (found.length > 0) return;
    const before = await recordOf(instanceId);
    if (before === 'unreadable') return;
    const located = await locate(instanceId, before);
    if (located.some(({ isInUnit }) => isInUnit)) return;
    const now = await recordOf(instanceId);
    if (now === 'unreadable') return;
    if (now?.state !== 'member' || now.fencingToken !== membership.fencingToken) return;
    const name = membership.computerName ?? 'its account';
    const [moved] = located;
    if (moved) {
      const place = `${instanceId} lives, and its account is ${moved.distinguishedName} now.`;
      log.warn('member with an account elsewhere', {
        instanceId,
        error: new AdjoinError('account-moved', place),
      });
      return find('moved', candidate, { result: 'reported' });
    }
    const error = new AdjoinError(
      'account-vanished',
      `${instanceId} lives, but ${name} is gone from the directory.`,
    );
    log.warn('member without an account', { instanceId, error });
    find('vanished', candidate, { result: 'reported' });
  }

  /** @param membership what leads to the accounts: of so many, it is not kept */
  function locate(instanceId: string, membership: Membership | undefined) {
    const { objectGuid, objectSids = [] } = membership ?? {};
    return directory.locate(instanceId, { objectGuid, objectSids }, signal);
  }

  async function judgeGone(found: Candidate, isInAutoScaling: boolean): Promise<void> {
    let candidate = found;
    const kind = kindOf(candidate);
    if (found.membership === undefined) {
      // It is none of those that were read: it may have ended long ago.
      const record = await recordOf(found.instanceId);
      if (record === 'unreadable') return find(kind, found, kept('unproven'));
      if (record !== undefined) candidate = { ...found, membership: knownOf(record) };
    }
    if (isYoung(candidate)) return find(kind, candidate, kept('too-young'));
    if (isInAutoScaling) return find(kind, candidate, kept('in-auto-scaling'));
    if (quarantineMs === 0 || kind === 'record') return settle(kind, candidate);
    const since = candidate.membership?.quarantinedAt;
    if (since === undefined) {
      const ends = { would: 'would-quarantine', done: 'quarantined' } as const;
      return change(kind, candidate, ends, (debt) => setAside(debt, ports, signal));
    }
    return clock.now() - since < quarantineMs
      ? find(kind, candidate, kept('quarantine'))
      : settle(kind, candidate);
  }

  /** What EC2 and Auto Scaling say of these; one bad answer leaves all of them undecided. */
  async function look(instanceIds: readonly string[], seen: Seen): Promise<void> {
    try {
      const existence = await instances.look(instanceIds, signal);
      const gone = instanceIds.filter((instanceId) => isGone(existence.get(instanceId)));
      // Asked all at once: such lookups share a call.
      const counted = await Promise.all(gone.map((instanceId) => ports.isInAutoScaling(instanceId, signal)));
      for (const [index, instanceId] of gone.entries())
        if (counted[index]) seen.inAutoScaling.add(instanceId);
      for (const instanceId of instanceIds) {
        const state = existence.get(instanceId);
        if (state === undefined) seen.undecided.add(instanceId);
        else if (state !== 'living') seen.gone.set(instanceId, state);
      }
    } catch (error) {
      signal.throwIfAborted();
      for (const instanceId of instanceIds) seen.undecided.add(instanceId);
      errors.push({ error: asAdjoinError(error) });
    }
  }

  /** Whether so many members are gone from EC2 that nothing may be removed because of it. */
  function isFleetShrunk(all: readonly string[], { gone, undecided, inAutoScaling }: Seen): boolean {
    let members = 0;
    let lost = 0;
    for (const instanceId of all) {
      if (memberships.get(instanceId)?.state !== 'member' || undecided.has(instanceId)) continue;
      members += 1;
      if (!gone.has(instanceId) || inAutoScaling.has(instanceId)) continue;
      if (!isYoung(candidateOf(instanceId))) lost += 1;
    }
    if (!isShrunk(members, lost, largestLoss)) return false;
    halt(shrunk('EC2', members, lost));
    return true;
  }

  function halt(error: AdjoinError): void {
    errors.push({ error });
    log.error('sweep halted', { error });
  }

  async function judge(candidate: Candidate, seen: Seen, isHalted: boolean): Promise<void> {
    const { instanceId } = candidate;
    if (unreadable.has(instanceId) || seen.undecided.has(instanceId))
      return find(kindOf(candidate), candidate, kept('unproven'));
    if (!seen.gone.has(instanceId)) return judgeLiving(candidate);
    if (isHalted) return find(kindOf(candidate), candidate, kept('shrunk'));
    return judgeGone(candidate, seen.inAutoScaling.has(instanceId));
  }

  /**
   * Whether the directory shows so few of the members' accounts that "not there" means nothing. Accounts that were only moved, all
   * at once after a change of the unit, are found one by one.
   */
  async function isDirectoryShrunk(): Promise<boolean> {
    let members = 0;
    const missing: string[] = [];
    for (const { instanceId, state } of memberships.values()) {
      if (state !== 'member') continue;
      members += 1;
      if (accounts.of(instanceId).length === 0) missing.push(instanceId);
    }
    if (!isShrunk(members, missing.length, largestLoss)) return false;
    for (const instanceId of missing.slice(0, SAMPLE)) {
      const record = await recordOf(instanceId);
      if (record === 'unreadable') continue;
      const located = await locate(instanceId, record);
      if (located.length > 0) return false;
    }
    halt(shrunk('The directory', members, missing.length));
    return true;
  }

  /** @returns instance IDs */
  async function findCandidates(): Promise<string[]> {
    accounts = new SeenAccounts(
      await directory.list(signal, (account) => seenOf(account, memberships.get(account.instanceId))),
    );
    if (await isDirectoryShrunk()) return [];
    await payDebts();
    signal.throwIfAborted();
    return wanted(await withStrays());
  }

  async function run(): Promise<void> {
    await readLedger();
    const all = await findCandidates();
    if (all.length === 0) return;
    await instances.proveAccount(signal);
    const seen: Seen = { gone: new Map(), undecided: new Set(), inAutoScaling: new Set() };
    for (let at = 0; at < all.length; at += LOOK_TOGETHER)
      await look(all.slice(at, at + LOOK_TOGETHER), seen);
    const isHalted = isFleetShrunk(all, seen);
    for (const instanceId of all) {
      signal.throwIfAborted();
      await judge(candidateOf(instanceId), seen, isHalted);
    }
    signal.throwIfAborted();
  }

  let complete = false;
  try {
    await run();
    complete = true;
  } catch (error) {
    const known = signal.aborted ? asAdjoinError(signal.reason) : asAdjoinError(error);
    errors.push({ error: known });
  }
  return {
    dryRun,
    complete,
    accounts: accounts.count,
    memberships: memberships.size,
    findings,
    errors,
  };
}

function kindOf({ accounts, membership }: Candidate): FindingKind {
  if (accounts.length > 0) return 'orphan';
  return membership === undefined || UNENDED_STATES.has(membership.state) ? 'ended' : 'record';
}
