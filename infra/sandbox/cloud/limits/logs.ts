/** CloudWatch Logs: log events. */
import type { Limit, Source } from './limit.ts';

const putLogEvents: Source = {
  title: 'PutLogEvents, Amazon CloudWatch Logs API Reference',
  url: 'https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html',
};

const invalid = (words: (given: string | number) => string) => ({ code: 'InvalidParameterException', words });

export const logBatch: Limit = {
  what: 'log events in one batch',
  least: 1,
  most: 10_000,
  source: putLogEvents,
  refusal: invalid((given) => `A batch has 1 to 10,000 log events, not ${given}.`),
};

export const logBatchBytes: Limit = {
  what: 'bytes of a batch of log events, with 26 for each event',
  most: 1_048_576,
  source: putLogEvents,
  refusal: invalid((given) => `Upload too large: ${given} bytes exceeds limit of 1048576`),
};

export const logEventBytes: Limit = {
  what: 'bytes of one log event',
  most: 1_048_576,
  source: putLogEvents,
  refusal: invalid((given) => `Log event too large: ${given} bytes exceeds limit of 1048576`),
};

export const logPage = {
  what: 'log events of one page',
  least: 1,
  most: 10_000,
  source: {
    title: 'FilterLogEvents, Amazon CloudWatch Logs API Reference',
    url: 'https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html',
  },
  refusal: invalid(
    (given) =>
      `1 validation error detected: Value '${given}' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 10000`,
  ),
} as const satisfies Limit;
