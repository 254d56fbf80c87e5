/** What the ledger's table holds for the sweep: its lease, and a look at all memberships. */
import type { Server } from 'node:http';
import { CreateTableCommand, DynamoDBClient, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import dynalite from 'dynalite';
import { AdjoinError } from '../../../agent/errors.ts';
import { createMembershipTable, scanMemberships } from '../../../agent/aws/membership-table.ts';
import { createLedger } from '../../../agent/ledger/ledger.ts';
import type { MembershipPage } from '../../../agent/ledger/ledger.ts';
import type { Membership } from '../../../agent/ledger/membership.ts';
import { createRefusalStore } from '../../../agent/aws/refusal-store.ts';
import { createSweepLeaseStore } from '../../../agent/aws/sweep-lease-store.ts';
import { createVirtualClock } from '../../support/virtual-clock.ts';

const TABLE = 'adjoin';
const signal = new AbortController().signal;

async function allPages(stop = signal): Promise<MembershipPage[]> {
  const pages: MembershipPage[] = [];
  for await (const page of scanMemberships(client, TABLE, stop)) pages.push(page);
  return pages;
}

let server: Server;
let client: DynamoDBClient;

beforeAll(async () => {
  server = dynalite({ createTableMs: 0 });
  // It closes what is idle for five seconds, and on a busy machine a test may be: the client would write into the void.
  server.keepAliveTimeout = 0;
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  client = new DynamoDBClient({
    region: 'eu-central-1',
    endpoint: `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`,
    credentials: { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'example' },
    maxAttempts: 1,
  });
  await client.send(
    new CreateTableCommand({
      TableName: TABLE,
      KeySchema: [{ AttributeName: 'instanceId', KeyType: 'HASH' }],
      AttributeDefinitions: [{ AttributeName: 'instanceId', AttributeType: 'S' }],
      BillingMode: 'PAY_PER_REQUEST',
    }),
  );
});
afterAll(() => {
  client.destroy();
  server.close();
});

describe("the sweep's lease in DynamoDB", () => {
  test('is written only over the fencing token that was read', async () => {
    const store = createSweepLeaseStore(client, TABLE);
    await expect(store.read()).resolves.toBeUndefined();
    const first = { fencingToken: 1, leaseOwner: 'worker/1', leaseExpiresAt: 5, endedAt: 3 };
    await expect(store.write(first, undefined)).resolves.toBe(true);
    await expect(store.read()).resolves.toEqual(first);
    await expect(store.write({ ...first, fencingToken: 2 }, undefined)).resolves.toBe(false);
    await expect(store.write({ fencingToken: 2 }, 1)).resolves.toBe(true);
    await expect(store.write({ fencingToken: 3 }, 1)).resolves.toBe(false);
    await expect(store.read()).resolves.toEqual({
      fencingToken: 2,
      leaseOwner: undefined,
      leaseExpiresAt: undefined,
      endedAt: undefined,
    });
  });
});

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
    await createSweepLeaseStore(client, TABLE).read();

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
