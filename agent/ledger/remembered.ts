/** What the ledger remembers of the accounts that a removal has to find. */
import type { FoundAccount, LastStaging, RememberedAccounts } from '../terms.ts';
import type { Lease } from './ledger.ts';
import { mayHaveAccount, type Membership } from './membership.ts';

/** The staging whose account a removal must find, or prove to be gone. */
function stagedOf(membership: Membership): LastStaging | undefined {
  const { computerName, stagingBegan, launch } = membership;
  if (computerName === undefined || !mayHaveAccount(membership)) return undefined;
  // Of an earlier launch's staging nothing else is known than that it was before this one.
  const at = stagingBegan ?? launch?.times.stage ?? launch?.times.received;
  return at === undefined ? undefined : { computerName, at };
}

/** What the ledger knows of an instance's accounts. @param names further names that they are known to have had */
export function rememberedOf(membership: Membership, names: readonly string[] = []): RememberedAccounts {
  const { computerName, foundNames = [], domainController, objectGuid, objectSids = [] } = membership;
  const known = computerName === undefined ? names : [...names, computerName];
  const staged = stagedOf(membership);
  return { names: [...new Set(known)], foundNames, domainController, objectGuid, objectSids, staged };
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
