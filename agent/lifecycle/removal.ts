/** Removing the account of an instance from the directory, at the end of a join that failed or of an unjoin. */
import { AdjoinError } from '../errors.ts';
import { beforeRemoval, rememberedOf } from '../ledger/remembered.ts';
import { awaitStraggler } from '../ledger/staging.ts';
import { until } from '../patience.ts';
import type { Removal } from '../terms.ts';
import type { Work, WorkPorts } from './work.ts';

/** Removes the accounts of an instance, and its DNS records, for good. */
export async function removeAccount(
  { lease, action, check }: Pick<Work, 'lease' | 'action' | 'check'>,
  { directory, clock, patience }: WorkPorts,
  signal: AbortSignal,
): Promise<Removal> {
  await awaitStraggler(lease, clock, patience.operationMs, signal);
  check();
  const remembered = rememberedOf(lease.membership);
  return directory.remove(action.instanceId, remembered, beforeRemoval(lease, check), signal);
}

/**
 * The same, given up at the deadline, milliseconds since the Unix epoch: by then the ledger must say what is owed.
 * @throws AdjoinError `directory-unavailable` at the deadline
 */
export function removeAccountBy(deadline: number, work: Work, ports: WorkPorts): Promise<Removal> {
  const late = (): AdjoinError =>
    new AdjoinError('directory-unavailable', `${work.action.instanceId}: the hook's time is up.`);
  return until(ports.clock, deadline, work.signal, late, (limited) => removeAccount(work, ports, limited));
}
