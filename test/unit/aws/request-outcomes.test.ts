import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { SQSClient } from '@aws-sdk/client-sqs';
import { expect, test } from '@jest/globals';
import { createHash } from 'node:crypto';
import { createOutcomes, sendRequest } from '../../../agent/aws/request-outcomes.ts';
import { asked, inTurn, startAwsEndpoint } from '../../support/aws-endpoint.ts';

const key = { instanceId: { S: 'request/one' } };
const error = { code: 'join-failed', message: 'no' };
const item = {
  ...key,
  ending: { S: 'abandoned' },
  error: { M: { code: { S: 'join-failed' }, message: { S: 'no' } } },
  at: { N: '86400000' },
  // 31 days after 1970 began, in seconds.
  expiresAt: { N: '2678400' },
};

test('an outcome is an item of its own in the table, is read consistently, and goes by itself', async () => {
  await using endpoint = await startAwsEndpoint(inTurn({}, { Item: item }, {}));
  const outcomes = createOutcomes(new DynamoDBClient(endpoint.client), 'ledger');
  await outcomes.note('one', { ending: 'abandoned', error, at: 86_400_000 });
  await expect(outcomes.find('one')).resolves.toEqual({ ending: 'abandoned', error, at: 86_400_000 });
  await expect(outcomes.find('one')).resolves.toBeUndefined();
  const put = {
    TableName: 'ledger',
    Item: item,
    ConditionExpression: 'attribute_not_exists(instanceId)',
  };
  const get = { operation: 'GetItem', input: { TableName: 'ledger', Key: key, ConsistentRead: true } };
  expect(asked(endpoint)).toEqual([{ operation: 'PutItem', input: put }, get, get]);
});

test('the first outcome stays', async () => {
  const failed = { error: 'com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException' };
  await using endpoint = await startAwsEndpoint(inTurn(failed));
  const outcomes = createOutcomes(new DynamoDBClient(endpoint.client), 'ledger');
  await outcomes.note('one', { ending: 'void', at: 1 });
  expect(asked(endpoint)).toHaveLength(1);
});

test('that an outcome could not be noted is told', async () => {
  const refused = { error: 'com.amazonaws.dynamodb.v20120810#ValidationException' };
  await using endpoint = await startAwsEndpoint(inTurn(refused));
  const outcomes = createOutcomes(new DynamoDBClient(endpoint.client), 'ledger');
  await expect(outcomes.note('one', { ending: 'void', at: 1 })).rejects.toMatchObject({
    code: 'aws-refused',
  });
});

test('a request is one message, as it was written', async () => {
  const body = '{"adjoin":"request"}';
  const MD5OfMessageBody = createHash('md5').update(body).digest('hex');
  await using endpoint = await startAwsEndpoint(inTurn({ MessageId: 'm', MD5OfMessageBody }));
  const url = `${endpoint.client.endpoint}/123456789012/queue`;
  await sendRequest(new SQSClient(endpoint.client), url, body);
  expect(asked(endpoint)).toEqual([
    { operation: 'SendMessage', input: { QueueUrl: url, MessageBody: body } },
  ]);
});
