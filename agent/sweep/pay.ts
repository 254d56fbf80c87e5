/**
 * Paying a debt, the only way in which the sweep removes anything:
 *
 *     lease on the membership ─▶ `owed` in the ledger ─▶ account and DNS records removed ─▶ `removed` in the ledger
 *
 * Whoever dies in between leaves a debt behind, and the next sweep pays it. A member keeps its own account, and stays a
 * member, while the others go:
 *
 *     lease on the membership ─▶ the other accounts and their DNS records removed
 *
 * Whoever dies in between leaves the rest to be seen by the next sweep.
 */
import { AdjoinError, asAdjoinError } from '../errors.ts';
import type { Holding } from '../ledger/ledger.ts';
import { expiryFrom, nothingLeft } from '../ledger/membership.ts';
import { createHold, type Hold } from '../lifecycle/lease.ts';
import { awaitStraggler, beforeDelete, rememberedOf } from '../lifecycle/removal.ts';
import type { Removed } from '../lifecycle/work.ts';
import type { SweepLimits, SweepPorts } from './ports.ts';

export interface Debt {
  readonly instanceId: string;
  /** The fencing token that the record had when it was judged; undefined when there was none. */
  readonly fencingToken: number | undefined;
  /** Names that the instance's accounts were seen with. */
  readonly names: readonly string[];
  /** objectGuid of the account that a member joined as, and keeps. */
  readonly keep?: string | undefined;
}

/** Removes what must go from the directory. */
async function clear(
  holding: Holding,
  hold: Hold,
  debt: Debt,
  { clock, directory }: SweepPorts,
  operationMs: number,
  signal: AbortSignal,
): Promise<Removed> {
  await awaitStraggler(holding, clock, operationMs, signal);
  // A process that was suspended must not act on a lease that ran out meanwhile.
  const check = (): void => hold.check();
  check();
  const remembered = { ...rememberedOf(holding.membership, debt.names), keep: debt.keep };
  const removed = await directory.remove(debt.instanceId, remembered, beforeDelete(holding, check), signal);
  signal.throwIfAborted();
  return removed;
}

async function remove(
  holding: Holding,
  hold: Hold,
  debt: Debt,
  ports: SweepPorts,
  operationMs: number,
  signal: AbortSignal,
): Promise<Removed> {
  const { clock } = ports;
  const { keep } = debt;
  if (keep === undefined && holding.membership.state !== 'owed') {
    await holding.update({ state: 'owed', expiresAt: undefined });
  }
  try {
    const removed = await clear(holding, hold, debt, ports, operationMs, signal);
    await holding.update(
      keep === undefined
        ? {
            state: 'removed',
            ...nothingLeft,
            domainController: removed.domainController,
            lastError: undefined,
            expiresAt: expiryFrom(clock.now()),
          }
        : { ...nothingLeft, lastError: undefined },
    );
    return removed;
  } catch (error) {
    signal.throwIfAborted();
    const { code, message } = asAdjoinError(error);
    await holding.update({ lastError: { code, message, at: clock.now() } });
    throw error;
  }
}

/**
 * @param signal aborts when the sweep must stop
 * @throws AdjoinError `action-owned-elsewhere` when the membership is in work, or has changed since it was judged
 */
export async function pay(
  debt: Debt,
  ports: SweepPorts,
  { leaseMs, operationMs }: Pick<SweepLimits, 'leaseMs' | 'operationMs'>,
  signal: AbortSignal,
): Promise<void> {
  const { instanceId } = debt;
  const { clock, log } = ports;
  const asked = clock.now();
  const holding = await ports.ledger.claim(instanceId);
  const hold = createHold(clock, (error) => log.warn('renewal failed, trying again', { instanceId, error }));
  try {
    // Claiming raises the token by one; anything more is somebody's work, and our judgement is out of date.
    if (holding.membership.fencingToken !== (debt.fencingToken ?? 0) + 1) {
      throw new AdjoinError(
        'action-owned-elsewhere',
        `${instanceId} has changed since the sweep looked at it.`,
      );
    }
    hold.add({ name: 'lease', lastsMs: leaseMs, renew: () => holding.renew() }, asked);
    const either = AbortSignal.any([signal, hold.signal]);
    const removed = await remove(holding, hold, debt, ports, operationMs, either);
    log.info('account removed by the sweep', { instanceId, ...removed });
  } finally {
    await hold.stop();
    await holding
      .release()
      .catch((error: unknown) => log.warn('lease not given back', { instanceId, error }));
  }
}
