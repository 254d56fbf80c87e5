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
  const get = { operation: 'GetItem', input: { TableName: 'ledger', Key: key, ConsistentRead: true } };
  expect(asked(endpoint)).toEqual([
    { operation: 'PutItem', input: { TableName: 'ledger', Item: item } },
    get,
    get,
  ]);
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
