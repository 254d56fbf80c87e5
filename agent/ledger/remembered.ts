/** What the ledger remembers of the accounts that a removal has to find. */
import type { RememberedAccounts } from '../terms.ts';
import type { Lease } from './ledger.ts';
import type { Membership } from './membership.ts';

/** What the ledger knows of an instance's accounts. @param names further names that they are known to have had */
export function rememberedOf(membership: Membership, names: readonly string[] = []): RememberedAccounts {
  const { computerName, foundNames = [], domainController } = membership;
  const known = computerName === undefined ? names : [...names, computerName];
  return { names: [...new Set(known)], foundNames, domainController };
}

/**
 * What is done right before each delete. First the ledger learns the name: once the account is gone, nothing else may lead
 * to its DNS records (others may have stamped an account of any name for this instance, and a staging may have taken that
 * one over). Then `check` is called, because looking for the account has taken time.
 * @param check throws when the work may not go on
 */
export function beforeDelete(lease: Lease, check: () => void): (computerName: string) => Promise<void> {
  return async (computerName) => {
    const { foundNames = [] } = lease.membership;
    if (!foundNames.includes(computerName)) {
      await lease.update({ foundNames: [...foundNames, computerName] });
    }
    check();
  };
}
