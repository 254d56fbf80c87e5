/** One item of the ledger's table, whatever it is. */
import { type AttributeValue, type DynamoDBClient, GetItemCommand } from '@aws-sdk/client-dynamodb';
import { callAws } from './errors.ts';

/** Consistent: what another worker has written is seen. @throws AdjoinError `aws-*` */
export async function readItem(
  client: DynamoDBClient,
  tableName: string,
  key: string,
): Promise<Record<string, AttributeValue> | undefined> {
  const { Item } = await callAws(`dynamodb:GetItem ${key}`, undefined, () =>
    client.send(
      new GetItemCommand({ TableName: tableName, Key: { instanceId: { S: key } }, ConsistentRead: true }),
    ),
  );
  return Item;
}
