import { GetItemCommand, PutItemCommand, type DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { callAws } from './errors.ts';
import { refusalOf, type RefusalStore } from '../directory/service-credential.ts';

/** The items of the ledger's table that are not memberships: no instance ID looks like these. */
const keyOf = (versionId: string): string => `refused-credential/${versionId}`;

/** The versions of the service credential that the directory has refused, shared by all workers. */
export function createRefusalStore(client: DynamoDBClient, tableName: string): RefusalStore {
  return {
    async read(versionId) {
      const key = keyOf(versionId);
      const answer = await callAws(`dynamodb:GetItem ${key}`, undefined, () =>
        client.send(
          new GetItemCommand({ TableName: tableName, Key: { instanceId: { S: key } }, ConsistentRead: true }),
        ),
      );
      if (!answer.Item) return undefined;
      return refusalOf({
        versionId,
        code: answer.Item['code']?.S ?? '',
        message: answer.Item['message']?.S ?? 'The directory refused the service account.',
      });
    },
    async write(refusal) {
      const key = keyOf(refusal.versionId);
      await callAws(`dynamodb:PutItem ${key}`, undefined, () =>
        client.send(
          new PutItemCommand({
            TableName: tableName,
            Item: { instanceId: { S: key }, code: { S: refusal.code }, message: { S: refusal.message } },
          }),
        ),
      );
    },
  };
}
