/** CloudWatch Logs, called by the SDK: a log goes in by streams and comes out by time. */
import {
  CreateLogStreamCommand,
  FilterLogEventsCommand,
  paginateFilterLogEvents,
  PutLogEventsCommand,
  type CloudWatchLogsClient,
} from '@aws-sdk/client-cloudwatch-logs';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { accountId, region, startBench, type Bench } from '../bench.ts';

let bench: Bench;
let logs: CloudWatchLogsClient;
let asked: string[];
const logGroupName = '/adjoin/adjoin/worker';

beforeEach(async () => {
  asked = [];
  bench = await startBench({
    authorize({ action, resource }) {
      asked.push(`${action} ${resource.arn}`);
      return { allowed: true };
    },
  });
  ({ logs } = bench.as('operator'));
  bench.cloud.logGroups.create(logGroupName);
});
afterEach(async () => {
  await bench[Symbol.asyncDispose]();
});

const stream = (logStreamName: string) =>
  logs.send(new CreateLogStreamCommand({ logGroupName, logStreamName }));
const put = (logStreamName: string, ...events: (readonly [timestamp: number, message: string])[]) =>
  logs.send(
    new PutLogEventsCommand({
      logGroupName,
      logStreamName,
      logEvents: events.map(([timestamp, message]) => ({ timestamp, message })),
    }),
  );

test('events of all streams are found in the order of their time, from a time on', async () => {
  await stream('one');
  await stream('other');
  await put('one', [1_000, 'a'], [3_000, 'c']);
  await put('other', [2_000, 'b']);
  const { events } = await logs.send(new FilterLogEventsCommand({ logGroupName, startTime: 2_000 }));
  expect(events).toEqual([
    expect.objectContaining({ logStreamName: 'other', timestamp: 2_000, message: 'b' }),
    expect.objectContaining({ logStreamName: 'one', timestamp: 3_000, message: 'c' }),
  ]);
  const of = await logs.send(new FilterLogEventsCommand({ logGroupName, logStreamNames: ['one'] }));
  expect(of.events?.map(({ message }) => message)).toEqual(['a', 'c']);
});

test('a page has no more events than are asked for, and the next one goes on', async () => {
  await stream('one');
  await put('one', [1, 'a'], [1, 'b'], [2, 'c']);
  const pages: unknown[] = [];
  for await (const { events } of paginateFilterLogEvents({ client: logs }, { logGroupName, limit: 2 }))
    pages.push(events?.map(({ message }) => message));
  expect(pages).toEqual([['a', 'b'], ['c']]);
});

test('policies see the group of a reader and the stream of a writer', async () => {
  await stream('i-1');
  await put('i-1', [1, 'a']);
  await logs.send(new FilterLogEventsCommand({ logGroupName }));
  const group = `arn:aws:logs:${region}:${accountId}:log-group:${logGroupName}`;
  expect(asked).toEqual([
    `logs:CreateLogStream ${group}:log-stream:i-1`,
    `logs:PutLogEvents ${group}:log-stream:i-1`,
    `logs:FilterLogEvents ${group}`,
  ]);
});

test('what is not there, is there already, or is too much, is refused', async () => {
  const missing = { name: 'ResourceNotFoundException' };
  await expect(put('one', [1, 'a'])).rejects.toMatchObject(missing);
  await expect(logs.send(new FilterLogEventsCommand({ logGroupName: '/none' }))).rejects.toMatchObject({
    ...missing,
    message: 'The specified log group does not exist.',
  });
  await stream('one');
  await expect(stream('one')).rejects.toMatchObject({ name: 'ResourceAlreadyExistsException' });
  const invalid = { name: 'InvalidParameterException' };
  await expect(put('one', [2, 'a'], [1, 'b'])).rejects.toMatchObject(invalid);
  await expect(put('one')).rejects.toMatchObject(invalid);
  await expect(put('one', [1, 'x'.repeat(1_048_551)])).rejects.toMatchObject(invalid);
  await expect(logs.send(new FilterLogEventsCommand({ logGroupName, limit: 10_001 }))).rejects.toMatchObject(
    invalid,
  );
  expect((await logs.send(new FilterLogEventsCommand({ logGroupName }))).events).toEqual([]);
});
