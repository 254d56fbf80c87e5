/**
 * A join of an instance that is a member already: it was stopped and started again, its event came twice, or an operator asked once
 * more. Nothing is changed, on the node, in the directory, or in the ledger. What the directory shows is compared with the ledger, and
 * a difference is only reported: an account that was disabled or deleted by others is not made anew behind their backs.
 */
import { AdjoinError, asAdjoinError } from '../errors.ts';
import { until } from '../patience.ts';
import type { Verdict, Work, WorkPorts } from './work.ts';

/** Milliseconds that the look at the directory may take. The sweep finds what is missed. */
const LOOK_MS = 60_000;

/** What is wrong with the member's account, if anything is. @throws AdjoinError what the directory does */
async function fault(work: Work, ports: WorkPorts, signal: AbortSignal): Promise<AdjoinError | undefined> {
  const { instanceId } = work.action;
  const { computerName = 'its account', objectGuid, objectSids, domainController } = work.lease.membership;
  if (!objectGuid || !domainController)
    return new AdjoinError('unexpected', `${instanceId}: the ledger lacks its account.`);
  const staged = { objectGuid, domainController, objectSids };
  const account = await ports.directory.inspect(instanceId, staged, signal);
  if (account === undefined || !account.ours) {
    const message = `${instanceId} is a member in the ledger, but ${computerName} is not in the unit any more.`;
    return new AdjoinError('account-vanished', message);
  }
  if (!account.enabled) {
    return new AdjoinError('join-unverified', `${instanceId} is a member, but ${computerName} is disabled.`);
  }
  return undefined;
}

/** @throws AdjoinError with disposition `yield` or `acknowledge` when the work must stop where it is */
export async function confirmMember(work: Work, ports: WorkPorts): Promise<Verdict> {
  const { action, lease, log, signal, slot } = work;
  const { computerName } = lease.membership;
  await slot.take(signal);
  const late = (): AdjoinError =>
    new AdjoinError('directory-unavailable', `${action.instanceId}: no answer within ${LOOK_MS / 1000} s.`);
  let error: AdjoinError | undefined;
  try {
    error = await until(ports.clock, ports.clock.now() + LOOK_MS, signal, late, (limited) =>
      fault(work, ports, limited),
    );
  } catch (trouble) {
    signal.throwIfAborted();
    error = asAdjoinError(trouble);
  }
  if (error) log.warn('member not confirmed, nothing is changed', { computerName, error });
  else log.info('already a member', { computerName });
  return { answer: undefined, ending: 'kept', error };
}
