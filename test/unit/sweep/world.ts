/** The directory in memory, EC2, Auto Scaling and a ledger, strict enough to catch a sweep that takes what it may not. */
import { candidateNames } from '../../../agent/directory/names.ts';
import { AdjoinError } from '../../../agent/errors.ts';
import { createLedger, type Ledger } from '../../../agent/ledger/ledger.ts';
import type { MembershipPage } from '../../../agent/ledger/ledger.ts';
import type { Membership } from '../../../agent/ledger/membership.ts';
import type { SweepPorts } from '../../../agent/sweep/ports.ts';
import type { Finding, SweepReport } from '../../../agent/sweep/report.ts';
import { sweep, type SweepOptions } from '../../../agent/sweep/sweep.ts';
import {
  createMemoryDirectory,
  sidOf,
  type MemoryAccount,
  type MemoryDirectory,
} from '../../support/memory-directory.ts';
import { createMemoryLog, type LogLine } from '../../support/memory-log.ts';
import { createMemoryTable } from '../../support/memory-table.ts';
import { createVirtualClock, type VirtualClock } from '../../support/virtual-clock.ts';
import type { Existence } from '../../../agent/terms.ts';

export const HOUR = 3_600_000;
export const LEASE_MS = 96_000;
/** Of no account that the directory shows. */
export const UNSHOWN_GUID = 'ffffffff-0000-0000-0000-000000000000';

export const instanceOf = (number: number): string => `i-${number.toString(16).padStart(17, '0')}`;
/** The name of an instance's account: the first one that staging tries, unless another first letter is given. */
export const nameOf = (number: number, prefix = 'A'): string =>
  candidateNames(instanceOf(number), [prefix]).join('');

export class SweepWorld {
  readonly clock: VirtualClock = createVirtualClock();
  readonly directory: MemoryDirectory = createMemoryDirectory(() => this.clock.now());
  /** By their objectGUID. */
  readonly accounts = this.directory.accounts;
  /** Names of computers that have records in DNS. */
  readonly records = this.directory.records;
  /** How many names each look for stray records asked about. */
  readonly strayLooks: number[] = [];
  readonly #memory = createMemoryTable();
  readonly table = this.#memory.memberships;
  readonly unreadable: string[] = [];
  /** What EC2 shows; what is not here it does not know. */
  readonly ec2 = new Map<string, 'running' | 'stopped' | 'shutting-down' | 'terminated'>();
  readonly autoScaling = new Set<string>();
  readonly #log = createMemoryLog();
  readonly log: readonly LogLine[] = this.#log.lines;
  /** What was changed, in order: `ledger i-… owed`, `remove i-… NAME` (an account), `unname i-… NAME` (its DNS records). */
  readonly effects: string[] = [];
  /** Every call, in order. */
  readonly calls: string[] = [];
  isOurAccount = true;
  pageSize = 2;
  /** Called before each call to a port; throws to make it fail. */
  fault: (call: string, signal?: AbortSignal) => void | Promise<void> = () => undefined;
  readonly ledger: Ledger;
  readonly ports: SweepPorts;

  constructor() {
    let owners = 0;
    this.ledger = createLedger({
      table: {
        read: async (instanceId) => {
          await this.call(`table.read ${instanceId}`);
          return this.#memory.get(instanceId);
        },
        write: async (membership, expected, lease) => {
          await this.call(`table.write ${membership.instanceId} ${membership.state}`);
          if (!this.#memory.put(membership, expected, lease)) return false;
          this.effects.push(`ledger ${membership.instanceId} ${membership.state}`);
          return true;
        },
      },
      clock: this.clock,
      nextOwner: () => `sweep/${(owners += 1)}`,
      leaseMs: LEASE_MS,
    });
    this.ports = this.#ports();
  }

  async call(name: string, signal?: AbortSignal): Promise<void> {
    this.calls.push(name);
    await this.fault(name, signal);
  }

  /** An account of an instance, with DNS records, made so long ago. @returns the instance's ID */
  account(number: number, ageMs = 24 * HOUR, name = nameOf(number)): string {
    const instanceId = instanceOf(number);
    this.directory.add(name, instanceId, { madeAt: this.clock.now() - ageMs });
    this.records.add(name);
    return instanceId;
  }

  /** The account with the instance's stamp; the first one made, if there are several. */
  accountOf(instanceId: string): MemoryAccount | undefined {
    return this.directory.stampedFor(instanceId)[0];
  }

  /** Deletes the accounts with the instance's stamp, as a person does. @returns what puts them back */
  loseAccounts(instanceId: string): () => void {
    const lost = this.directory.stampedFor(instanceId);
    for (const { objectGuid } of lost) this.accounts.delete(objectGuid);
    return () => {
      for (const account of lost) this.accounts.set(account.objectGuid, account);
    };
  }

  /** A membership that joined as the account which has the instance's name, if there is one. */
  membership(number: number, change: Partial<Membership> = {}, ageMs = 24 * HOUR): string {
    const instanceId = instanceOf(number);
    const received = this.clock.now() - ageMs;
    this.table.set(instanceId, {
      instanceId,
      autoScalingGroup: 'fleet',
      state: 'member',
      fencingToken: 3,
      computerName: nameOf(number),
      objectSids: [sidOf(nameOf(number))],
      objectGuid: this.directory.named(nameOf(number))?.objectGuid ?? UNSHOWN_GUID,
      launch: { actionToken: 't', hook: 'join', times: { received } },
      ...change,
    });
    return instanceId;
  }

  /** A further account of an instance, of the next name. @returns the account */
  twin(number: number, ageMs = 24 * HOUR): MemoryAccount {
    const madeAt = this.clock.now() - ageMs;
    return this.directory.add(nameOf(number, 'B'), instanceOf(number), { madeAt });
  }

  /** Account and membership of an instance that EC2 shows as running, in its group. */
  member(number: number): string {
    const instanceId = this.account(number);
    this.ec2.set(instanceId, 'running');
    this.autoScaling.add(instanceId);
    return this.membership(number);
  }

  #ports(): SweepPorts {
    const directory = this.directory.ports(async (call, subject, carryOut, signal) => {
      await this.call(subject === '' ? call : `${call} ${subject}`, signal);
      signal?.throwIfAborted();
      const deletes =
        call === 'directory.disable' || call === 'directory.remove' || call === 'directory.unname';
      return deletes ? this.#delete(subject, carryOut) : carryOut();
    });
    return {
      directory: {
        ...directory,
        strays: async (computerNames, signal) => {
          if (computerNames.length > 100) throw new TypeError('too many in one look');
          this.strayLooks.push(computerNames.length);
          return directory.strays(computerNames, signal);
        },
      },
      instances: {
        proveAccount: async () => {
          await this.call('ec2.proveAccount');
          if (!this.isOurAccount) throw new AdjoinError('account-unproven', 'Another account.');
        },
        look: async (instanceIds) => {
          await this.call(`ec2.look ${instanceIds.length}`);
          if (instanceIds.length > 100) throw new TypeError('too many in one look');
          const known = instanceIds.map((instanceId): [string, Existence] => {
            const state = this.isOurAccount ? this.ec2.get(instanceId) : undefined;
            if (state === undefined) return [instanceId, 'unknown'];
            return [instanceId, state === 'terminated' ? 'terminated' : 'living'];
          });
          return new Map(known);
        },
      },
      isInAutoScaling: async (instanceId) => {
        await this.call(`autoscaling ${instanceId}`);
        return this.autoScaling.has(instanceId);
      },
      ledger: {
        pages: (endedSince) => this.#pages(endedSince),
        find: (instanceId) => this.ledger.find(instanceId),
        claim: (instanceId, first) => this.ledger.claim(instanceId, first),
      },
      clock: this.clock,
      log: this.#log,
    };
  }

  /** What is deleted without a lease, or without a debt in the ledger, would be lost with a crash. */
  #delete<T>(instanceId: string, carryOut: () => T): T {
    const membership = this.table.get(instanceId);
    if ((membership?.leaseExpiresAt ?? 0) <= this.clock.now()) throw new TypeError('deleted without a lease');
    const accounts = new Map(this.accounts);
    const records = new Set(this.records);
    const answer = carryOut();
    for (const [objectGuid, { name }] of accounts) {
      if (!this.accounts.has(objectGuid)) this.effects.push(`remove ${instanceId} ${name}`);
    }
    for (const name of records)
      if (!this.records.has(name)) this.effects.push(`unname ${instanceId} ${name}`);
    // A member that keeps its account owes nothing while its other accounts go.
    const keeps = membership?.state === 'member' && this.accounts.has(membership.objectGuid ?? '');
    if (membership?.state !== 'owed' && !keeps) throw new TypeError('deleted without a debt in the ledger');
    return answer;
  }

  async *#pages(endedSince: number): AsyncGenerator<MembershipPage> {
    const count = this.table.size;
    for (let at = 0; at < count; at += this.pageSize) {
      await this.call('ledger.page');
      yield { memberships: this.#memory.page(at, this.pageSize, endedSince), unreadable: [] };
    }
    yield { memberships: [], unreadable: this.unreadable };
  }

  sweep(change: Partial<SweepOptions> = {}, signal = new AbortController().signal): Promise<SweepReport> {
    const limits = {
      ageGuardMs: HOUR,
      maximumRemovals: 100,
      largestLoss: 0.5,
      quarantineMs: 0,
      operationMs: 15_000,
    };
    const options = { dryRun: false, ...limits, ...change };
    return this.clock.until(sweep(this.ports, options, signal));
  }
}

const outcomeOf = ({ outcome }: Finding): string =>
  outcome.result === 'kept' ? `kept ${outcome.reason}` : outcome.result;

/** Each finding in a line: `orphan i-… removed`. */
export function linesOf({ findings }: SweepReport): string[] {
  return findings.map((finding) => `${finding.kind} ${finding.instanceId} ${outcomeOf(finding)}`);
}

export const codesOf = ({ errors }: SweepReport): string[] => errors.map(({ error }) => error.code);
