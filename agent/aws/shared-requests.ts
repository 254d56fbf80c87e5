/**
 * Reads and writes of several memberships in one request: a fleet that scales out writes hundreds of records a second.
 *
 * Each item keeps its own condition. DynamoDB carries out all writes of a transaction or none of them; one that refuses a write
 * takes back the others, so these are then written one by one. Transactions need no other permissions than single requests.
 * They take twice the capacity, and the SDK names each by a token: one that is sent again is carried out once.
 */
import {
  TransactGetItemsCommand,
  TransactionCanceledException,
  TransactWriteItemsCommand,
  type AttributeValue,
  type DynamoDBClient,
  type PutItemCommandInput,
} from '@aws-sdk/client-dynamodb';
import { createBatch } from '../batch.ts';
import type { Clock } from '../clock.ts';
import { AdjoinError, asAdjoinError } from '../errors.ts';
import { awsErrorOf, callAws } from './errors.ts';

/** A record; undefined where there is none. */
export type Item = Record<string, AttributeValue> | undefined;

/** Reads and writes of single items. A write answers false when its condition is not met. */
export interface ItemStore {
  read(instanceId: string): Promise<Item>;
  write(instanceId: string, put: PutItemCommandInput): Promise<boolean>;
}

/** Milliseconds that the first item waits for others. What one look at Systems Manager has shown comes within a few. */
const WINDOW_MS = 25;
/** Items of a request at most. DynamoDB takes 100; fewer are written again when one is refused. */
const MAXIMUM = 25;
/** Why a transaction was taken back that would be no better off as single requests. */
const THROTTLED: ReadonlySet<string> = new Set([
  'ProvisionedThroughputExceeded',
  'RequestLimitExceeded',
  'ThrottlingError',
]);

/**
 * Whether the transaction failed for the sake of some of its items, and nothing of it was carried out. An item that the table
 * can't take must fail by itself, or all that are written beside it would fail with it again and again.
 */
function mayGoAlone(error: unknown): boolean {
  if (awsErrorOf(error)?.name === 'ValidationException') return true;
  if (!(error instanceof TransactionCanceledException)) return false;
  const throttled = error.CancellationReasons?.find(({ Code = 'None' }) => THROTTLED.has(Code));
  if (!throttled) return true;
  const message = `dynamodb: a transaction was cancelled: ${throttled.Code}`;
  throw new AdjoinError('aws-throttled', message, { cause: error });
}

/** One answer for each, and an error for each that fails by itself. */
const oneByOne = <Asked, Answer>(
  asked: readonly Asked[],
  ask: (of: Asked) => Promise<Answer>,
): Promise<(Answer | Error)[]> =>
  Promise.all(asked.map((each) => ask(each).catch((error: unknown) => asAdjoinError(error))));

const hasDoubles = (instanceIds: readonly string[]): boolean =>
  new Set(instanceIds).size < instanceIds.length;

interface Write {
  readonly instanceId: string;
  readonly put: PutItemCommandInput;
}

/** @param alone for an item that no other shares a request with */
export function shareRequests(
  client: DynamoDBClient,
  TableName: string,
  clock: Clock,
  alone: ItemStore,
): ItemStore {
  const shared = { keyOf: () => '', maximum: MAXIMUM, windowMs: WINDOW_MS, isUrgent: true, clock };

  const read = createBatch<string, { readonly item: Item }>({
    ...shared,
    async run(instanceIds) {
      const readAlone = () =>
        oneByOne(instanceIds, async (instanceId) => ({ item: await alone.read(instanceId) }));
      if (instanceIds.length === 1 || hasDoubles(instanceIds)) return readAlone();
      const TransactItems = instanceIds.map((instanceId) => ({
        Get: { TableName, Key: { instanceId: { S: instanceId } } },
      }));
      return callAws(`dynamodb:TransactGetItems of ${instanceIds.length}`, undefined, async () => {
        try {
          const { Responses = [] } = await client.send(new TransactGetItemsCommand({ TransactItems }));
          return Responses.map(({ Item: item }) => ({ item }));
        } catch (error) {
          if (mayGoAlone(error)) return readAlone();
          throw error;
        }
      });
    },
  });

  const write = createBatch<Write, boolean>({
    ...shared,
    async run(writes) {
      const writeAlone = () => oneByOne(writes, ({ instanceId, put }) => alone.write(instanceId, put));
      if (writes.length === 1 || hasDoubles(writes.map(({ instanceId }) => instanceId))) return writeAlone();
      const TransactItems = writes.map(
        ({ put: { Item, ConditionExpression, ExpressionAttributeValues } }) => ({
          Put: { TableName, Item, ConditionExpression, ExpressionAttributeValues },
        }),
      );
      return callAws(`dynamodb:TransactWriteItems of ${writes.length}`, undefined, async () => {
        try {
          await client.send(new TransactWriteItemsCommand({ TransactItems }));
          return writes.map(() => true);
        } catch (error) {
          if (mayGoAlone(error)) return writeAlone();
          throw error;
        }
      });
    },
  });

  return {
    read: async (instanceId) => (await read(instanceId)).item,
    write: (instanceId, put) => write({ instanceId, put }),
  };
}
