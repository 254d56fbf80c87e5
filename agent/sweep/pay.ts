/**
 * Paying what is owed, the only way in which the sweep removes anything:
 *
 *     lease on the membership ─▶ `owed` in the ledger ─▶ account and DNS records removed ─▶ `removed` in the ledger
 *
 * A crash in between leaves `owed` behind, and the next sweep pays it. A member keeps its own account, and stays a member,
 * while its other accounts go:
 *
 *     lease on the membership ─▶ the other accounts and their DNS records removed
 *
 * After a crash in between, the next sweep finds the rest.
 */
import type { Clock } from '../clock.ts';
import { AdjoinError, asAdjoinError } from '../errors.ts';
import { createKeepAlive } from '../keep-alive.ts';
import type { Lease } from '../ledger/ledger.ts';
import { expiryFrom, isUnmatched, NOTHING_LEFT, type MembershipChange } from '../ledger/membership.ts';
import { beforeRemoval, rememberedOf } from '../ledger/remembered.ts';
import { awaitStraggler } from '../ledger/staging.ts';
import type { Removal, RememberedAccounts } from '../terms.ts';
import type { SweepPorts } from './ports.ts';

/** What is to be removed. */
export interface Debt {
  readonly instanceId: string;
  /** The fencing token that the record had when it was judged; undefined when there was none. */
  readonly fencingToken: number | undefined;
  /** Names that the instance's accounts were seen with. */
  readonly names: readonly string[];
  /** objectGuid of the account that a member joined as, and keeps. */
  readonly keep?: string | undefined;
}

/** A debt under a lease. */
interface Payment {
  readonly debt: Debt;
  readonly lease: Lease;
  readonly signal: AbortSignal;
  /** Asked before an effect: a process that was suspended must not act on a lease that ran out meanwhile. */
  readonly check: () => void;
}

/** Removes from the directory what must go. */
async function clear(
  { debt, lease, signal, check }: Payment,
  remembered: RememberedAccounts,
  { clock, directory }: SweepPorts,
  operationMs: number,
): Promise<Removal> {
  await awaitStraggler(lease, clock, operationMs, signal);
  check();
  const removed = await directory.remove(debt.instanceId, remembered, beforeRemoval(lease, check), signal);
  signal.throwIfAborted();
  return removed;
}

/** What the membership ends with. Where nobody knows which account had to go, it is not said that it is gone. */
function endOf({ membership }: Lease, clock: Pick<Clock, 'now'>): MembershipChange {
  if (!isUnmatched(membership)) return { state: 'removed', lastError: undefined };
  const message = `${membership.instanceId} has ended, and its account, which others had made, was never proven.`;
  return { state: 'failed', lastError: { code: 'account-unmatched', message, at: clock.now() } };
}

async function remove(payment: Payment, ports: SweepPorts, operationMs: number): Promise<Removal> {
  const { lease, signal } = payment;
  const { clock } = ports;
  const { keep, names } = payment.debt;
  // Before it becomes `owed`: what had ended may have nothing left but records.
  const remembered = { ...rememberedOf(lease.membership, names), keep };
  if (keep === undefined && lease.membership.state !== 'owed') {
    await lease.update({ state: 'owed', expiresAt: undefined });
  }
  try {
    const removed = await clear(payment, remembered, ports, operationMs);
    await lease.update(
      keep === undefined
        ? {
            ...endOf(lease, clock),
            ...NOTHING_LEFT,
            domainController: removed.domainController,
            expiresAt: expiryFrom(clock.now()),
          }
        : { ...NOTHING_LEFT, lastError: undefined },
    );
    return removed;
  } catch (error) {
    signal.throwIfAborted();
    const { code, message } = asAdjoinError(error);
    await lease.update({ lastError: { code, message, at: clock.now() } });
    throw error;
  }
}

/**
 * Pays one debt.
 * @param operationMs milliseconds after which one operation of the directory is given up
 * @param signal aborts when the sweep must stop
 * @throws AdjoinError `action-owned-elsewhere` when another worker has the membership, or it has changed since it was judged
 */
export async function pay(
  debt: Debt,
  ports: SweepPorts,
  operationMs: number,
  signal: AbortSignal,
): Promise<void> {
  const { instanceId } = debt;
  const { clock, log } = ports;
  const asked = clock.now();
  const lease = await ports.ledger.claim(instanceId);
  const keepAlive = createKeepAlive(clock, (error) =>
    log.warn('renewal failed, trying again', { instanceId, error }),
  );
  try {
    // A claim raises the token by one. If it is higher, another worker was there, and the judgement is out of date.
    if (lease.membership.fencingToken !== (debt.fencingToken ?? 0) + 1) {
      throw new AdjoinError(
        'action-owned-elsewhere',
        `${instanceId} has changed since the sweep looked at it.`,
      );
    }
    keepAlive.add(lease, asked);
    const either = AbortSignal.any([signal, keepAlive.signal]);
    const check = (): void => keepAlive.check();
    const removed = await remove({ debt, lease, signal: either, check }, ports, operationMs);
    log.info('account removed by the sweep', { instanceId, ...removed });
  } finally {
    await keepAlive.stop();
    await lease.release().catch((error: unknown) => log.warn('lease not given back', { instanceId, error }));
  }
}
