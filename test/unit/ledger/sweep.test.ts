/** What the sweep asks of the ledger's table: a look at all memberships, and a claim. */
import { PutItemCommand } from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { AdjoinError } from '../../../agent/errors.ts';
import { createMembershipTable, scanMemberships } from '../../../agent/aws/membership-table.ts';
import { createLedger } from '../../../agent/ledger/ledger.ts';
import type { MembershipPage } from '../../../agent/ledger/ledger.ts';
import type { Membership } from '../../../agent/ledger/membership.ts';
import { createRefusalStore } from '../../../agent/aws/refusal-store.ts';
import { createSweepLeaseStore } from '../../../agent/aws/sweep-lease-store.ts';
import { startTable, TABLE, type DynaliteTable } from '../../support/dynalite-table.ts';
import { createVirtualClock } from '../../support/virtual-clock.ts';

const signal = new AbortController().signal;

async function allPages(stop = signal): Promise<MembershipPage[]> {
  const pages: MembershipPage[] = [];
  for await (const page of scanMemberships(client, TABLE, 0, stop)) pages.push(page);
  return pages;
}

let dynamodb: DynaliteTable;
let client: DynaliteTable['client'];

beforeAll(async () => {
  dynamodb = await startTable();
  client = dynamodb.client;
});
afterAll(() => dynamodb.close());

describe('a look at all memberships', () => {
  test('goes through every page, passes over what is none, and names what it cannot read', async () => {
    // 1 MB is a page of DynamoDB's: 40 records of 40 kB are two.
    const table = createMembershipTable(client, TABLE);
    const ids = Array.from({ length: 40 }, (_, number) => `i-${String(number).padStart(17, '0')}`);
    for (const instanceId of ids) {
      const message = 'x'.repeat(40_000);
      const membership: Membership = {
        instanceId,
        autoScalingGroup: 'fleet',
        state: 'member',
        fencingToken: 1,
        lastError: { code: 'unexpected', message, at: 1 },
      };
      await table.write(membership, undefined);
    }
    const broken = 'i-0ffffffffffffffff';
    await client.send(
      new PutItemCommand({ TableName: TABLE, Item: { instanceId: { S: broken }, state: { S: 'odd' } } }),
    );
    await createRefusalStore(client, TABLE).write({
      versionId: 'v1',
      code: 'credential-refused',
      message: 'no',
    });
    await createSweepLeaseStore(client, TABLE).write({ fencingToken: 1 }, undefined);

    const pages = await allPages();
    expect(pages.length).toBeGreaterThan(1);
    const found = pages.flatMap((page) => page.memberships.map(({ instanceId }) => instanceId));
    expect(found.toSorted()).toEqual(ids);
    expect(pages.flatMap((page) => page.unreadable)).toEqual([broken]);
  });

  test('ends with the signal', async () => {
    const stopped = AbortSignal.abort(new AdjoinError('draining', 'stop'));
    await expect(allPages(stopped)).rejects.toMatchObject({
      code: 'draining',
    });
  });
});

describe('a claim', () => {
  const clock = createVirtualClock();
  let owners = 0;
  const ledger = () =>
    createLedger({
      table: createMembershipTable(client, TABLE),
      clock,
      nextOwner: () => `sweep/${(owners += 1)}`,
      leaseMs: 90_000,
    });

  test('takes the lease and changes nothing else', async () => {
    const table = createMembershipTable(client, TABLE);
    const instanceId = 'i-0aaaaaaaaaaaaaaaa';
    const membership: Membership = {
      instanceId,
      autoScalingGroup: 'fleet',
      state: 'staged',
      fencingToken: 7,
      computerName: 'A1',
      expiresAt: 9,
    };
    await table.write(membership, undefined);
    const lease = await ledger().claim(instanceId);
    expect(lease.membership).toEqual({
      ...membership,
      fencingToken: 8,
      leaseOwner: `sweep/${owners}`,
      leaseExpiresAt: clock.now() + 90_000,
    });
    await expect(ledger().claim(instanceId)).rejects.toMatchObject({ code: 'action-owned-elsewhere' });
    await lease.release();
    await expect(table.read(instanceId)).resolves.toEqual({ ...membership, fencingToken: 8 });
  });

  test('of an instance that nobody knows opens a debt', async () => {
    const instanceId = 'i-0bbbbbbbbbbbbbbbb';
    const lease = await ledger().claim(instanceId);
    expect(lease.membership).toMatchObject({ instanceId, state: 'owed', fencingToken: 1 });
    await lease.release();
  });
});
