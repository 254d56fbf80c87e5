import { PutItemCommand, type DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { marshall, unmarshall } from '@aws-sdk/util-dynamodb';
import * as z from 'zod';
import { callAws } from './errors.ts';
import { readItem } from './table-item.ts';
import { refusalOf, type RefusalStore } from '../directory/service-credential.ts';

/** The items of the ledger's table that are not memberships: no instance ID looks like these. */
const keyOf = (versionId: string): string => `refused-credential/${versionId}`;

/** Every refusal counts, even one that another release wrote in another form. */
const record = z.object({
  code: z.string().catch(''),
  message: z.string().catch('The directory refused the service account.'),
});

/** The versions of the service credential that the directory has refused, shared by all workers. */
export function createRefusalStore(client: DynamoDBClient, tableName: string): RefusalStore {
  return {
    async read(versionId) {
      const Item = await readItem(client, tableName, keyOf(versionId));
      return Item && refusalOf({ versionId, ...record.parse(unmarshall(Item, { wrapNumbers: Number })) });
    },
    async write({ versionId, code, message }) {
      const key = keyOf(versionId);
      await callAws(`dynamodb:PutItem ${key}`, undefined, () =>
        client.send(
          new PutItemCommand({ TableName: tableName, Item: marshall({ instanceId: key, code, message }) }),
        ),
      );
    },
  };
}
