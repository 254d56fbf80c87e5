import { GetItemCommand, PutItemCommand, type DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { callAws } from '../aws/errors.ts';
import { refusalOf, type RefusalStore } from '../credential/service-credential.ts';

/** The one item of the ledger's table that is not a membership: no instance ID looks like it. */
const KEY = 'service-credential';

/** The version of the service credential that the directory refused last, shared by all workers. */
export function createRefusalStore(client: DynamoDBClient, tableName: string): RefusalStore {
  return {
    async read() {
      const answer = await callAws(`dynamodb:GetItem ${KEY}`, undefined, () =>
        client.send(
          new GetItemCommand({ TableName: tableName, Key: { instanceId: { S: KEY } }, ConsistentRead: true }),
        ),
      );
      const versionId = answer.Item?.['refusedVersionId']?.S;
      if (!versionId) return undefined;
      return refusalOf({
        versionId,
        code: answer.Item?.['code']?.S ?? '',
        message: answer.Item?.['message']?.S ?? 'The directory refused the service account.',
      });
    },
    async write(refusal) {
      await callAws(`dynamodb:PutItem ${KEY}`, undefined, () =>
        client.send(
          new PutItemCommand({
            TableName: tableName,
            Item: {
              instanceId: { S: KEY },
              refusedVersionId: { S: refusal.versionId },
              code: { S: refusal.code },
              message: { S: refusal.message },
            },
          }),
        ),
      );
    },
  };
}
