/**
 * Transactions of DynamoDB, which dynalite does not know: all writes are carried out or none of them, each under its own condition.
 * While one is under way, another write of one of its items is refused, as DynamoDB refuses it (developer guide, "Amazon DynamoDB
 * Transactions: How it works"). Of the operations in a transaction only Put and Get are here: others are refused, not ignored.
 */
import { ServiceFailure } from '../failure.ts';
import type { Answer } from '../service.ts';
import type { SignedRequest } from '../signature.ts';
import { isRecord, itemsOf, membersOf } from '../wire/shape.ts';

type Members = Record<string, unknown>;
type Reason = { readonly Code: string; readonly Message?: string };

export const TRANSACTIONS: ReadonlySet<string> = new Set(['TransactGetItems', 'TransactWriteItems']);
/** Writes of one item, which a transaction on the same item excludes. */
const WRITES: ReadonlySet<string> = new Set(['PutItem', 'UpdateItem', 'DeleteItem']);
/** Items of a transaction at most (API reference). */
const MAXIMUM = 100;
/** Tokens of transactions that are remembered. DynamoDB remembers them for ten minutes (API reference of ClientRequestToken). */
const TOKENS = 10_000;

/** The part of a transaction that is of this kind. @throws ServiceFailure for a part of any other kind */
export function partsOf(input: unknown, kind: 'Get' | 'Put'): Members[] {
  const items = itemsOf(membersOf(input)['TransactItems'] ?? []);
  if (items.length === 0 || items.length > MAXIMUM) {
    throw new ServiceFailure(
      'ValidationException',
      `1 validation error detected: Value at 'transactItems' failed to satisfy constraint: Member must have length less than or equal to ${MAXIMUM}`,
    );
  }
  return items.map((item) => {
    const part = membersOf(item)[kind];
    if (!isRecord(part))
      throw new ServiceFailure('ValidationException', `The sandbox knows only ${kind} here.`);
    return part;
  });
}

const errorOf = ({ body }: Answer): Members => membersOf(JSON.parse(String(body)));
const codeOf = (answer: Answer): string => String(errorOf(answer)['__type']).replace(/^.*#/, '');

const nameOf = (table: unknown, key: Members): string => JSON.stringify([table, key]);

function cancelled(reasons: readonly Reason[]): Answer {
  const codes = reasons.map(({ Code }) => Code).join(', ');
  return {
    status: 400,
    headers: { 'content-type': 'application/x-amz-json-1.0' },
    body: JSON.stringify({
      __type: 'com.amazonaws.dynamodb.v20120810#TransactionCanceledException',
      CancellationReasons: reasons,
      Message: `Transaction cancelled, please refer cancellation reasons for specific reasons [${codes}]`,
    }),
  };
}

const answered = (output: object): Answer => ({
  status: 200,
  headers: { 'content-type': 'application/x-amz-json-1.0' },
  body: JSON.stringify(output),
});

/** @param answer what dynalite answers to a request */
export function withTransactions(answer: (request: SignedRequest) => Promise<Answer>) {
  /** Items that a transaction, or a single write, has in work, and by how many writes. */
  const inTransaction = new Set<string>();
  const inWrite = new Map<string, number>();
  /** What was asked of transactions that were carried out, by their tokens. */
  const done = new Map<string, string>();
  /** Resolves when the transactions that are under way have ended: nobody reads what one of them may take back. */
  let underWay: Promise<unknown> = Promise.resolve();

  function remember(token: string, asked: string): void {
    const [oldest] = done.keys();
    if (done.size >= TOKENS && oldest !== undefined) done.delete(oldest);
    done.set(token, asked);
  }

  async function ask(request: SignedRequest, operation: string, input: object): Promise<Answer> {
    const headers = { ...request.headers, 'x-amz-target': `DynamoDB_20120810.${operation}` };
    return answer({ ...request, headers, body: Buffer.from(JSON.stringify(input)) });
  }

  /** The primary key of an item, as the table has it. */
  async function keyOf(request: SignedRequest, table: unknown, item: Members): Promise<Members> {
    const described = await ask(request, 'DescribeTable', { TableName: table });
    if (described.status !== 200)
      throw new ServiceFailure('ResourceNotFoundException', 'Requested resource not found');
    const schema = itemsOf(membersOf(errorOf(described)['Table'])['KeySchema']).map(membersOf);
    return Object.fromEntries(
      schema.map(({ AttributeName }) => [String(AttributeName), item[String(AttributeName)]]),
    );
  }

  async function transactGet(request: SignedRequest, input: unknown): Promise<Answer> {
    const responses: Members[] = [];
    for (const get of partsOf(input, 'Get')) {
      const found = await ask(request, 'GetItem', { ...get, ConsistentRead: true });
      if (found.status !== 200) return found;
      responses.push(errorOf(found));
    }
    return answered({ Responses: responses });
  }

  async function write(
    request: SignedRequest,
    puts: readonly Members[],
    keys: readonly Members[],
  ): Promise<Answer> {
    const befores: Answer[] = [];
    for (const [index, { TableName }] of puts.entries())
      befores.push(await ask(request, 'GetItem', { TableName, Key: keys[index], ConsistentRead: true }));
    const results: Answer[] = [];
    for (const put of puts) results.push(await ask(request, 'PutItem', put));
    if (results.every(({ status }) => status === 200)) return answered({});
    for (const [index, { TableName }] of puts.entries()) {
      if (results[index]?.status !== 200) continue;
      const before = befores[index];
      const Item = before && errorOf(before)['Item'];
      await (Item === undefined
        ? ask(request, 'DeleteItem', { TableName, Key: keys[index] })
        : ask(request, 'PutItem', { TableName, Item }));
    }
    const refusals = results.map((result): Reason => {
      if (result.status === 200) return { Code: 'None' };
      const code = codeOf(result);
      return code === 'ConditionalCheckFailedException'
        ? { Code: 'ConditionalCheckFailed', Message: 'The conditional request failed' }
        : { Code: code.replace(/Exception$/, ''), Message: String(errorOf(result)['message']) };
    });
    return cancelled(refusals);
  }

  async function transactWrite(request: SignedRequest, input: unknown): Promise<Answer> {
    const puts = partsOf(input, 'Put');
    const { ClientRequestToken: token, ...others } = membersOf(input);
    const asked = JSON.stringify(others);
    const earlier = typeof token === 'string' ? done.get(token) : undefined;
    if (earlier !== undefined) {
      if (earlier === asked) return answered({});
      throw new ServiceFailure(
        'IdempotentParameterMismatchException',
        'The token was used with other parameters.',
      );
    }
    const keys: Members[] = [];
    for (const { TableName, Item } of puts) keys.push(await keyOf(request, TableName, membersOf(Item)));
    const names = puts.map(({ TableName }, index) => nameOf(TableName, keys[index] ?? {}));
    if (new Set(names).size < names.length) {
      throw new ServiceFailure(
        'ValidationException',
        'Transaction request cannot include multiple operations on one item',
      );
    }
    const conflicts = names.map((name) => inTransaction.has(name) || inWrite.has(name));
    if (conflicts.includes(true)) {
      return cancelled(
        conflicts.map((conflict) =>
          conflict
            ? { Code: 'TransactionConflict', Message: 'Transaction is ongoing for the item' }
            : { Code: 'None' },
        ),
      );
    }
    for (const name of names) inTransaction.add(name);
    try {
      const result = await write(request, puts, keys);
      if (result.status === 200 && typeof token === 'string') remember(token, asked);
      return result;
    } finally {
      for (const name of names) inTransaction.delete(name);
    }
  }

  /** A write of one item, unless a transaction has it in work. */
  async function writeOne(request: SignedRequest, input: unknown): Promise<Answer> {
    const { TableName, Item, Key } = membersOf(input);
    const key = isRecord(Key) ? Key : await keyOf(request, TableName, membersOf(Item)).catch(() => ({}));
    const name = nameOf(TableName, key);
    if (inTransaction.has(name)) {
      throw new ServiceFailure('TransactionConflictException', 'Transaction is ongoing for the item');
    }
    inWrite.set(name, (inWrite.get(name) ?? 0) + 1);
    try {
      return await answer(request);
    } finally {
      const left = (inWrite.get(name) ?? 1) - 1;
      if (left === 0) inWrite.delete(name);
      else inWrite.set(name, left);
    }
  }

  return async (operation: string, input: unknown, request: SignedRequest): Promise<Answer> => {
    if (operation === 'TransactWriteItems') {
      const running = transactWrite(request, input);
      underWay = Promise.allSettled([underWay, running]);
      return running;
    }
    if (WRITES.has(operation)) return writeOne(request, input);
    await underWay;
    return operation === 'TransactGetItems' ? transactGet(request, input) : answer(request);
  };
}
