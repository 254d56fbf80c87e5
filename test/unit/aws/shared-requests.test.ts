/** Memberships that are read and written within the same milliseconds share a request, each under its own condition. */
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { expect, test } from '@jest/globals';
import { createMembershipTable } from '../../../agent/aws/membership-table.ts';
import { systemClock } from '../../../agent/clock.ts';
import type { Membership } from '../../../agent/ledger/membership.ts';
import { asked, startAwsEndpoint, type AwsAnswer, type AwsRequest } from '../../support/aws-endpoint.ts';

const memberOf = (instanceId: string): Membership => ({
  instanceId,
  autoScalingGroup: 'fleet',
  state: 'member',
  fencingToken: 3,
});
const itemOf = (instanceId: string) => ({
  instanceId: { S: instanceId },
  autoScalingGroup: { S: 'fleet' },
  state: { S: 'member' },
  fencingToken: { N: '3' },
});

const cancelled = (...codes: readonly string[]): AwsAnswer => ({
  error: 'com.amazonaws.dynamodb.v20120810#TransactionCanceledException',
  fields: { CancellationReasons: codes.map((Code) => ({ Code })) },
});
const failed: AwsAnswer = { error: 'com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException' };

async function start(answer: (request: AwsRequest) => AwsAnswer) {
  const endpoint = await startAwsEndpoint(answer);
  return {
    endpoint,
    table: createMembershipTable(new DynamoDBClient(endpoint.client), 'ledger', systemClock),
  };
}

const put = (instanceId: string) => ({
  TableName: 'ledger',
  Item: itemOf(instanceId),
  ConditionExpression: 'fencingToken = :expected',
  ExpressionAttributeValues: { ':expected': { N: '2' } },
});
const Key = (each: string) => ({ instanceId: { S: each } });
const nameIn = ({ input }: Pick<AwsRequest, 'input'>): unknown =>
  Reflect.get(Object(input['Item']), 'instanceId');

test('writes that come together are one transaction, each under its own condition', async () => {
  const { endpoint, table } = await start(() => ({}));
  await using _ = endpoint;
  const written = ['i-1', 'i-2'].map((instanceId) => table.write(memberOf(instanceId), 2));
  await expect(Promise.all(written)).resolves.toEqual([true, true]);
  expect(asked(endpoint)).toEqual([
    {
      operation: 'TransactWriteItems',
      input: {
        ClientRequestToken: expect.any(String),
        TransactItems: [{ Put: put('i-1') }, { Put: put('i-2') }],
      },
    },
  ]);
});

test('when one condition is not met, the others are written all the same', async () => {
  const { endpoint, table } = await start((request) => {
    if (request.operation === 'TransactWriteItems')
      return cancelled('None', 'ConditionalCheckFailed', 'None');
    return JSON.stringify(nameIn(request)).includes('i-2') ? failed : {};
  });
  await using _ = endpoint;
  const written = ['i-1', 'i-2', 'i-3'].map((instanceId) => table.write(memberOf(instanceId), 2));
  await expect(Promise.all(written)).resolves.toEqual([true, false, true]);
  expect(asked(endpoint).map(({ operation }) => operation)).toEqual([
    'TransactWriteItems',
    'PutItem',
    'PutItem',
    'PutItem',
  ]);
});

test('a conflict with another transaction is settled item by item, and one that lasts is to be tried later', async () => {
  const { endpoint, table } = await start((request) => {
    if (request.operation === 'TransactWriteItems') return cancelled('TransactionConflict', 'None');
    return JSON.stringify(nameIn(request)).includes('i-1')
      ? { error: 'com.amazonaws.dynamodb.v20120810#TransactionConflictException' }
      : {};
  });
  await using _ = endpoint;
  const [first, second] = ['i-1', 'i-2'].map((instanceId) => table.write(memberOf(instanceId), 2));
  await expect(first).rejects.toMatchObject({ code: 'aws-throttled', disposition: 'retry' });
  await expect(second).resolves.toBe(true);
});

test('a throttled transaction is not tried item by item, which would make it worse', async () => {
  const { endpoint, table } = await start(() => cancelled('ThrottlingError', 'None'));
  await using _ = endpoint;
  const written = ['i-1', 'i-2'].map((instanceId) => table.write(memberOf(instanceId), 2));
  for (const each of await Promise.allSettled(written))
    expect(each).toMatchObject({ status: 'rejected', reason: { code: 'aws-throttled' } });
  expect(endpoint.requests).toHaveLength(1);
});

const invalid: AwsAnswer = { error: 'com.amazon.coral.validate#ValidationException' };

test.each([
  ['for the sake of that item', cancelled('None', 'ValidationError')],
  ['as a whole', invalid],
])(
  'an item that the table can not take fails alone: the transaction is refused %s',
  async (_how, refused) => {
    const { endpoint, table } = await start((request) => {
      if (request.operation === 'TransactWriteItems') return refused;
      return JSON.stringify(nameIn(request)).includes('i-2') ? invalid : {};
    });
    await using _ = endpoint;
    const [first, second] = ['i-1', 'i-2'].map((instanceId) => table.write(memberOf(instanceId), 2));
    await expect(first).resolves.toBe(true);
    await expect(second).rejects.toMatchObject({ code: 'aws-refused' });
  },
);

test('two writes of one membership are no transaction, which DynamoDB would refuse', async () => {
  const { endpoint, table } = await start(() => ({}));
  await using _ = endpoint;
  await Promise.all([2, 3].map((expected) => table.write(memberOf('i-1'), expected)));
  expect(asked(endpoint).map(({ operation }) => operation)).toEqual(['PutItem', 'PutItem']);
});

test('reads that come together share a request; one by itself is a strongly consistent GetItem', async () => {
  const { endpoint, table } = await start(({ operation }) =>
    operation === 'GetItem' ? {} : { Responses: [{ Item: itemOf('i-1') }, {}] },
  );
  await using _ = endpoint;
  await expect(Promise.all(['i-1', 'i-2'].map((each) => table.read(each)))).resolves.toEqual([
    memberOf('i-1'),
    undefined,
  ]);
  await expect(table.read('i-3')).resolves.toBeUndefined();
  expect(asked(endpoint)).toEqual([
    {
      operation: 'TransactGetItems',
      input: {
        TransactItems: ['i-1', 'i-2'].map((each) => ({ Get: { TableName: 'ledger', Key: Key(each) } })),
      },
    },
    { operation: 'GetItem', input: { TableName: 'ledger', Key: Key('i-3'), ConsistentRead: true } },
  ]);
});
