/** CloudWatch Logs as far as a worker's log goes in and a person reads it: no filter patterns, no queries, no live tail. */
import {
  CreateLogStream$,
  errorTypeRegistries,
  FilterLogEvents$,
  PutLogEvents$,
  type CreateLogStreamCommandInput,
  type FilterLogEventsCommandInput,
  type FilterLogEventsResponse,
  type PutLogEventsCommandInput,
  type PutLogEventsResponse,
} from '@aws-sdk/client-cloudwatch-logs';
import { ServiceFailure } from '../failure.ts';
import { enforce } from '../limits/limit.ts';
import { logBatch, logBatchBytes, logEventBytes, logPage } from '../limits/logs.ts';
import { operationsOn, operationTable } from '../operations.ts';
import { page } from '../pages.ts';
import type { Service } from '../service.ts';
import type { LogGroups } from './groups.ts';

interface LogParts {
  readonly groups: LogGroups;
}

interface OfStream {
  readonly logGroupName?: string | undefined;
  readonly logStreamName?: string | undefined;
}

const ofStream = ({ groups }: LogParts, { logGroupName = '', logStreamName = '' }: OfStream) => [
  { arn: groups.arnOf(logGroupName, logStreamName) },
];

export function logsService(parts: LogParts): Service {
  const on = operationsOn('logs', parts);
  return {
    name: 'logs',
    protocol: 'json1.1',
    selector: 'Logs_20140328',
    errors: errorTypeRegistries,
    operations: operationTable([
      on(CreateLogStream$, createLogStream, ofStream),
      on(PutLogEvents$, putLogEvents, ofStream),
      on(FilterLogEvents$, filterLogEvents, ({ groups }, { logGroupName = '' }) => [
        { arn: groups.arnOf(logGroupName) },
      ]),
    ]),
  };
}

function createLogStream({ groups }: LogParts, input: CreateLogStreamCommandInput): void {
  groups.createStream(input.logGroupName ?? '', input.logStreamName ?? '');
}

/** Each event counts with 26 bytes besides its text. */
const eventOverhead = 26;

function putLogEvents({ groups }: LogParts, input: PutLogEventsCommandInput): PutLogEventsResponse {
  const { logGroupName = '', logStreamName = '' } = input;
  const events = (input.logEvents ?? []).map(({ timestamp = 0, message = '' }) => ({ timestamp, message }));
  enforce(logBatch, events.length);
  const sizes = events.map(({ message }) => Buffer.byteLength(message) + eventOverhead);
  for (const size of sizes) enforce(logEventBytes, size);
  enforce(
    logBatchBytes,
    sizes.reduce((sum, size) => sum + size, 0),
  );
  if (events.some(({ timestamp }, index) => timestamp < (events[index - 1]?.timestamp ?? 0)))
    throw new ServiceFailure(
      'InvalidParameterException',
      'Log events in a single PutLogEvents request must be in chronological order.',
    );
  groups.put(logGroupName, logStreamName, events);
  return {};
}

function filterLogEvents({ groups }: LogParts, input: FilterLogEventsCommandInput): FilterLogEventsResponse {
  const {
    logGroupName,
    logStreamNames,
    logStreamNamePrefix,
    startTime = 0,
    endTime = Infinity,
    limit,
  } = input;
  if (logGroupName === undefined || (input.filterPattern ?? '') !== '')
    throw new ServiceFailure(
      'InvalidParameterException',
      'The sandbox finds log events by the name of their group, and knows no patterns.',
    );
  if (limit !== undefined) enforce(logPage, limit);
  const found = groups
    .events(logGroupName)
    .filter(
      ({ stream, timestamp }) =>
        timestamp >= startTime &&
        timestamp <= endTime &&
        (logStreamNames === undefined || logStreamNames.includes(stream)) &&
        stream.startsWith(logStreamNamePrefix ?? ''),
    );
  const order = new Map(found.map((event, index) => [event, String(index).padStart(9, '0')]));
  const { items, next } = page(
    found,
    (event) => order.get(event) ?? '',
    input.nextToken,
    limit ?? logPage.most,
    'InvalidParameterException',
  );
  return {
    events: items.map(({ id, stream, ...event }) => ({ eventId: id, logStreamName: stream, ...event })),
    searchedLogStreams: [],
    nextToken: next,
  };
}
