/**
 * Whether EC2 or the directory shows far less than before. What was before, the ledger knows: a member was seen in the
 * directory when it joined, and a hook tells when it leaves. Single instances end past their hooks; that most of a fleet does so at once
 * is more likely a role that may no longer see it, or a part of the directory that is not there.
 */
import { AdjoinError } from '../errors.ts';

/** Fewer are no sign of anything: the direct end of a small fleet is common. */
const FEWEST = 5;

/**
 * @param known how many members were looked for
 * @param missing how many of them were not there
 * @param largestLoss share of `known` that may be missing, from 0 to 1
 */
export function isShrunk(known: number, missing: number, largestLoss: number): boolean {
  return missing >= FEWEST && missing > known * largestLoss;
}

/** How many of the missing are looked for one by one before they count as lost. */
export const SAMPLE = FEWEST;

export function shrunk(where: 'EC2' | 'The directory', known: number, missing: number): AdjoinError {
  return new AdjoinError(
    'inventory-shrunk',
    `${where} shows ${known - missing} of ${known} members that the ledger knows.`,
  );
}
