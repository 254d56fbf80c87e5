/** Memberships in DynamoDB. */
import {
  type AttributeValue,
  type DynamoDBClient,
  paginateScan,
  PutItemCommand,
} from '@aws-sdk/client-dynamodb';
import { marshall, unmarshall } from '@aws-sdk/util-dynamodb';
import * as z from 'zod';
import { awsErrorOf, callAws, pagesOfAws } from './errors.ts';
import { shareRequests, type ItemStore } from './shared-requests.ts';
import { readItem } from './table-item.ts';
import type { Clock } from '../clock.ts';
import { AdjoinError, reasonOf } from '../errors.ts';
import type { MembershipPage, MembershipTable, SeenLease } from '../ledger/ledger.ts';
import {
  expiryFrom,
  type ActionRecord,
  type ListedMembership,
  type Membership,
} from '../ledger/membership.ts';

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
    'post-join': step,
    match: step,
    leave: step,
    remove: step,
    complete: step,
  }),
});

/** What is read of each where all are looked at. */
const listed = {
  instanceId: z.string(),
  state: z.enum(['joining', 'staged', 'member', 'leaving', 'removed', 'failed', 'owed']),
  fencingToken: z.int(),
  leaseExpiresAt: z.number().optional(),
  stagingBegan: z.number().optional(),
  computerName: z.string().optional(),
  objectGuid: z.string().optional(),
  objectSids: z.array(z.string()).optional(),
  quarantinedAt: z.number().optional(),
};

/** Unknown attributes are kept: a newer release may have written them. */
const record: z.ZodType<Membership> = z.looseObject({
  ...listed,
  autoScalingGroup: z.string(),
  leaseOwner: z.string().optional(),
  foundNames: z.array(z.string()).optional(),
  distinguishedName: z.string().optional(),
  domainController: z.string().optional(),
  stagedPasswordLastSet: z.string().optional(),
  quarantinedSids: z.array(z.string()).optional(),
  lastError: z.looseObject({ code: z.string(), message: z.string(), at: z.number() }).optional(),
  launch: actionRecord.optional(),
  terminate: actionRecord.optional(),
  expiresAt: z.number().optional(),
});

const listedTimes = z.object({ times: z.object({ received: step, complete: step }).optional() }).optional();
const listedRecord: z.ZodType<ListedMembership> = z.object({
  ...listed,
  launch: listedTimes,
  terminate: listedTimes,
});

// The ledger keeps times and counters, so a JavaScript number is enough for every number.
const valuesOf = (item: Record<string, AttributeValue>): unknown => unmarshall(item, { wrapNumbers: Number });

/** @throws Error when this release cannot read the item */
const membershipOf = (item: Record<string, AttributeValue>): Membership => record.parse(valuesOf(item));

const itemOf = (membership: Membership): Record<string, AttributeValue> =>
  marshall(membership, { removeUndefinedValues: true, allowImpreciseNumbers: true });

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

/**
 * @param clock given where many memberships are worked on at once: those that are read, or written, within a few milliseconds
 *   share a request
 */
export function createMembershipTable(
  client: DynamoDBClient,
  tableName: string,
  clock?: Clock,
): MembershipTable {
  const alone: ItemStore = {
    read: (instanceId) => readItem(client, tableName, instanceId),
    async write(instanceId, put) {
      try {
        await client.send(new PutItemCommand(put));
        return true;
      } catch (error) {
        if (awsErrorOf(error)?.name === 'ConditionalCheckFailedException') return false;
        return callAws(`dynamodb:PutItem ${instanceId}`, undefined, () => Promise.reject(error));
      }
    },
  };
  const items = clock ? shareRequests(client, tableName, clock, alone) : alone;
  return {
    async read(instanceId) {
      const item = await items.read(instanceId);
      if (!item) return undefined;
      try {
        return membershipOf(item);
      } catch (error) {
        const message = `The ledger's record of ${instanceId} can't be read: ${reasonOf(error)}`;
        throw new AdjoinError('unexpected', message, { cause: error });
      }
    },
    write: (membership, expected, lease) =>
      items.write(membership.instanceId, {
        TableName: tableName,
        Item: itemOf(membership),
        ...condition(expected, lease),
      }),
  };
}

/** What a scan asks for, as paths in a record. Some of their names mean something else to DynamoDB, so none is written as it is. */
const SCANNED: readonly (readonly string[])[] = [
  ...Object.keys(listed).map((name) => [name]),
  ['launch', 'times', 'received'],
  ['launch', 'times', 'complete'],
  ['terminate', 'times', 'received'],
];

const projection = {
  ProjectionExpression: SCANNED.map((path) => path.map((name) => `#${name}`).join('.')).join(', '),
  ExpressionAttributeNames: Object.fromEntries(SCANNED.flat().map((name) => [`#${name}`, name])),
};

/** The table's other items (the refused credentials, the sweep's lease) have keys that no instance could have. */
const INSTANCE_ID = /^m?i-[0-9a-f]+$/;

/**
 * All memberships that have not ended, or ended since then, page by page. Those that ended earlier stay readable for a month, and
 * may be many times more: the table leaves them out, and of the others what nobody looks at here. Eventually consistent, which costs
 * half: a page may be a second old, as the first page is anyway when the last one is read. Before anything is done because of a record,
 * its lease is taken, and that reads it again, consistently.
 * @param endedSince milliseconds since the Unix epoch
 * @throws AdjoinError `aws-*`
 */
export async function* scanMemberships(
  client: DynamoDBClient,
  tableName: string,
  endedSince: number,
  signal: AbortSignal,
): AsyncGenerator<MembershipPage> {
  const pages = paginateScan(
    { client },
    {
      TableName: tableName,
      ...projection,
      FilterExpression: 'attribute_not_exists(expiresAt) OR expiresAt >= :since',
      ExpressionAttributeValues: { ':since': { N: String(expiryFrom(endedSince)) } },
    },
    { abortSignal: signal },
  );
  for await (const page of pagesOfAws(`dynamodb:Scan ${tableName}`, signal, pages)) {
    const memberships: ListedMembership[] = [];
    const unreadable: string[] = [];
    for (const item of page.Items ?? []) {
      const instanceId = item['instanceId']?.S ?? '';
      if (!INSTANCE_ID.test(instanceId)) continue;
      try {
        memberships.push(listedRecord.parse(valuesOf(item)));
      } catch {
        unreadable.push(instanceId);
      }
    }
    yield { memberships, unreadable };
  }
}
