/**
 * What the core may rely on from the ledger's table. The suite runs over the adapters on an emulated DynamoDB and over the
 * table in memory that stands for them in the other tests, so that these test against the same rules.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { createMembershipTable, scanMemberships } from '../../../agent/aws/membership-table.ts';
import { createRefusalStore } from '../../../agent/aws/refusal-store.ts';
import { createSweepLeaseStore } from '../../../agent/aws/sweep-lease-store.ts';
import type { RefusalStore } from '../../../agent/directory/service-credential.ts';
import { createLedger, type MembershipTable } from '../../../agent/ledger/ledger.ts';
import { expiryFrom, type ListedMembership, type Membership } from '../../../agent/ledger/membership.ts';
import type { SweepLeaseStore } from '../../../agent/sweep/lease.ts';
import { startTable, TABLE } from '../../support/dynalite-table.ts';
import {
  createMemoryRefusals,
  createMemorySweepLease,
  createMemoryTable,
} from '../../support/memory-table.ts';
import { createVirtualClock } from '../../support/virtual-clock.ts';

interface Subject {
  readonly table: MembershipTable;
  readonly sweepLease: SweepLeaseStore;
  /** The store as each worker makes it for itself. */
  refusals(): RefusalStore;
  /** All memberships that have not ended before `endedSince`, over as many pages as it takes. */
  scan(endedSince: number): Promise<ListedMembership[]>;
  close(): void;
}

function inMemory(): Subject {
  const table = createMemoryTable();
  const refusals = createMemoryRefusals();
  return {
    table,
    sweepLease: createMemorySweepLease(),
    refusals: () => refusals,
    async scan(endedSince) {
      const found: ListedMembership[] = [];
      for (
        let page = table.page(0, 2, endedSince);
        page.length > 0;
        page = table.page(found.length, 2, endedSince)
      ) {
        found.push(...page);
      }
      return found;
    },
    close: () => undefined,
  };
}

async function inDynamoDB(): Promise<Subject> {
  const dynamodb = await startTable();
  const { client } = dynamodb;
  return {
    table: createMembershipTable(client, TABLE),
    sweepLease: createSweepLeaseStore(client, TABLE),
    refusals: () => createRefusalStore(client, TABLE),
    async scan(endedSince) {
      const found: ListedMembership[] = [];
      for await (const page of scanMemberships(client, TABLE, endedSince, new AbortController().signal)) {
        found.push(...page.memberships);
      }
      return found;
    },
    close: () => dynamodb.close(),
  };
}

describe.each([
  ['in memory', inMemory],
  ['in DynamoDB', inDynamoDB],
])('%s', (_where, start) => {
  let subject: Subject;
  let table: MembershipTable;
  let instances = 0;
  let instanceId: string;

  beforeAll(async () => {
    subject = await start();
    table = subject.table;
  });
  afterAll(() => subject.close());
  beforeEach(() => {
    instances += 1;
    instanceId = `i-${String(instances).padStart(17, '0')}`;
  });

  const full = (): Membership => ({
    instanceId,
    autoScalingGroup: 'fleet — ä',
    state: 'member',
    fencingToken: 3,
    leaseOwner: 'worker/1',
    leaseExpiresAt: 1_767_225_600_123,
    stagingBegan: 1_767_225_600_000,
    computerName: 'A00000000000001',
    foundNames: ['WEB01', 'WEB02'],
    distinguishedName: 'CN=A00000000000001,OU=Fleet,DC=corp,DC=example,DC=test',
    objectGuid: '00000000-0000-0000-0000-000000000001',
    domainController: 'dc1.corp.example.test',
    stagedPasswordLastSet: '134116992000000000',
    lastError: { code: 'join-failed', message: 'no\nluck', at: 1 },
    launch: { actionToken: 't', hook: 'h', times: { received: 1, node: 2, complete: 3.5 } },
    terminate: { actionToken: 'u', hook: 'g', times: {} },
    expiresAt: 1_767_225_600,
  });

  describe('a membership', () => {
    test('that does not exist is undefined', async () => {
      await expect(table.read(instanceId)).resolves.toBeUndefined();
    });

    test('comes back as it was written', async () => {
      await expect(table.write(full(), undefined)).resolves.toBe(true);
      await expect(table.read(instanceId)).resolves.toStrictEqual(full());
    });

    test('comes back as it was written, whatever its fields hold', async () => {
      const text = fc.string({ unit: 'binary', maxLength: 40 });
      const time = fc.integer({ min: 0, max: 2 ** 53 });
      const maybe = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
        fc.option(value, { nil: undefined });
      const action = fc.record({
        actionToken: text,
        hook: text,
        times: fc.record({ received: time, stage: time, remove: time }, { requiredKeys: [] }),
      });
      let number = 0;
      await fc.assert(
        fc.asyncProperty(
          fc.record({
            autoScalingGroup: text,
            state: fc.constantFrom('joining', 'staged', 'member', 'leaving', 'removed', 'failed', 'owed'),
            fencingToken: fc.nat(),
            leaseExpiresAt: maybe(time),
            computerName: maybe(text),
            lastError: maybe(fc.record({ code: text, message: text, at: time })),
            launch: maybe(action),
            terminate: maybe(action),
          }),
          async (fields) => {
            number += 1;
            const membership: Membership = { instanceId: `any-${number}`, ...fields };
            await table.write(membership, undefined);
            expect(await table.read(membership.instanceId)).toEqual(membership);
          },
        ),
        { numRuns: 100, seed: 20260101 },
      );
    });

    test('has no attribute that was written as undefined, at any depth', async () => {
      await table.write(full(), undefined);
      const launch = { actionToken: 't', hook: 'h', times: { received: 1, stage: undefined } };
      await table.write({ ...full(), leaseOwner: undefined, lastError: undefined, launch }, 3);
      const { leaseOwner: _leaseOwner, lastError: _lastError, ...rest } = full();
      await expect(table.read(instanceId)).resolves.toStrictEqual({
        ...rest,
        launch: { actionToken: 't', hook: 'h', times: { received: 1 } },
      });
    });

    test('is a copy: what its writer does afterwards to its own changes nothing', async () => {
      const times = { received: 1 };
      const foundNames = ['WEB01'];
      await table.write({ ...full(), foundNames, launch: { actionToken: 't', hook: 'h', times } }, undefined);
      times.received = 2;
      foundNames.push('WEB02');
      await expect(table.read(instanceId)).resolves.toMatchObject({
        foundNames: ['WEB01'],
        launch: { times: { received: 1 } },
      });
    });

    test('is a copy: what its reader does to it changes nothing', async () => {
      await table.write(full(), undefined);
      const [scanned] = (await subject.scan(0)).filter((found) => found.instanceId === instanceId);
      const found = await table.read(instanceId);
      if (!found?.lastError || !scanned?.launch?.times) throw new Error('There is no record.');
      Object.assign(found.lastError, { code: 'another' });
      Object.assign(scanned.launch.times, { received: 7 });
      for (const each of [found, scanned]) Object.assign(each, { state: 'failed' });
      await expect(table.read(instanceId)).resolves.toStrictEqual(full());
    });

    test('is made only where there is none', async () => {
      await expect(table.write({ ...full(), fencingToken: 1 }, 3)).resolves.toBe(false);
      await expect(table.read(instanceId)).resolves.toBeUndefined();
      await expect(table.write({ ...full(), fencingToken: 1 }, undefined)).resolves.toBe(true);
      await expect(table.write({ ...full(), fencingToken: 9 }, undefined)).resolves.toBe(false);
      await expect(table.read(instanceId)).resolves.toMatchObject({ fencingToken: 1 });
    });

    test('is written only over the fencing token that was read', async () => {
      await table.write({ ...full(), fencingToken: 1 }, undefined);
      await expect(table.write({ ...full(), fencingToken: 9 }, 2)).resolves.toBe(false);
      await expect(table.write({ ...full(), fencingToken: 9 }, 0)).resolves.toBe(false);
      await expect(table.read(instanceId)).resolves.toMatchObject({ fencingToken: 1 });
      await expect(table.write({ ...full(), fencingToken: 2 }, 1)).resolves.toBe(true);
      await expect(table.write({ ...full(), fencingToken: 3 }, 1)).resolves.toBe(false);
      await expect(table.read(instanceId)).resolves.toMatchObject({ fencingToken: 2 });
    });

    test('is taken over only as long as its lease is the one that was read', async () => {
      const { leaseExpiresAt: expiresAt, ...released } = full();
      await table.write(full(), undefined);
      await expect(table.write(released, 3, { expiresAt: undefined })).resolves.toBe(false);
      await expect(table.write(released, 3, { expiresAt: 1 })).resolves.toBe(false);
      await expect(table.read(instanceId)).resolves.toStrictEqual(full());
      await expect(table.write(released, 3, { expiresAt })).resolves.toBe(true);
      await expect(table.write(full(), 3, { expiresAt })).resolves.toBe(false);
      await expect(table.read(instanceId)).resolves.toStrictEqual(released);
      await expect(table.write(full(), 3, { expiresAt: undefined })).resolves.toBe(true);
    });

    test('with the lease that was read and another fencing token is not taken over', async () => {
      await table.write(full(), undefined);
      const { leaseExpiresAt: expiresAt } = full();
      await expect(table.write(full(), 2, { expiresAt })).resolves.toBe(false);
      await expect(table.write(full(), 4, { expiresAt })).resolves.toBe(false);
      await expect(table.write({ ...full(), leaseExpiresAt: undefined }, 3)).resolves.toBe(true);
      await expect(table.write(full(), 2, { expiresAt: undefined })).resolves.toBe(false);
      await expect(table.write(full(), 4, { expiresAt: undefined })).resolves.toBe(false);
    });

    test('is written by its holder whenever its lease ends', async () => {
      await table.write(full(), undefined);
      await expect(table.write({ ...full(), leaseExpiresAt: 7 }, 3)).resolves.toBe(true);
      await expect(table.write({ ...full(), leaseExpiresAt: undefined }, 3)).resolves.toBe(true);
      await expect(table.write(full(), 3)).resolves.toBe(true);
    });

    test('is written only by the first of two with the same fencing token', async () => {
      await table.write({ ...full(), fencingToken: 1 }, undefined);
      const written = await Promise.all(
        [2, 2].map((fencingToken) => table.write({ ...full(), fencingToken }, 1)),
      );
      expect(written.filter(Boolean)).toHaveLength(1);
    });

    test('is taken by one of ten workers that come at once', async () => {
      const clock = createVirtualClock();
      let owners = 0;
      const ledger = createLedger({
        table,
        clock,
        nextOwner: () => {
          owners += 1;
          return `worker/${owners}`;
        },
        leaseMs: 96_000,
      });
      const action = {
        token: 't',
        hook: 'h',
        group: 'fleet',
        instanceId,
        transition: 'launching',
        origin: 'EC2',
        destination: 'AutoScalingGroup',
        startedAt: 0,
      } as const;
      const taken = await Promise.allSettled(Array.from({ length: 10 }, () => ledger.take(action)));
      const won = taken.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
      expect(won).toHaveLength(1);
      expect((await table.read(instanceId))?.leaseOwner).toBe(won[0]?.membership.leaseOwner);
      await won[0]?.update({ state: 'staged' }, 'stage');
      expect((await table.read(instanceId))?.state).toBe('staged');
    });

    test('is seen once in a look at all of them, as it was written', async () => {
      const fresh = await start();
      const ids = ['a', 'b', 'c'].map((letter) => `i-${letter}${instanceId.slice(3)}`);
      for (const id of ids) {
        await fresh.table.write({ ...full(), instanceId: id, leaseOwner: undefined }, undefined);
      }
      const found = await fresh.scan(0);
      fresh.close();
      // What all are looked at for, and nothing else: an action without times is not there.
      const { state, fencingToken, leaseExpiresAt, stagingBegan, computerName, objectGuid } = full();
      const rest = { state, fencingToken, leaseExpiresAt, stagingBegan, computerName, objectGuid };
      const launch = { times: { received: 1, complete: 3.5 } };
      expect(found.toSorted((a, b) => a.instanceId.localeCompare(b.instanceId))).toStrictEqual(
        ids.map((id) => ({ ...rest, launch, instanceId: id })),
      );
    });
  });

  test('a scan leaves out what ended before a time, and nothing that has not ended', async () => {
    const fresh = await start();
    const day = 86_400_000;
    const { expiresAt: _expiresAt, ...living } = full();
    const write = (id: string, endedAt?: number): Promise<boolean> =>
      fresh.table.write(
        { ...living, instanceId: id, ...(endedAt !== undefined && { expiresAt: expiryFrom(endedAt) }) },
        undefined,
      );
    await write('i-00000000000000001');
    await write('i-00000000000000002', 9 * day);
    await write('i-00000000000000003', 10 * day);
    await write('i-00000000000000004', 11 * day);
    const found = await fresh.scan(10 * day);
    fresh.close();
    expect(found.map((each) => each.instanceId).toSorted()).toEqual([
      'i-00000000000000001',
      'i-00000000000000003',
      'i-00000000000000004',
    ]);
  });

  test("the sweep's lease is written only over the fencing token that was read", async () => {
    const store = subject.sweepLease;
    await expect(store.read()).resolves.toBeUndefined();
    await expect(store.write({ fencingToken: 9 }, 8)).resolves.toBe(false);
    await expect(store.read()).resolves.toBeUndefined();
    const first = { fencingToken: 1, leaseOwner: 'worker/1', leaseExpiresAt: 5, endedAt: 3 };
    await expect(store.write(first, undefined)).resolves.toBe(true);
    await expect(store.read()).resolves.toEqual(first);
    await expect(store.write({ ...first, fencingToken: 2 }, undefined)).resolves.toBe(false);
    await expect(store.read()).resolves.toEqual(first);
    await expect(store.write({ fencingToken: 2, leaseOwner: undefined }, 1)).resolves.toBe(true);
    await expect(store.write({ fencingToken: 3 }, 1)).resolves.toBe(false);
    await expect(store.read()).resolves.toEqual({ fencingToken: 2 });
  });

  test('a refused version of the service credential is there for every worker, the last refusal of it', async () => {
    const refusals = subject.refusals();
    await expect(refusals.read('v1')).resolves.toBeUndefined();
    await refusals.write({ versionId: 'v1', code: 'credential-expired', message: 'Expired.' });
    const wrong = { versionId: 'v2', code: 'credential-refused', message: 'Wrong password.' } as const;
    await refusals.write(wrong);
    await refusals.write({ versionId: 'v1', code: 'credential-locked', message: 'Locked.' });
    const another = subject.refusals();
    await expect(another.read('v1')).resolves.toEqual({
      versionId: 'v1',
      code: 'credential-locked',
      message: 'Locked.',
    });
    await expect(another.read('v2')).resolves.toEqual(wrong);
    await expect(another.read('v3')).resolves.toBeUndefined();
  });
});
