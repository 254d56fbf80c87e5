/**
 * An action that Auto Scaling no longer waits for. Its message is deleted, and no later one is promised. So first the ledger
 * is asked what it leaves behind: when an account may be there, and the instance does not live on, the removal is owed to the
 * sweep. A message alone proves nothing of this. Auto Scaling must show that the instance ends, or EC2 that it is terminated.
 */
import { asAdjoinError } from '../errors.ts';
import type { Lease, Ledger } from '../ledger/ledger.ts';
import { hasVerdict, mayHaveAccount, type Membership } from '../ledger/membership.ts';
import type { Log } from '../log.ts';
import type { Existence, InstanceState, LifecycleAction } from '../terms.ts';
import type { AdmissionPorts } from './admission.ts';

/** States of an instance that does not live on; one that a warm pool takes back is in none of them. */
const ENDING_STATE = /^(Warmed:)?Terminat/;

export interface ExistencePorts extends Pick<AdmissionPorts, 'instance'> {
  /** What EC2 says of the instance. @throws AdjoinError `account-unproven` when it is another account's */
  existence(instanceId: string, signal: AbortSignal): Promise<Existence>;
}

/** Whether Auto Scaling shows that the instance does not live on. One that is not shown may be too new for its view. */
export const isEnding = (state: InstanceState | undefined): boolean =>
  state !== undefined && ENDING_STATE.test(state.lifecycleState);

/**
 * Whether it is shown that the instance does not live on. That EC2 does not know it proves nothing here: it may be too new. The
 * sweep, which knows how old an account is, does the rest.
 * @throws AdjoinError `aws-*`
 */
async function isOver(instanceId: string, ports: ExistencePorts, signal: AbortSignal): Promise<boolean> {
  const state = await ports.instance(instanceId, signal);
  if (state) return isEnding(state);
  try {
    return (await ports.existence(instanceId, signal)) === 'terminated';
  } catch (error) {
    // It is another account's instance: the sweep looks again.
    if (asAdjoinError(error).code === 'account-unproven') return false;
    throw error;
  }
}

const isUnpaid = (membership: Membership): boolean =>
  mayHaveAccount(membership) && membership.state !== 'owed';

/** Writes the debt down, if there is one. @returns whether there is */
async function owe(lease: Lease, log: Log): Promise<boolean> {
  if (!isUnpaid(lease.membership)) return false;
  const { state, computerName } = lease.membership;
  await lease.update({ state: 'owed', expiresAt: undefined });
  log.warn('account of a void action is owed to the sweep', { state, computerName });
  return true;
}

/**
 * What is left of a termination that became void in the middle of the work, under its own lease.
 * @throws AdjoinError `lease-lost`, or what Auto Scaling, EC2 or the ledger answered
 */
export async function settleVoidTermination(
  { action, lease, log }: { readonly action: LifecycleAction; readonly lease: Lease; readonly log: Log },
  ports: ExistencePorts,
  signal: AbortSignal,
): Promise<void> {
  if (isUnpaid(lease.membership) && (await isOver(action.instanceId, ports, signal))) await owe(lease, log);
}

/**
 * What is left of an action that was void by the time its message was received.
 * @returns whether the ledger shows that the action was worked on to its end: then the message comes after its own answer
 * @throws AdjoinError `action-owned-elsewhere` while another worker has the lease; or what AWS answered
 */
export async function settleVoidMessage(
  action: LifecycleAction,
  {
    ledger,
    ports,
    signal,
    log,
  }: {
    readonly ledger: Pick<Ledger, 'find' | 'claim'>;
    readonly ports: ExistencePorts;
    readonly signal: AbortSignal;
    readonly log: Log;
  },
): Promise<boolean> {
  const { instanceId } = action;
  const known = await ledger.find(instanceId);
  if (!known) return false;
  if (isUnpaid(known) && (await isOver(instanceId, ports, signal))) {
    const lease = await ledger.claim(instanceId);
    try {
      await owe(lease, log);
    } finally {
      await lease.release().catch((error: unknown) => log.warn('lease not given back', { error }));
    }
  }
  return hasVerdict(action, known);
}
