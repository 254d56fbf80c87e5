/**
 * A launch that became void in the middle of the work: it was answered by another, it timed out, or the instance is being
 * terminated. If Auto Scaling shows that the instance does not live on, its account is removed now, because no later
 * message is promised. If Auto Scaling shows nothing, that is no proof, and the sweep asks EC2.
 */
import { AdjoinError } from '../errors.ts';
import { createKeepAlive } from '../keep-alive.ts';
import type { Lease } from '../ledger/ledger.ts';
import { endedAt, mayHaveAccount } from '../ledger/membership.ts';
import { awaitStraggler } from '../ledger/staging.ts';
import type { Log } from '../log.ts';
import { until } from '../patience.ts';
import type { LifecycleAction } from '../terms.ts';
import type { AdmissionPorts } from './admission.ts';
import type { InProgress } from './in-progress.ts';
import { isEnded } from './standalone.ts';
import { removeAccount } from './removal.ts';
import { isEnding } from './void-action.ts';
import type { WorkPorts } from './work.ts';

/** Milliseconds that each step of removing the account of a void launch may take before the removal is owed. */
const SETTLE_MS = 60_000;

export interface VoidLaunch {
  readonly action: LifecycleAction;
  readonly lease: Lease;
  readonly log: Log;
}

export interface VoidLaunchPorts extends WorkPorts {
  readonly admission: Pick<AdmissionPorts, 'instance' | 'ec2'>;
  readonly inProgress: InProgress;
}

type Bounded = <T>(task: (signal: AbortSignal) => Promise<T>) => Promise<T>;

async function removeIt(
  { action, lease, log }: VoidLaunch,
  ports: VoidLaunchPorts,
  { signal, check, bounded }: { signal: AbortSignal; check: () => void; bounded: Bounded },
): Promise<void> {
  const { clock, patience } = ports;
  try {
    await awaitStraggler(lease, clock, patience.operationMs, signal);
    const removed = await bounded((limited) => removeAccount({ action, lease, check }, ports, limited));
    log.info('account of a void launch removed', { ...removed });
    const { domainController } = removed;
    await lease.update({ state: 'removed', ...endedAt(clock.now()), domainController });
  } catch (error) {
    log.error('account of a void launch is owed to the sweep', { error });
    await lease.update({ state: 'owed' });
  }
}

/** Whether it is shown that the instance does not live on. */
async function isOver(
  { action: { source, instanceId }, log }: VoidLaunch,
  { admission }: VoidLaunchPorts,
  signal: AbortSignal,
): Promise<boolean> {
  if (source !== undefined) return isEnded(await admission.ec2(instanceId, signal));
  const state = await admission.instance(instanceId, signal);
  if (!state) log.warn('account of a void launch is left to the sweep: its instance is not shown');
  // A void answer may be this worker's own, sent twice by a client that missed the response to the first.
  return isEnding(state);
}

/** @throws AdjoinError `lease-lost`, or what Auto Scaling, EC2 or the ledger answered */
export async function settleVoidLaunch(launch: VoidLaunch, ports: VoidLaunchPorts): Promise<void> {
  const { action, lease, log } = launch;
  const { clock, inProgress } = ports;
  if (!mayHaveAccount(lease.membership)) return;
  const unsettled = (): AdjoinError =>
    new AdjoinError('directory-unavailable', `${action.instanceId}: no answer within ${SETTLE_MS / 1000} s.`);
  // The action's own keep-alive is over. From here on the lease alone is renewed, and each step is bounded by time.
  const keepAlive = createKeepAlive(clock, (error) => log.warn('renewal failed, trying again', { error }));
  const leasedAt = clock.now();
  await lease.renew();
  keepAlive.add(lease, leasedAt);
  inProgress.add(keepAlive);
  const { signal } = keepAlive;
  const check = (): void => keepAlive.check();
  const bounded: Bounded = (task) => until(clock, clock.now() + SETTLE_MS, signal, unsettled, task);
  try {
    if (!(await bounded((limited) => isOver(launch, ports, limited)))) return;
    await removeIt(launch, ports, { signal, check, bounded });
  } finally {
    await keepAlive.stop();
    inProgress.remove(keepAlive);
  }
}
