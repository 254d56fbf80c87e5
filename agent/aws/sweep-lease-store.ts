import {
  ConditionalCheckFailedException,
  PutItemCommand,
  type DynamoDBClient,
} from '@aws-sdk/client-dynamodb';
import { marshall, unmarshall } from '@aws-sdk/util-dynamodb';
import * as z from 'zod';
import { callAws } from './errors.ts';
import { readItem } from './table-item.ts';
import type { SweepLeaseStore } from '../sweep/lease.ts';

/** No instance ID looks like this. */
const KEY = { instanceId: 'sweep-lease' };

const number = z.number().optional().catch(undefined);
const record = z.object({
  fencingToken: z.number().catch(0),
  leaseOwner: z.string().optional().catch(undefined),
  leaseExpiresAt: number,
  endedAt: number,
});

/** The sweep's lease: one item in the ledger's table, shared by all workers. */
export function createSweepLeaseStore(client: DynamoDBClient, tableName: string): SweepLeaseStore {
  return {
    async read() {
      const Item = await readItem(client, tableName, KEY.instanceId);
      return Item && record.parse(unmarshall(Item, { wrapNumbers: Number }));
    },
    async write({ fencingToken, leaseOwner, leaseExpiresAt, endedAt }, expected) {
      try {
        await client.send(
          new PutItemCommand({
            TableName: tableName,
            Item: marshall(
              { ...KEY, fencingToken, leaseOwner, leaseExpiresAt, endedAt },
              { removeUndefinedValues: true },
            ),
            ...(expected === undefined
              ? { ConditionExpression: 'attribute_not_exists(instanceId)' }
              : {
                  ConditionExpression: 'fencingToken = :expected',
                  ExpressionAttributeValues: marshall({ ':expected': expected }),
                }),
          }),
        );
        return true;
      } catch (error) {
        if (error instanceof ConditionalCheckFailedException) return false;
        return callAws('dynamodb:PutItem sweep-lease', undefined, () => Promise.reject(error));
      }
    },
  };
}
