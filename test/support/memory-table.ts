/**
 * The ledger's table in memory, exactly as the adapters on DynamoDB behave: what goes in and comes out is a copy, an
 * undefined attribute is no attribute, and a write has the adapters' conditions. One contract suite runs over both
 * (test/unit/aws/table.contract.test.ts).
 *
 * The plain functions (`get`, `put`) do their work at the moment of the call. A test that wants a slow, failing or lost
 * answer wraps them; the condition stays this one.
 */
import type { RefusalStore } from '../../agent/directory/service-credential.ts';
import type { MembershipTable } from '../../agent/ledger/ledger.ts';
import {
  expiryFrom,
  type ActionRecord,
  type ListedMembership,
  type Membership,
  type Step,
} from '../../agent/ledger/membership.ts';
import type { SweepLeaseRecord, SweepLeaseStore } from '../../agent/sweep/lease.ts';

/** Strings, numbers, booleans, null, lists and maps are all that an item holds: no more than JSON does. */
function copyOf<T>(record: T): T {
  const copy: T = JSON.parse(JSON.stringify(record));
  return copy;
}

/** The times that are asked for; DynamoDB leaves out a map in which nothing is that is asked for. */
function timesOf<Listed extends Step>(action: ActionRecord | undefined, ...steps: readonly Listed[]) {
  const known = steps.filter((step) => action?.times[step] !== undefined);
  return known.length === 0
    ? undefined
    : { times: Object.fromEntries(known.map((step) => [step, action?.times[step]])) };
}

/** What a scan asks for. */
function listedOf(membership: Membership): ListedMembership {
  const { instanceId, state, fencingToken, leaseExpiresAt, stagingBegan } = membership;
  const { computerName, objectGuid, objectSids, quarantinedAt, launch, terminate } = membership;
  return copyOf({
    instanceId,
    state,
    fencingToken,
    leaseExpiresAt,
    stagingBegan,
    computerName,
    objectGuid,
    objectSids,
    quarantinedAt,
    launch: timesOf(launch, 'received', 'complete'),
    terminate: timesOf(terminate, 'received'),
  });
}

export interface MemoryTable extends MembershipTable {
  /** The items. A test may look at them and change them, as another worker would. */
  readonly memberships: Map<string, Membership>;
  get(instanceId: string): Membership | undefined;
  put(...write: Parameters<MembershipTable['write']>): boolean;
  /**
   * At most `limit` memberships from a position on, in the order of their first writing, without those that ended before
   * `endedSince`: a page of a scan, with what it asks for.
   */
  page(from: number, limit: number, endedSince: number): ListedMembership[];
}

export function createMemoryTable(memberships = new Map<string, Membership>()): MemoryTable {
  const table: MemoryTable = {
    memberships,
    get(instanceId) {
      const stored = memberships.get(instanceId);
      return stored && copyOf(stored);
    },
    put(membership, expected, lease) {
      const stored = memberships.get(membership.instanceId);
      if (stored?.fencingToken !== expected) return false;
      // As the adapter does: a record that must not be there yet has no lease to compare.
      if (stored && lease && stored.leaseExpiresAt !== lease.expiresAt) return false;
      memberships.set(membership.instanceId, copyOf(membership));
      return true;
    },
    page: (from, limit, endedSince) =>
      [...memberships.values()]
        .filter(({ expiresAt }) => expiresAt === undefined || expiresAt >= expiryFrom(endedSince))
        .slice(from, from + limit)
        .map(listedOf),
    read: async (instanceId) => table.get(instanceId),
    write: async (...write) => table.put(...write),
  };
  return table;
}

export interface MemorySweepLease extends SweepLeaseStore {
  /** The item. A test may look at it and replace it, as another worker would. */
  record: SweepLeaseRecord | undefined;
  get(): SweepLeaseRecord | undefined;
  put(...write: Parameters<SweepLeaseStore['write']>): boolean;
}

export function createMemorySweepLease(): MemorySweepLease {
  const lease: MemorySweepLease = {
    record: undefined,
    get: () => lease.record && copyOf(lease.record),
    put(record, expected) {
      if (lease.record?.fencingToken !== expected) return false;
      lease.record = copyOf(record);
      return true;
    },
    read: async () => lease.get(),
    write: async (...write) => lease.put(...write),
  };
  return lease;
}

export function createMemoryRefusals(): RefusalStore {
  const refusals = new Map<string, Parameters<RefusalStore['write']>[0]>();
  return {
    async read(versionId) {
      const refusal = refusals.get(versionId);
      return refusal && copyOf(refusal);
    },
    write: async (refusal) => void refusals.set(refusal.versionId, copyOf(refusal)),
  };
}
