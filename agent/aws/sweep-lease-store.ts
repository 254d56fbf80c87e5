import {
  ConditionalCheckFailedException,
  GetItemCommand,
  PutItemCommand,
  type DynamoDBClient,
} from '@aws-sdk/client-dynamodb';
import { callAws } from './errors.ts';
import type { SweepLeaseStore } from '../sweep/lease.ts';

/** No instance ID looks like this. */
const KEY = { instanceId: { S: 'sweep-lease' } };

const numberOf = (text: string | undefined): number | undefined =>
  text === undefined ? undefined : Number(text);

/** The sweep's lease: one item in the ledger's table, shared by all workers. */
export function createSweepLeaseStore(client: DynamoDBClient, tableName: string): SweepLeaseStore {
  return {
    async read() {
      const { Item } = await callAws('dynamodb:GetItem sweep-lease', undefined, () =>
        client.send(new GetItemCommand({ TableName: tableName, Key: KEY, ConsistentRead: true })),
      );
      if (!Item) return undefined;
      return {
        fencingToken: Number(Item['fencingToken']?.N ?? '0'),
        leaseOwner: Item['leaseOwner']?.S,
        leaseExpiresAt: numberOf(Item['leaseExpiresAt']?.N),
        endedAt: numberOf(Item['endedAt']?.N),
      };
    },
    async write({ fencingToken, leaseOwner, leaseExpiresAt, endedAt }, expected) {
      try {
        await client.send(
          new PutItemCommand({
            TableName: tableName,
            Item: {
              ...KEY,
              fencingToken: { N: String(fencingToken) },
              ...(leaseOwner === undefined ? {} : { leaseOwner: { S: leaseOwner } }),
              ...(leaseExpiresAt === undefined ? {} : { leaseExpiresAt: { N: String(leaseExpiresAt) } }),
              ...(endedAt === undefined ? {} : { endedAt: { N: String(endedAt) } }),
            },
            ...(expected === undefined
              ? { ConditionExpression: 'attribute_not_exists(instanceId)' }
              : {
                  ConditionExpression: 'fencingToken = :expected',
                  ExpressionAttributeValues: { ':expected': { N: String(expected) } },
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
