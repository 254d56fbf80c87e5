/** Transactions of the emulated DynamoDB: all or nothing, under the conditions and with the permissions of single requests. */
import {
  CreateTableCommand,
  GetItemCommand,
  PutItemCommand,
  TransactGetItemsCommand,
  TransactWriteItemsCommand,
  UpdateItemCommand,
  waitUntilTableExists,
} from '@aws-sdk/client-dynamodb';
import { expect, test } from '@jest/globals';
import { startBench } from '../bench.ts';

const TableName = 'memberships';
const itemOf = (id: string, note: string) => ({ id: { S: id }, note: { S: note } });
const keyOf = (id: string) => ({ id: { S: id } });

async function start() {
  const bench = await startBench();
  const { dynamoDb } = bench.as('operator');
  await dynamoDb.send(
    new CreateTableCommand({
      TableName,
      BillingMode: 'PAY_PER_REQUEST',
      KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
      AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
    }),
  );
  await waitUntilTableExists({ client: dynamoDb, maxWaitTime: 20, minDelay: 1, maxDelay: 1 }, { TableName });
  return {
    dynamoDb,
    write: (notes: Readonly<Record<string, string>>, ClientRequestToken?: string) =>
      dynamoDb.send(
        new TransactWriteItemsCommand({
          ClientRequestToken,
          TransactItems: Object.entries(notes).map(([id, note]) => ({
            Put: { TableName, Item: itemOf(id, note), ConditionExpression: 'attribute_not_exists(id)' },
          })),
        }),
      ),
    async read(...ids: readonly string[]) {
      const TransactItems = ids.map((id) => ({ Get: { TableName, Key: keyOf(id) } }));
      const { Responses = [] } = await dynamoDb.send(new TransactGetItemsCommand({ TransactItems }));
      return Responses.map(({ Item }) => Item?.['note']?.S);
    },
    [Symbol.asyncDispose]: () => bench[Symbol.asyncDispose](),
  };
}

test('all writes are carried out, and read together', async () => {
  await using table = await start();
  await table.write({ a: '1', b: '2' });
  expect(await table.read('b', 'nothing', 'a')).toEqual(['2', undefined, '1']);
});

test('a condition that is not met takes back all of them, and the reasons say which it was', async () => {
  await using table = await start();
  await table.dynamoDb.send(new PutItemCommand({ TableName, Item: itemOf('b', 'before') }));
  await expect(table.write({ a: '1', b: '2', c: '3' })).rejects.toMatchObject({
    name: 'TransactionCanceledException',
    CancellationReasons: [{ Code: 'None' }, { Code: 'ConditionalCheckFailed' }, { Code: 'None' }],
  });
  expect(await table.read('a', 'b', 'c')).toEqual([undefined, 'before', undefined]);
});

test('a transaction that is sent again under its token is carried out once', async () => {
  await using table = await start();
  await table.write({ a: '1' }, 'token');
  await table.write({ a: '1' }, 'token');
  await expect(table.write({ a: '2' }, 'token')).rejects.toThrow('other parameters');
  await expect(table.write({ a: '1' }, 'another')).rejects.toThrow('ConditionalCheckFailed');
});

test('what one transaction has in work, no other write gets', async () => {
  await using table = await start();
  const outcomes = await Promise.allSettled([
    table.write({ a: '1', b: '1' }),
    table.write({ b: '2', c: '2' }),
    table.dynamoDb.send(
      new UpdateItemCommand({
        TableName,
        Key: keyOf('a'),
        UpdateExpression: 'SET note = :note',
        ExpressionAttributeValues: { ':note': { S: 'alone' } },
      }),
    ),
  ]);
  const [a, b, c] = await table.read('a', 'b', 'c');
  // Whatever came first: b and c are of one transaction, or neither is.
  expect(c === undefined).toBe(b !== '2');
  expect(outcomes.map(({ status }) => status)).toContain('fulfilled');
  expect(a === undefined && b === undefined && c === undefined).toBe(false);
});

test('an item is in a transaction once', async () => {
  await using table = await start();
  const put = { Put: { TableName, Item: itemOf('a', '1') } };
  await expect(
    table.dynamoDb.send(new TransactWriteItemsCommand({ TransactItems: [put, put] })),
  ).rejects.toThrow('cannot include multiple operations on one item');
  const { Item } = await table.dynamoDb.send(new GetItemCommand({ TableName, Key: keyOf('a') }));
  expect(Item).toBeUndefined();
});
