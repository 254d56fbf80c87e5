import { createServer, type Server } from 'node:http';
import { CreateTableCommand, DynamoDBClient, GetItemCommand, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import dynalite from 'dynalite';
import * as fc from 'fast-check';
import { createMembershipTable } from '../../../agent/aws/membership-table.ts';
import { createLedger, type MembershipTable } from '../../../agent/ledger/ledger.ts';
import type { Membership } from '../../../agent/ledger/membership.ts';
import { createRefusalStore } from '../../../agent/aws/refusal-store.ts';
import { createVirtualClock } from '../../support/virtual-clock.ts';

const TABLE = 'adjoin';

/** The port that the server got. */
function listen(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      resolve(typeof address === 'object' && address ? address.port : 0);
    });
  });
}

const clientOf = (port: number): DynamoDBClient =>
  new DynamoDBClient({
    region: 'eu-central-1',
    endpoint: `http://127.0.0.1:${port}`,
    credentials: { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'example' },
    maxAttempts: 1,
  });

let server: Server;
let client: DynamoDBClient;
let table: MembershipTable;
let instances = 0;
let instanceId: string;

beforeAll(async () => {
  server = dynalite({ createTableMs: 0 });
  // It closes what is idle for five seconds, and on a busy machine a test may be: the client would write into the void.
  server.keepAliveTimeout = 0;
  client = clientOf(await listen(server));
  await client.send(
    new CreateTableCommand({
      TableName: TABLE,
      KeySchema: [{ AttributeName: 'instanceId', KeyType: 'HASH' }],
      AttributeDefinitions: [{ AttributeName: 'instanceId', AttributeType: 'S' }],
      BillingMode: 'PAY_PER_REQUEST',
    }),
  );
  table = createMembershipTable(client, TABLE);
});
afterAll(() => {
  client.destroy();
  server.close();
});
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
  distinguishedName: 'CN=A00000000000001,OU=Fleet,DC=corp,DC=example,DC=test',
  objectGuid: '00000000-0000-0000-0000-000000000001',
  domainController: 'dc1.corp.example.test',
  stagedPasswordLastSet: '134116992000000000',
  lastError: { code: 'join-failed', message: 'no\nluck', at: 1 },
  launch: { actionToken: 't', hook: 'h', times: { received: 1, node: 2, complete: 3.5 } },
  terminate: { actionToken: 'u', hook: 'g', times: {} },
  expiresAt: 1_767_225_600,
});

describe('a membership in DynamoDB', () => {
  test('is taken over only as long as its lease is the one that was read', async () => {
    const { leaseExpiresAt: expiresAt, ...released } = full();
    await table.write(full(), undefined);
    await expect(table.write(full(), 3, { expiresAt: undefined })).resolves.toBe(false);
    await expect(table.write(full(), 3, { expiresAt: 1 })).resolves.toBe(false);
    await expect(table.write(released, 3, { expiresAt })).resolves.toBe(true);
    await expect(table.write(full(), 3, { expiresAt })).resolves.toBe(false);
    await expect(table.write(full(), 3, { expiresAt: undefined })).resolves.toBe(true);
  });

  test('comes back as it was written', async () => {
    await expect(table.write(full(), undefined)).resolves.toBe(true);
    await expect(table.read(instanceId)).resolves.toEqual(full());
  });

  test('whatever its fields hold', async () => {
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

  test('is written only over the fencing token that was read', async () => {
    await table.write({ ...full(), fencingToken: 1 }, undefined);
    await expect(table.write({ ...full(), fencingToken: 9 }, undefined)).resolves.toBe(false);
    await expect(table.write({ ...full(), fencingToken: 9 }, 2)).resolves.toBe(false);
    await expect(table.read(instanceId)).resolves.toMatchObject({ fencingToken: 1 });
    await expect(table.write({ ...full(), fencingToken: 2 }, 1)).resolves.toBe(true);
    await expect(table.write({ ...full(), fencingToken: 3 }, 1)).resolves.toBe(false);
    await expect(table.read(instanceId)).resolves.toMatchObject({ fencingToken: 2 });
  });

  test('that is undefined in a field no longer has it', async () => {
    await table.write(full(), undefined);
    await table.write({ ...full(), leaseOwner: undefined, lastError: undefined }, 3);
    const found = await table.read(instanceId);
    expect(found).not.toHaveProperty('leaseOwner');
    expect(found).not.toHaveProperty('lastError');
  });

  test('keeps what a newer release has written beside what this one knows', async () => {
    const colours = { L: [{ S: 'blue' }, { N: '7' }, { BOOL: true }, { NULL: true }] };
    await client.send(
      new PutItemCommand({
        TableName: TABLE,
        Item: {
          instanceId: { S: instanceId },
          autoScalingGroup: { S: 'fleet' },
          state: { S: 'member' },
          fencingToken: { N: '1' },
          colours,
          launch: {
            M: {
              actionToken: { S: 't' },
              hook: { S: 'h' },
              times: { M: { dream: { N: '5' } } },
              tint: { S: 'x' },
            },
          },
        },
      }),
    );
    const read = await table.read(instanceId);
    if (!read) throw new Error('There is no record.');
    await table.write({ ...read, fencingToken: 2 }, 1);
    const { Item } = await client.send(
      new GetItemCommand({ TableName: TABLE, Key: { instanceId: { S: instanceId } } }),
    );
    expect(Item).toMatchObject({
      fencingToken: { N: '2' },
      colours,
      launch: { M: { tint: { S: 'x' }, times: { M: { dream: { N: '5' } } } } },
    });
  });

  test('that somebody has damaged is an error with the name of the instance', async () => {
    await client.send(
      new PutItemCommand({
        TableName: TABLE,
        Item: { instanceId: { S: instanceId }, state: { S: 'dreaming' } },
      }),
    );
    await expect(table.read(instanceId)).rejects.toMatchObject({ code: 'unexpected' });
    await expect(table.read(instanceId)).rejects.toThrow(instanceId);
  });

  test('that does not exist is undefined', async () => {
    await expect(table.read(instanceId)).resolves.toBeUndefined();
  });

  test('in a table that does not exist is a refused call', async () => {
    const elsewhere = createMembershipTable(client, 'nowhere');
    await expect(elsewhere.read(instanceId)).rejects.toMatchObject({ code: 'aws-refused' });
    await expect(elsewhere.write(full(), undefined)).rejects.toMatchObject({ code: 'aws-refused' });
  });

  test('behind a table that does not answer is an outage', async () => {
    const deaf = createServer((request) => request.socket.destroy());
    const broken = clientOf(await listen(deaf));
    try {
      const unreachable = createMembershipTable(broken, TABLE);
      await expect(unreachable.read(instanceId)).rejects.toMatchObject({ code: 'aws-unavailable' });
      await expect(unreachable.write(full(), 1)).rejects.toMatchObject({ code: 'aws-unavailable' });
    } finally {
      broken.destroy();
      deaf.close();
    }
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
});

describe('a refused version of the service credential', () => {
  test('is there for the next worker, and is no membership', async () => {
    const refusals = createRefusalStore(client, TABLE);
    await expect(refusals.read('v1')).resolves.toBeUndefined();
    await refusals.write({ versionId: 'v1', code: 'credential-expired', message: 'Expired.' });
    await refusals.write({ versionId: 'v2', code: 'credential-refused', message: 'Wrong password.' });
    const another = createRefusalStore(client, TABLE);
    await expect(another.read('v1')).resolves.toMatchObject({ versionId: 'v1', code: 'credential-expired' });
    await expect(another.read('v2')).resolves.toEqual({
      versionId: 'v2',
      code: 'credential-refused',
      message: 'Wrong password.',
    });
    await expect(another.read('v3')).resolves.toBeUndefined();
  });

  test('with a code of another release is a plain refusal', async () => {
    await client.send(
      new PutItemCommand({
        TableName: TABLE,
        Item: {
          instanceId: { S: 'refused-credential/v4' },
          code: { S: 'constructor' },
        },
      }),
    );
    await expect(createRefusalStore(client, TABLE).read('v4')).resolves.toMatchObject({
      versionId: 'v4',
      code: 'credential-refused',
    });
  });
});
