import {
  CreateTableCommand,
  DeleteTableCommand,
  UpdateTableCommand,
  waitUntilTableExists,
} from '@aws-sdk/client-dynamodb';
import { expect, test } from '@jest/globals';
import { startBench } from '../bench.ts';

async function tableOf(DeletionProtectionEnabled: boolean) {
  const bench = await startBench();
  const { dynamoDb } = bench.as('operator');
  const TableName = 'memberships';
  await dynamoDb.send(
    new CreateTableCommand({
      TableName,
      DeletionProtectionEnabled,
      BillingMode: 'PAY_PER_REQUEST',
      KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
      AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
    }),
  );
  await waitUntilTableExists({ client: dynamoDb, maxWaitTime: 20, minDelay: 1, maxDelay: 1 }, { TableName });
  return {
    protect: (enabled: boolean) =>
      dynamoDb.send(new UpdateTableCommand({ TableName, DeletionProtectionEnabled: enabled })),
    remove: () => dynamoDb.send(new DeleteTableCommand({ TableName })),
    [Symbol.asyncDispose]: () => bench[Symbol.asyncDispose](),
  };
}

const kept = {
  name: 'ValidationException',
  message:
    'Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first.',
};

test('a protected table can’t be deleted until its protection is turned off', async () => {
  await using table = await tableOf(true);
  await expect(table.remove()).rejects.toMatchObject(kept);
  expect(await table.protect(false)).toMatchObject({ TableDescription: { TableName: 'memberships' } });
  expect(await table.remove()).toMatchObject({ TableDescription: { TableName: 'memberships' } });
});

test('a table can be protected later', async () => {
  await using table = await tableOf(false);
  await table.protect(true);
  await expect(table.remove()).rejects.toMatchObject(kept);
});
