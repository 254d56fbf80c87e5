/** Staging: creating an account ahead of the join, or resetting the one that was made. */
import { DN } from 'ldapts';
import { AdjoinError } from '../errors.ts';
import type { StagedAccount, StagingWrite } from '../terms.ts';
import {
  deleteAccount,
  commonName,
  findByGuid,
  findMade,
  findOurs,
  unitIsGone,
  WORKSTATION_TRUST_ACCOUNT,
  type ComputerAccount,
  type Traces,
} from './accounts.ts';
import { clearTombstones, namesTaken } from './dns-records.ts';
import { SecretAttribute, type AttributeValues } from './entries.ts';
import { isResult, Result, type LdapResult } from './failures.ts';
import { hostLabel, instanceIdOf } from './names.ts';
import type { Session } from './sessions.ts';
import { formatStamp, STAMP_ATTRIBUTE, type Stamp } from './stamp.ts';
import { passwordValue } from './values.ts';

function newAccount(session: Session, name: string, stamp: Stamp, oneTimePassword: string): AttributeValues {
  const host = `${hostLabel(name)}.${session.domain}`;
  return {
    objectClass: ['computer'],
    sAMAccountName: [`${name}$`],
    userAccountControl: [String(WORKSTATION_TRUST_ACCOUNT)],
    dNSHostName: [host],
    servicePrincipalName: [
      `HOST/${name}`,
      `HOST/${host}`,
      `RestrictedKrbHost/${name}`,
      `RestrictedKrbHost/${host}`,
    ],
    description: [
      `EC2 instance ${stamp.instanceId} in ${stamp.region}, account ${stamp.accountId}; managed by adjoin`,
    ],
    [STAMP_ATTRIBUTE]: [formatStamp(stamp)],
    unicodePwd: secretPassword(oneTimePassword),
  };
}

function secretPassword(oneTimePassword: string): SecretAttribute {
  return new SecretAttribute({ type: 'unicodePwd', values: [passwordValue(oneTimePassword)] });
}

/**
 * Whether an add failed because a part of the name is in use: the entry or its sAMAccountName (68), or, checked first
 * by some controllers, a service principal name (19; AD says 21C7, Samba "would cause a conflict").
 */
function isTaken(error: unknown): error is LdapResult {
  if (isResult(error, Result.alreadyExists)) return true;
  return (
    isResult(error, Result.constraintViolation) && /21c[78]|would cause a conflict/i.test(error.diagnostic)
  );
}

interface Staging extends Traces {
  /** In the order in which they are tried. */
  readonly names: readonly string[];
  /** Those that an account of ours may have on a controller that has not told this one yet. */
  readonly avoid: readonly string[];
  /** Security identifiers of the instance's earlier accounts. */
  readonly objectSids: readonly string[];
  readonly oneTimePassword: string;
  /** Where names are looked for. Who registers one in a zone that this does not know is seen when the join is verified. */
  readonly zones: () => Promise<readonly string[]>;
  /** Called, and waited for, right before each write. */
  readonly beforeWrite: (write: StagingWrite) => Promise<void>;
}

/**
 * Two controllers that each made an account of one name learn of it when they replicate, and rename one of them: the
 * loser's name carries a line feed, `CNF:` and its GUID (MS-ADTS 3.1.1.5.1.2).
 */
const CONFLICT = /\\0ACNF:/i;

/**
 * An account that staging can have made: under any of the instance's names, for the configured prefixes may have changed.
 * Our service account may have made one of another name, which may be none that a join can be given: staging leaves it
 * alone, and removal takes it.
 */
function isStaged(account: ComputerAccount, stamp: Stamp): boolean {
  return instanceIdOf(account.computerName) === stamp.instanceId;
}

/** Whether it made it, though a twin has the sAMAccountName now (AD calls this one `$DUPLICATE-…`): the entry's name tells. */
function wasStaged(account: ComputerAccount, stamp: Stamp): boolean {
  return isStaged(account, stamp) || instanceIdOf(commonName(account)) === stamp.instanceId;
}

/** Of accounts that staging made, the one to go on with: if possible one that has not lost a conflict. */
function firstStaged(found: readonly ComputerAccount[], stamp: Stamp): ComputerAccount | undefined {
  const made = found.filter((account) => isStaged(account, stamp));
  return made.find((account) => !CONFLICT.test(account.distinguishedName)) ?? made[0];
}

/**
 * Creates the account under the first free name, or resets the one that was made already: after a lost answer, a crash or
 * a redelivery the second time around finds the first one's work. Of several (two controllers each had made one before
 * they replicated) one stays, and the others go.
 * @throws AdjoinError `name-taken`, `organizational-unit-missing`, `directory-denied`, `directory-unavailable`;
 * LdapResult; ControllerFailure
 */
export async function stageAccount(
  session: Session,
  staging: Staging,
  signal: AbortSignal,
): Promise<StagedAccount> {
  const { stamp, names, avoid, objectSids, oneTimePassword, zones, beforeWrite } = staging;
  const domainController = session.connection.controller;
  const found = await findOurs(session, staging, signal);
  const ours = firstStaged(found, stamp);
  if (ours) {
    const reset = await resetAccount(session, ours, staging, signal);
    for (const twin of found) {
      if (twin.objectGuid === ours.objectGuid || !wasStaged(twin, stamp)) continue;
      await deleteAccount(session, twin, { signal, before: () => beforeWrite(reset) });
    }
    return reset;
  }
  for (const name of names) {
    if (avoid.includes(name)) continue;
    const taken = await namesTaken(session, [name], objectSids, signal, await zones());
    if (taken.length > 0) continue;
    const dn = `${new DN({ CN: name }).toString()},${session.organizationalUnit}`;
    const before = (): Promise<void> => beforeWrite({ computerName: name, domainController });
    if (!(await clearTombstones(session, name, objectSids, before, signal))) continue;
    try {
      await session.connection.add(dn, newAccount(session, name, stamp, oneTimePassword), { signal, before });
    } catch (error) {
      if (isResult(error, Result.noSuchObject)) throw unitIsGone(session);
      if (!isTaken(error)) throw error;
      // Another worker with a stale lease may have made it a moment ago.
      const made = firstStaged(await findOurs(session, staging, signal), stamp);
      if (made) return resetAccount(session, made, staging, signal);
      continue;
    }
    const made = await findMade(session, dn, stamp, signal);
    if (made?.computerName === name) return staged(made);
    throw new AdjoinError(
      'directory-denied',
      `${dn} was created, but the service account can't read its owner or its stamp.`,
    );
  }
  const tried = names.join(', ');
  if (avoid.length > 0) {
    throw new AdjoinError(
      'directory-unavailable',
      `${domainController} has no free name for ${stamp.instanceId} among ${tried}: the account may be on a domain controller that does not answer.`,
    );
  }
  throw new AdjoinError(
    'name-taken',
    `Accounts or DNS records that are not ours hold every name for ${stamp.instanceId}: ${tried}.`,
  );
}

async function resetAccount(
  session: Session,
  account: ComputerAccount,
  { oneTimePassword, beforeWrite }: Pick<Staging, 'oneTimePassword' | 'beforeWrite'>,
  signal: AbortSignal,
): Promise<StagedAccount> {
  const changes: AttributeValues = {
    unicodePwd: secretPassword(oneTimePassword),
    ...(account.enabled ? {} : { userAccountControl: [String(WORKSTATION_TRUST_ACCOUNT)] }),
  };
  const before = (): Promise<void> => beforeWrite(account);
  await session.connection.replace(`<GUID=${account.objectGuid}>`, changes, { signal, before });
  const after = await findByGuid(session, account.objectGuid, signal);
  if (after) return staged(after);
  throw new AdjoinError('directory-refused', `${account.distinguishedName} is gone after its reset.`);
}

function staged(account: StagedAccount): StagedAccount {
  const { computerName, distinguishedName, objectGuid, objectSid, domainController, passwordLastSet } =
    account;
  // Taken for 0, any later look would pass for a join.
  if (passwordLastSet <= 0n) {
    throw new AdjoinError(
      'directory-denied',
      `The service account can't read when the password of ${distinguishedName} was set.`,
    );
  }
  return { computerName, distinguishedName, objectGuid, objectSid, domainController, passwordLastSet };
}
