/** Taking an account out of the directory, on whatever way an action ends. */
import { AdjoinError } from '../errors.ts';
import type { Clock } from '../clock.ts';
import type { Holding } from '../ledger/ledger.ts';
import type { Membership } from '../ledger/membership.ts';
import { until } from '../patience.ts';
import type { Remembered, Removed, StagingWrite, Work, WorkPorts } from './work.ts';

/** Milliseconds for which an intention to stage is good: longer in the writing, and it is written again. */
const INTENTION_MS = 10_000;
/** Milliseconds on top of the time-outs, for a request that is carried out while its caller gives it up. */
const SLACK_MS = 5_000;

/**
 * Milliseconds after which a staging write whose answer nobody has seen is carried out or never will be: the intention,
 * a search and the write, both of these within the time-out of an operation.
 */
const straggleMs = (operationMs: number): number => INTENTION_MS + 2 * operationMs + SLACK_MS;

/**
 * Written before an account is made: should we die in between, the ledger says that there may be one, under which name,
 * and which domain controller knows.
 */
export async function intendToStage(
  holding: Holding,
  clock: Clock,
  { computerName, domainController }: StagingWrite,
): Promise<void> {
  const stagingBegan = clock.now();
  await holding.update({
    // Whatever ended before, an account may be there from now on: a launch that comes back may find its record `removed`.
    state: 'joining',
    expiresAt: undefined,
    stagingBegan,
    computerName,
    domainController,
    // What an earlier staging left counts no more: this one moves the password, too, and must not pass for a join.
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
 * Waits for a staging write that may still be on its way, from whichever worker.
 * @param operationMs milliseconds after which the directory's operations are given up
 */
export async function awaitStraggler(
  holding: Holding,
  clock: Clock,
  operationMs: number,
  signal: AbortSignal,
): Promise<void> {
  const { stagingBegan } = holding.membership;
  const left = stagingBegan === undefined ? 0 : stagingBegan + straggleMs(operationMs) - clock.now();
  if (left > 0) await clock.sleep(left, signal);
}

/** What the ledger knows of an instance's account. @param names others that it is known to have had */
export function rememberedOf(membership: Membership, names: readonly string[] = []): Remembered {
  const { computerName, foundNames = [], domainController } = membership;
  const known = computerName === undefined ? names : [...names, computerName];
  return { names: [...new Set(known)], foundNames, domainController };
}

/**
 * What comes right before each delete: the ledger learns the name, because the record in DNS may be found by nothing else
 * once the account is gone (a staging that found an account which others had stamped for us has taken that one's name);
 * then the hold is checked, because looking for the account has taken its time.
 */
export function beforeDelete(holding: Holding, check: () => void): (computerName: string) => Promise<void> {
  return async (computerName) => {
    const { foundNames = [] } = holding.membership;
    if (!foundNames.includes(computerName)) {
      await holding.update({ foundNames: [...foundNames, computerName] });
    }
    check();
  };
}

/** Removes the account of a held instance, and its DNS records, for good. */
export async function removeAccount(
  { holding, action, check }: Pick<Work, 'holding' | 'action' | 'check'>,
  { directory, clock, patience }: WorkPorts,
  signal: AbortSignal,
): Promise<Removed> {
  await awaitStraggler(holding, clock, patience.operationMs, signal);
  check();
  const remembered = rememberedOf(holding.membership);
  return directory.remove(action.instanceId, remembered, beforeDelete(holding, check), signal);
}

/**
 * The same, given up at the deadline, milliseconds since the Unix epoch: until then the debt must be in the ledger.
 * @throws AdjoinError `directory-unavailable` when it is
 */
export function removeAccountBy(deadline: number, work: Work, ports: WorkPorts): Promise<Removed> {
  const late = (): AdjoinError =>
    new AdjoinError('directory-unavailable', `${work.action.instanceId}: the hook's time is up.`);
  return until(ports.clock, deadline, work.signal, late, (limited) => removeAccount(work, ports, limited));
}
