/** Memberships in DynamoDB. */
import {
  type AttributeValue,
  type DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  ScanCommand,
} from '@aws-sdk/client-dynamodb';
import { z } from 'zod';
import { awsErrorOf, callAws } from './errors.ts';
import { AdjoinError } from '../errors.ts';
import type { MembershipPage, MembershipTable, SeenLease } from '../ledger/ledger.ts';
import type { ActionRecord, Membership } from '../ledger/membership.ts';

function encode(value: unknown): AttributeValue {
  if (typeof value === 'string') return { S: value };
  if (typeof value === 'number') return { N: String(value) };
  if (typeof value === 'boolean') return { BOOL: value };
  if (value === null) return { NULL: true };
  if (Array.isArray(value)) return { L: value.map(encode) };
  if (typeof value === 'object') return { M: encodeMap(value) };
  throw new TypeError(`A membership can't hold a ${typeof value}.`);
}

function encodeMap(map: object): Record<string, AttributeValue> {
  return Object.fromEntries(
    Object.entries(map).flatMap(([key, value]: [string, unknown]) =>
      value === undefined ? [] : [[key, encode(value)]],
    ),
  );
}

function decode(value: AttributeValue): unknown {
  if (value.S !== undefined) return value.S;
  if (value.N !== undefined) return Number(value.N);
  if (value.M !== undefined) return decodeMap(value.M);
  if (value.L !== undefined) return value.L.map(decode);
  if (value.NULL !== undefined) return null;
  // No release writes sets or binaries.
  return value.BOOL;
}

function decodeMap(map: Record<string, AttributeValue>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(map).map(([key, value]) => [key, decode(value)]));
}

const step = z.number().optional();
const actionRecord: z.ZodType<ActionRecord> = z.looseObject({
  actionToken: z.string(),
  hook: z.string(),
  times: z.looseObject({
    received: step,
    node: step,
    probe: step,
    stage: step,
    join: step,
    verify: step,
    leave: step,
    remove: step,
    complete: step,
  }),
});

/** Unknown attributes are kept: a newer release may have written them. */
const record: z.ZodType<Membership> = z.looseObject({
  instanceId: z.string(),
  autoScalingGroup: z.string(),
  state: z.enum(['joining', 'staged', 'member', 'leaving', 'removed', 'failed', 'owed']),
  fencingToken: z.int(),
  leaseOwner: z.string().optional(),
  leaseExpiresAt: z.number().optional(),
  stagingBegan: z.number().optional(),
  computerName: z.string().optional(),
  foundNames: z.array(z.string()).optional(),
  distinguishedName: z.string().optional(),
  objectGuid: z.string().optional(),
  domainController: z.string().optional(),
  stagedPasswordLastSet: z.string().optional(),
  lastError: z.looseObject({ code: z.string(), message: z.string(), at: z.number() }).optional(),
  launch: actionRecord.optional(),
  terminate: actionRecord.optional(),
  expiresAt: z.number().optional(),
});

function condition(expected: number | undefined, lease: SeenLease | undefined) {
  if (expected === undefined) return { ConditionExpression: 'attribute_not_exists(instanceId)' };
  const token = { ':expected': { N: String(expected) } };
  const sameToken = 'fencingToken = :expected';
  if (!lease) return { ConditionExpression: sameToken, ExpressionAttributeValues: token };
  if (lease.expiresAt === undefined) {
    return {
      ConditionExpression: `${sameToken} AND attribute_not_exists(leaseExpiresAt)`,
      ExpressionAttributeValues: token,
    };
  }
  return {
    ConditionExpression: `${sameToken} AND leaseExpiresAt = :lease`,
    ExpressionAttributeValues: { ...token, ':lease': { N: String(lease.expiresAt) } },
  };
}

export function createMembershipTable(client: DynamoDBClient, tableName: string): MembershipTable {
  return {
    async read(instanceId) {
      const answer = await callAws(`dynamodb:GetItem ${instanceId}`, undefined, () =>
        client.send(
          new GetItemCommand({
            TableName: tableName,
            Key: { instanceId: { S: instanceId } },
            ConsistentRead: true,
          }),
        ),
      );
      if (!answer.Item) return undefined;
      const parsed = record.safeParse(decodeMap(answer.Item));
      if (!parsed.success) {
        throw new AdjoinError(
          'unexpected',
          `The ledger's record of ${instanceId} can't be read: ${parsed.error.message}`,
        );
      }
      return parsed.data;
    },
    async write(membership, expected, lease) {
      try {
        await client.send(
          new PutItemCommand({
            TableName: tableName,
            Item: encodeMap(membership),
            ...condition(expected, lease),
          }),
        );
        return true;
      } catch (error) {
        if (awsErrorOf(error)?.name === 'ConditionalCheckFailedException') return false;
        return callAws(`dynamodb:PutItem ${membership.instanceId}`, undefined, () => Promise.reject(error));
      }
    },
  };
}

/** The table's other items (the refused credentials, the sweep's lease) have keys that no instance could have. */
const INSTANCE_ID = /^i-[0-9a-f]+$/;

/** All memberships, page by page, each as it stood when its page was read. @throws AdjoinError `aws-*` */
export async function* scanMemberships(
  client: DynamoDBClient,
  tableName: string,
  signal: AbortSignal,
): AsyncGenerator<MembershipPage> {
  let from: Record<string, AttributeValue> | undefined;
  do {
    const page = await callAws(`dynamodb:Scan ${tableName}`, signal, () =>
      client.send(
        new ScanCommand({
          TableName: tableName,
          ConsistentRead: true,
          ...(from ? { ExclusiveStartKey: from } : {}),
        }),
        { abortSignal: signal },
      ),
    );
    const memberships: Membership[] = [];
    const unreadable: string[] = [];
    for (const item of page.Items ?? []) {
      const instanceId = item['instanceId']?.S ?? '';
      if (!INSTANCE_ID.test(instanceId)) continue;
      const parsed = record.safeParse(decodeMap(item));
      if (parsed.success) memberships.push(parsed.data);
      else unreadable.push(instanceId);
    }
    yield { memberships, unreadable };
    from = page.LastEvaluatedKey;
  } while (from);
}
