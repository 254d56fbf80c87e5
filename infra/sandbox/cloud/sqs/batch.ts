import type { BatchResultErrorEntry } from '@aws-sdk/client-sqs';
import { ServiceFailure } from '../failure.ts';

/** A batch request carries at most this many entries; and so many messages one receipt. */
export const mostEntries = 10;

/** Runs a batch: each entry succeeds or fails by itself. */
export function batch<Entry extends { Id?: string | undefined }, Result>(
  entries: readonly Entry[],
  run: (entry: Entry) => Result,
): { Successful: Result[]; Failed: BatchResultErrorEntry[] } {
  if (entries.length === 0)
    throw new ServiceFailure('EmptyBatchRequest', 'There should be at least one entry in the request.');
  if (entries.length > mostEntries) {
    throw new ServiceFailure(
      'TooManyEntriesInBatchRequest',
      `Maximum number of entries per request are ${mostEntries}. You have sent ${entries.length}.`,
    );
  }
  const ids = entries.map((each) => each.Id ?? '');
  const invalid = ids.find((id) => !/^[\w-]{1,80}$/.test(id));
  if (invalid !== undefined) {
    throw new ServiceFailure(
      'InvalidBatchEntryId',
      'A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.',
    );
  }
  if (new Set(ids).size < ids.length)
    throw new ServiceFailure('BatchEntryIdsNotDistinct', 'Ids of entries must be distinct.');
  const Successful: Result[] = [];
  const Failed: BatchResultErrorEntry[] = [];
  for (const entry of entries) {
    try {
      Successful.push(run(entry));
    } catch (error) {
      if (!(error instanceof ServiceFailure)) throw error;
      Failed.push({ Id: entry.Id, SenderFault: true, Code: error.code, Message: error.message });
    }
  }
  return { Successful, Failed };
}
