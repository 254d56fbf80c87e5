/** Taking an account out of the directory, on whatever way an action ends. */
import { AdjoinError } from '../errors.ts';
import type { Clock } from '../clock.ts';
import type { Holding } from '../ledger/ledger.ts';
import type { Work, WorkPorts } from './work.ts';

/** Milliseconds for which an intention to stage is good: longer in the writing, and it is written again. */
const INTENTION_MS = 10_000;
/**
 * Milliseconds after which a staging write whose answer nobody has seen is carried out or never will be: the intention,
 * a search and the write, each within its time-out (`directory.operationSeconds`, 15 s).
 */
const STRAGGLE_MS = 45_000;

/** Written before an account is made: should we die in between, the ledger says that there may be one. */
export async function intendToStage(holding: Holding, clock: Clock): Promise<void> {
  const stagingBegan = clock.now();
  // What an earlier staging left counts no more: this one moves the password, too, and must not pass for a join.
  await holding.update({ stagingBegan, stagedPasswordLastSet: undefined });
  if (clock.now() - stagingBegan > INTENTION_MS) {
    throw new AdjoinError(
      'aws-unavailable',
      'The ledger took too long to take down what is about to be staged.',
    );
  }
}

/** Waits for a staging write that may still be on its way, from whichever worker. */
export async function awaitStraggler(holding: Holding, clock: Clock, signal: AbortSignal): Promise<void> {
  const { stagingBegan } = holding.membership;
  const left = stagingBegan === undefined ? 0 : stagingBegan + STRAGGLE_MS - clock.now();
  if (left > 0) await clock.sleep(left, signal);
}

/** Removes the account of a held instance, and its DNS records, for good. */
export async function removeAccount(
  { holding, action, check }: Pick<Work, 'holding' | 'action' | 'check'>,
  { directory, clock }: WorkPorts,
  signal: AbortSignal,
): Promise<{ readonly accounts: readonly string[]; readonly dnsRecords: readonly string[] }> {
  await awaitStraggler(holding, clock, signal);
  const { computerName } = holding.membership;
  check();
  return directory.remove(action.instanceId, computerName ? [computerName] : [], signal);
}
