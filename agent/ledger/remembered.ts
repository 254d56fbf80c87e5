/** What the ledger remembers of the accounts that a removal has to find. */
import type { FoundAccount, RememberedAccounts } from '../terms.ts';
import type { Lease } from './ledger.ts';
import type { Membership } from './membership.ts';

/** What the ledger knows of an instance's accounts. @param names further names that they are known to have had */
export function rememberedOf(membership: Membership, names: readonly string[] = []): RememberedAccounts {
  const { computerName, foundNames = [], domainController, objectGuid, objectSids = [] } = membership;
  const known = computerName === undefined ? names : [...names, computerName];
  return { names: [...new Set(known)], foundNames, domainController, objectGuid, objectSids };
}

/** The security identifiers that a membership knows, and this one. */
export function withIdentifier({ objectSids = [] }: Membership, objectSid: string): readonly string[] {
  return objectSids.includes(objectSid) ? objectSids : [...objectSids, objectSid];
}

/**
 * What is done right before each change that a removal makes. First the ledger learns the name and the security identifier:
 * once the account is gone, nothing else may lead to its DNS records, and prove that they are its own. Then `check` is
 * called, because looking for the account has taken time.
 * @param check throws when the work may not go on
 */
export function beforeRemoval(lease: Lease, check: () => void): (account: FoundAccount) => Promise<void> {
  return async ({ computerName, objectSid }) => {
    const { foundNames = [], objectSids = [] } = lease.membership;
    const isKnown = objectSid === undefined || objectSids.includes(objectSid);
    if (!foundNames.includes(computerName) || !isKnown) {
      await lease.update({
        foundNames: [...new Set([...foundNames, computerName])],
        ...(objectSid !== undefined && { objectSids: withIdentifier(lease.membership, objectSid) }),
      });
    }
    check();
  };
}
