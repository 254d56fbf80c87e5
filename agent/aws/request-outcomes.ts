/** Operators' requests: the message to the queue, and how each ended, in the ledger's table. */
import {
  ConditionalCheckFailedException,
  PutItemCommand,
  type DynamoDBClient,
} from '@aws-sdk/client-dynamodb';
import { SendMessageCommand, type SQSClient } from '@aws-sdk/client-sqs';
import { marshall, unmarshall } from '@aws-sdk/util-dynamodb';
import * as z from 'zod';
import type { OutcomePort } from '../lifecycle/request.ts';
import { endings } from '../terms.ts';
import { callAws } from './errors.ts';
import { readItem } from './table-item.ts';

/** An item of the ledger's table that is no membership: no instance ID looks like this. */
const keyOf = (requestId: string): string => `request/${requestId}`;

/**
 * Days for which an outcome stays: longer than the queue keeps a message, and the dead-letter queue after it, so that no second
 * delivery of a request does it again.
 */
const KEEP_DAYS = 30;

const record = z.object({
  ending: z.enum(endings),
  error: z.object({ code: z.string(), message: z.string() }).optional(),
  at: z.number(),
});

export function createOutcomes(client: DynamoDBClient, tableName: string): OutcomePort {
  return {
    async find(requestId) {
      const Item = await readItem(client, tableName, keyOf(requestId));
      return Item && record.parse(unmarshall(Item, { wrapNumbers: Number }));
    },
    async note(requestId, outcome) {
      const key = keyOf(requestId);
      const expiresAt = Math.round(outcome.at / 1000) + KEEP_DAYS * 86_400;
      try {
        await client.send(
          new PutItemCommand({
            TableName: tableName,
            Item: marshall({ instanceId: key, ...outcome, expiresAt }, { removeUndefinedValues: true }),
            ConditionExpression: 'attribute_not_exists(instanceId)',
          }),
        );
      } catch (error) {
        if (error instanceof ConditionalCheckFailedException) return;
        await callAws(`dynamodb:PutItem ${key}`, undefined, () => Promise.reject(error));
      }
    },
  };
}

/** Sends the body of a request to the queue. @throws AdjoinError `aws-*` */
export async function sendRequest(client: SQSClient, url: string, body: string): Promise<void> {
  await callAws('sqs:SendMessage of the request', undefined, () =>
    client.send(new SendMessageCommand({ QueueUrl: url, MessageBody: body })),
  );
}
