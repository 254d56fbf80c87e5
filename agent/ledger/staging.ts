/**
 * What the ledger says of an account that is about to be staged, and how long a write without an answer may still arrive.
 */
import type { Clock } from '../clock.ts';
import { AdjoinError } from '../errors.ts';
import type { StagingWrite } from '../terms.ts';
import type { Lease } from './ledger.ts';

/** Milliseconds for which an intention to stage is valid: when writing it takes longer, it is written again. */
const INTENTION_MS = 10_000;
/** Milliseconds on top of the time-outs, for a request that is carried out while its caller gives it up. */
const SLACK_MS = 5_000;

/**
 * Milliseconds after which a staging write without an answer was carried out or never will be: the intention, a search and
 * the write, both of these within the time-out of an operation.
 */
const straggleMs = (operationMs: number): number => INTENTION_MS + 2 * operationMs + SLACK_MS;

/**
 * Written before an account is made: if the process dies in between, the ledger says that there may be one, under which
 * name, and which domain controller knows.
 * @throws AdjoinError `lease-lost`; `aws-unavailable` when the ledger took too long
 */
export async function intendToStage(
  lease: Lease,
  clock: Clock,
  { computerName, domainController }: StagingWrite,
): Promise<void> {
  const stagingBegan = clock.now();
  await lease.update({
    // From now on an account may exist, also after an earlier end: a launch that comes back may find its record `removed`.
    state: 'joining',
    expiresAt: undefined,
    stagingBegan,
    computerName,
    domainController,
    // The value of an earlier staging is void: this staging moves the password, too, and must not pass for a join.
    stagedPasswordLastSet: undefined,
  });
  if (clock.now() - stagingBegan > INTENTION_MS) {
    throw new AdjoinError(
      'aws-unavailable',
      'The ledger took too long to take down what is about to be staged.',
    );
  }
}

/**
 * Waits for a staging write that may still be on its way, from this worker or from another.
 * @param operationMs milliseconds after which the directory's operations are given up
 */
export async function awaitStraggler(
  lease: Lease,
  clock: Clock,
  operationMs: number,
  signal: AbortSignal,
): Promise<void> {
  const { stagingBegan } = lease.membership;
  const left = stagingBegan === undefined ? 0 : stagingBegan + straggleMs(operationMs) - clock.now();
  if (left > 0) await clock.sleep(left, signal);
}
