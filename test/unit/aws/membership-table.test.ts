import { createServer } from 'node:http';
import { GetItemCommand, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createMembershipTable } from '../../../agent/aws/membership-table.ts';
import { createRefusalStore } from '../../../agent/aws/refusal-store.ts';
import type { MembershipTable } from '../../../agent/ledger/ledger.ts';
import type { Membership } from '../../../agent/ledger/membership.ts';
import { clientOf, listen, startTable, TABLE, type DynaliteTable } from '../../support/dynalite-table.ts';

let dynamodb: DynaliteTable;
let client: DynaliteTable['client'];
let table: MembershipTable;
let instances = 0;
let instanceId: string;

beforeAll(async () => {
  dynamodb = await startTable();
  client = dynamodb.client;
  table = createMembershipTable(client, TABLE);
});
afterAll(() => dynamodb.close());
beforeEach(() => {
  instances += 1;
  instanceId = `i-${String(instances).padStart(17, '0')}`;
});

const membership = (): Membership => ({
  instanceId,
  autoScalingGroup: 'fleet',
  state: 'member',
  fencingToken: 3,
});

describe('a membership in DynamoDB', () => {
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

  test('in a table that does not exist is a refused call', async () => {
    const elsewhere = createMembershipTable(client, 'nowhere');
    await expect(elsewhere.read(instanceId)).rejects.toMatchObject({ code: 'aws-refused' });
    await expect(elsewhere.write(membership(), undefined)).rejects.toMatchObject({ code: 'aws-refused' });
  });

  test('behind a table that does not answer is an outage', async () => {
    const deaf = createServer((request) => request.socket.destroy());
    const broken = clientOf(await listen(deaf));
    try {
      const unreachable = createMembershipTable(broken, TABLE);
      await expect(unreachable.read(instanceId)).rejects.toMatchObject({ code: 'aws-unavailable' });
      await expect(unreachable.write(membership(), 1)).rejects.toMatchObject({ code: 'aws-unavailable' });
    } finally {
      broken.destroy();
      deaf.close();
    }
  });
});

describe('a refused version of the service credential', () => {
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
