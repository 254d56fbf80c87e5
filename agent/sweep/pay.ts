/**
 * Paying a debt, the only way in which the sweep removes anything:
 *
 *     lease on the membership ─▶ `owed` in the ledger ─▶ account and DNS records removed ─▶ `removed` in the ledger
 *
 * Whoever dies in between leaves a debt behind, and the next sweep pays it.
 */
import { AdjoinError, asAdjoinError } from '../errors.ts';
import type { Holding } from '../ledger/ledger.ts';
import { expiryFrom } from '../ledger/membership.ts';
import { createHold, type Hold } from '../lifecycle/lease.ts';
import { awaitStraggler } from '../lifecycle/removal.ts';
import type { SweepPorts } from './ports.ts';

export interface Debt {
  readonly instanceId: string;
  /** The fencing token that the record had when it was judged; undefined when there was none. */
  readonly fencingToken: number | undefined;
  readonly knownNames: readonly string[];
}

async function remove(
  holding: Holding,
  hold: Hold,
  debt: Debt,
  ports: SweepPorts,
  signal: AbortSignal,
): Promise<{ readonly accounts: readonly string[]; readonly dnsRecords: readonly string[] }> {
  const { clock, directory } = ports;
  if (holding.membership.state !== 'owed') await holding.update({ state: 'owed', expiresAt: undefined });
  try {
    await awaitStraggler(holding, clock, signal);
    // A process that was suspended must not act on a lease that ran out meanwhile.
    hold.check();
    const removed = await directory.remove(debt.instanceId, debt.knownNames, signal);
    signal.throwIfAborted();
    await holding.update({
      state: 'removed',
      stagingBegan: undefined,
      lastError: undefined,
      expiresAt: expiryFrom(clock.now()),
    });
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
  leaseMs: number,
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
    const removed = await remove(holding, hold, debt, ports, AbortSignal.any([signal, hold.signal]));
    log.info('account removed by the sweep', { instanceId, ...removed });
  } finally {
    await hold.stop();
    await holding
      .release()
      .catch((error: unknown) => log.warn('lease not given back', { instanceId, error }));
  }
}
