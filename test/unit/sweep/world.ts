/** A directory, EC2, Auto Scaling and a ledger in memory, strict enough to catch a sweep that takes what it may not. */
import { AdjoinError } from '../../../agent/errors.ts';
import { createLedger, type Ledger } from '../../../agent/ledger/ledger.ts';
import type { MembershipPage } from '../../../agent/ledger/ledger.ts';
import type { Membership } from '../../../agent/ledger/membership.ts';
import type { StampedAccount, SweepPorts } from '../../../agent/sweep/ports.ts';
import type { Finding, SweepReport } from '../../../agent/sweep/report.ts';
import { sweep, type SweepOptions } from '../../../agent/sweep/sweep.ts';
import { createMemoryLog, type LogLine } from '../../support/memory-log.ts';
import { createMemoryTable } from '../../support/memory-table.ts';
import { createVirtualClock, type VirtualClock } from '../../support/virtual-clock.ts';
import type { Existence, Removal } from '../../../agent/terms.ts';

export const HOUR = 3_600_000;
export const LEASE_MS = 96_000;

export const instanceOf = (number: number): string => `i-${number.toString(16).padStart(17, '0')}`;
export const nameOf = (number: number): string => `A${String(number).padStart(14, '0')}`;

interface Account extends StampedAccount {
  /** `HOST` records in DNS, which `remove` takes away with it. */
  hasRecord: boolean;
}

export class SweepWorld {
  readonly clock: VirtualClock = createVirtualClock();
  readonly accounts = new Map<string, Account>();
  /** Accounts beside those. */
  readonly twins: StampedAccount[] = [];
  /** Names with DNS records, though no account has them. */
  readonly strays = new Set<string>();
  readonly #memory = createMemoryTable();
  readonly table = this.#memory.memberships;
  readonly unreadable: string[] = [];
  /** What EC2 shows; what is not here it does not know. */
  readonly ec2 = new Map<string, 'running' | 'stopped' | 'shutting-down' | 'terminated'>();
  readonly autoScaling = new Set<string>();
  readonly #log = createMemoryLog();
  readonly log: readonly LogLine[] = this.#log.lines;
  /** Calls that change something, in order. */
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

  /** An account of an instance, made so long ago. */
  account(number: number, ageMs = 24 * HOUR): string {
    const instanceId = instanceOf(number);
    this.accounts.set(instanceId, {
      computerName: nameOf(number),
      objectGuid: `guid-${number}`,
      whenCreated: new Date(this.clock.now() - ageMs),
      stamp: { instanceId },
      hasRecord: true,
    });
    return instanceId;
  }

  membership(number: number, change: Partial<Membership> = {}, ageMs = 24 * HOUR): string {
    const instanceId = instanceOf(number);
    const received = this.clock.now() - ageMs;
    this.table.set(instanceId, {
      instanceId,
      autoScalingGroup: 'fleet',
      state: 'member',
      fencingToken: 3,
      computerName: nameOf(number),
      objectGuid: `guid-${number}`,
      launch: { actionToken: 't', hook: 'join', times: { received } },
      ...change,
    });
    return instanceId;
  }

  /** A further account of an instance. */
  twin(number: number, ageMs = 24 * HOUR): void {
    this.twins.push({
      computerName: nameOf(number).replace(/^./, 'B'),
      objectGuid: `twin-${number}`,
      whenCreated: new Date(this.clock.now() - ageMs),
      stamp: { instanceId: instanceOf(number) },
    });
  }

  /** Account and membership of an instance that EC2 shows as running, in its group. */
  member(number: number): string {
    this.membership(number);
    this.ec2.set(instanceOf(number), 'running');
    this.autoScaling.add(instanceOf(number));
    return this.account(number);
  }

  #ports(): SweepPorts {
    return {
      directory: {
        list: async () => {
          await this.call('directory.list');
          return [...this.accounts.values(), ...this.twins];
        },
        find: async (instanceId) => {
          await this.call(`directory.find ${instanceId}`);
          return this.accounts.has(instanceId) ? [this.accounts.get(instanceId)] : [];
        },
        strays: async (computerNames) => {
          await this.call(`directory.strays ${computerNames.join(' ')}`);
          if (computerNames.length > 100) throw new TypeError('too many in one look');
          return computerNames.filter((name) => this.strays.has(name));
        },
        remove: async (instanceId, { names, foundNames = [], keep }, beforeDelete, signal) => {
          await this.call(`directory.remove ${instanceId}`, signal);
          signal.throwIfAborted();
          if (keep !== undefined) return this.#removeTwins(instanceId, keep, beforeDelete);
          const account = this.accounts.get(instanceId);
          if (account) await beforeDelete(account.computerName);
          await this.call(`directory.delete ${instanceId}`, signal);
          const membership = this.table.get(instanceId);
          // What is removed without a lease, or without a debt in the ledger, would be lost with a crash.
          if ((membership?.leaseExpiresAt ?? 0) <= this.clock.now())
            throw new TypeError('removed without a lease');
          if (membership?.state !== 'owed') throw new TypeError('removed without a debt in the ledger');
          this.accounts.delete(instanceId);
          for (const name of names) this.strays.delete(name);
          this.effects.push(`remove ${instanceId} ${[...names, ...foundNames].join(',')}`);
          await this.call(`directory.removeRecords ${instanceId}`, signal);
          return {
            accounts: account ? [account.computerName] : [],
            dnsRecords: account?.hasRecord ? [account.computerName.toLowerCase()] : [],
            domainController: 'dc1.corp.example.test',
          };
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
            return [instanceId, state === undefined || state === 'terminated' ? 'gone' : 'living'];
          });
          return new Map(known);
        },
      },
      isInAutoScaling: async (instanceId) => {
        await this.call(`autoscaling ${instanceId}`);
        return this.autoScaling.has(instanceId);
      },
      ledger: {
        pages: () => this.#pages(),
        find: (instanceId) => this.ledger.find(instanceId),
        claim: (instanceId) => this.ledger.claim(instanceId),
      },
      clock: this.clock,
      log: this.#log,
    };
  }

  async #removeTwins(
    instanceId: string,
    keep: string,
    beforeDelete: (computerName: string) => Promise<void>,
  ): Promise<Removal> {
    const kept = this.accounts.get(instanceId)?.objectGuid === keep;
    const going = kept ? this.twins.filter(({ stamp }) => stamp.instanceId === instanceId) : [];
    for (const twin of going) {
      await beforeDelete(twin.computerName);
      if ((this.table.get(instanceId)?.leaseExpiresAt ?? 0) <= this.clock.now())
        throw new TypeError('removed without a lease');
      this.twins.splice(this.twins.indexOf(twin), 1);
      this.effects.push(`remove ${instanceId} ${twin.objectGuid}`);
    }
    const accounts = going.map(({ computerName }) => computerName);
    return { accounts, dnsRecords: [], domainController: 'dc1.corp.example.test' };
  }

  async *#pages(): AsyncGenerator<MembershipPage> {
    const count = this.table.size;
    for (let at = 0; at < count; at += this.pageSize) {
      await this.call('ledger.page');
      yield { memberships: this.#memory.page(at, this.pageSize), unreadable: [] };
    }
    yield { memberships: [], unreadable: this.unreadable };
  }

  sweep(change: Partial<SweepOptions> = {}, signal = new AbortController().signal): Promise<SweepReport> {
    const limits = { ageGuardMs: HOUR, maximumRemovals: 100, operationMs: 15_000 };
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
