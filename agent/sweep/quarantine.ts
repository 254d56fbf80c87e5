/**
 * Quarantine: the accounts of an instance that is gone past its hooks are disabled first, and removed days later. Should the
 * instance turn out to live, they are enabled again.
 *
 *     lease on the membership ─▶ `quarantinedAt` in the ledger ─▶ accounts disabled ── days later ─▶ owed, removed
 *                                                                        └─ the instance lives ─▶ enabled, and no `quarantinedAt`
 *
 * Each account is noted in the ledger right before it is disabled, and only those are enabled again: an account that is disabled
 * already was disabled by an administrator, who had a reason. A crash before the accounts are disabled leaves them enabled until
 * they are removed. A crash before `quarantinedAt` is taken back lets the next sweep enable them once more.
 */
import { rememberedOf } from '../ledger/remembered.ts';
import type { FoundAccount } from '../terms.ts';
import { underLease, type Debt } from './pay.ts';
import type { SweepPorts } from './ports.ts';

/** @throws AdjoinError as `pay` */
export async function setAside(debt: Debt, ports: SweepPorts, signal: AbortSignal): Promise<void> {
  const { clock, directory, log } = ports;
  const { instanceId, names } = debt;
  const accounts = await underLease(
    debt,
    ports,
    signal,
    'staged',
    async ({ lease, check, signal: either }) => {
      await lease.update({ quarantinedAt: clock.now(), expiresAt: undefined });
      const note = async ({ objectSid }: FoundAccount): Promise<void> => {
        const { quarantinedSids = [] } = lease.membership;
        if (objectSid !== undefined && !quarantinedSids.includes(objectSid))
          await lease.update({ quarantinedSids: [...quarantinedSids, objectSid] });
        check();
      };
      const known = rememberedOf(lease.membership, names);
      return directory.setEnabled(instanceId, known, { enabled: false }, note, either);
    },
  );
  log.warn('account disabled by the sweep', { instanceId, accounts });
}

/** @throws AdjoinError as `pay` */
export async function takeBack(debt: Debt, ports: SweepPorts, signal: AbortSignal): Promise<void> {
  const { directory, log } = ports;
  const { instanceId, names } = debt;
  const accounts = await underLease(
    debt,
    ports,
    signal,
    'staged',
    async ({ lease, check, signal: either }) => {
      const before = async (): Promise<void> => check();
      const known = rememberedOf(lease.membership, names);
      const what = { enabled: true, objectSids: lease.membership.quarantinedSids ?? [] } as const;
      const enabled = await directory.setEnabled(instanceId, known, what, before, either);
      await lease.update({ quarantinedAt: undefined, quarantinedSids: undefined });
      return enabled;
    },
  );
  // An account that an administrator had disabled stays as it is.
  if (accounts.length > 0) log.warn('account enabled again by the sweep', { instanceId, accounts });
}
