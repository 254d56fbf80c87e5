/** Computer accounts in the organizational unit: making, resetting, reading and deleting those with our stamp. */
import { AndFilter, Control, DN, EqualityFilter, OrFilter, SubstringFilter, type Filter } from 'ldapts';
import { AdjoinError } from '../errors.ts';
import type { StagedAccount, StagingWrite } from '../terms.ts';
import { SecretAttribute, type AttributeValues, type Row, type Write } from './connection.ts';
import type { Session } from './sessions.ts';
import { isResult, Result, type LdapResult } from './failures.ts';
import { hostLabel, instanceIdOf } from './names.ts';
import {
  formatStamp,
  parseStamp,
  sameStamp,
  STAMP_ATTRIBUTE,
  stampPrefix,
  type Owner,
  type Stamp,
} from './stamp.ts';
import { generalizedTimeToDate, guidToBytes, guidToString, passwordValue, toInteger } from './values.ts';

export interface ComputerAccount extends StagedAccount {
  readonly enabled: boolean;
  readonly stamp: Stamp | undefined;
  readonly whenCreated: Date | undefined;
  readonly dnsHostName: string | undefined;
  readonly operatingSystem: string | undefined;
  readonly servicePrincipalNames: readonly string[];
}

/** Bits of `userAccountControl` (MS-ADTS 2.2.16). */
const ACCOUNT_DISABLED = 0x2n;
const WORKSTATION_TRUST_ACCOUNT = 0x1000;

/** LDAP_SERVER_TREE_DELETE_OID: a joined computer may have children (printers, BitLocker keys, connection points). */
const TREE_DELETE = '1.2.840.113556.1.4.805';

const READ = [
  'objectGUID',
  'sAMAccountName',
  'pwdLastSet',
  'userAccountControl',
  'whenCreated',
  'dNSHostName',
  'operatingSystem',
  'servicePrincipalName',
  STAMP_ATTRIBUTE,
];

function equals(attribute: string, value: string | Buffer): Filter {
  return new EqualityFilter({ attribute, value });
}

function computers(...conditions: Filter[]): Filter {
  return new AndFilter({ filters: [equals('objectClass', 'computer'), ...conditions] });
}

function integerOf(row: Row, attribute: string): bigint | undefined {
  const text = row.text(attribute);
  if (text === undefined) return undefined;
  const value = toInteger(text);
  if (value !== undefined) return value;
  throw new AdjoinError('directory-refused', `The ${attribute} of ${row.dn} is not a number.`);
}

function readAccount(row: Row, domainController: string): ComputerAccount {
  const guid = row.bytes('objectGUID');
  const accountName = row.text('sAMAccountName');
  if (guid?.length !== 16 || !accountName) {
    throw new AdjoinError('directory-denied', `The service account can't read the attributes of ${row.dn}.`);
  }
  const stamp = row.text(STAMP_ATTRIBUTE);
  return {
    computerName: accountName.replace(/\$$/, ''),
    distinguishedName: row.dn,
    objectGuid: guidToString(guid),
    domainController,
    passwordLastSet: integerOf(row, 'pwdLastSet') ?? 0n,
    enabled: ((integerOf(row, 'userAccountControl') ?? ACCOUNT_DISABLED) & ACCOUNT_DISABLED) === 0n,
    stamp: stamp === undefined ? undefined : parseStamp(stamp),
    whenCreated: generalizedTimeToDate(row.text('whenCreated') ?? ''),
    dnsHostName: row.text('dNSHostName'),
    operatingSystem: row.text('operatingSystem'),
    servicePrincipalNames: row.texts('servicePrincipalName'),
  };
}

/** Closes the connection, which was opened for that unit: the next one looks for it again, or for a corrected one. */
function unitIsGone({ connection, organizationalUnit }: Session): AdjoinError {
  connection.close();
  return new AdjoinError('organizational-unit-missing', `${organizationalUnit} is gone.`);
}

/**
 * The controller itself judges what lies under the organizational unit, however that is spelled.
 * @throws AdjoinError `organizational-unit-missing`
 */
async function inOurUnit(session: Session, filter: Filter, signal: AbortSignal): Promise<ComputerAccount[]> {
  const { connection, organizationalUnit } = session;
  try {
    const rows = await connection.search(
      { base: organizationalUnit, scope: 'sub', filter, attributes: READ, binary: ['objectGUID'] },
      signal,
    );
    return rows.map((row) => readAccount(row, connection.controller));
  } catch (error) {
    throw isResult(error, Result.noSuchObject) ? unitIsGone(session) : error;
  }
}

/** All accounts under our organizational unit with exactly this stamp, oldest first. */
export async function findStamped(
  session: Session,
  stamp: Stamp,
  signal: AbortSignal,
): Promise<ComputerAccount[]> {
  const found = await inOurUnit(session, computers(equals(STAMP_ATTRIBUTE, formatStamp(stamp))), signal);
  // The directory compares without regard to case; we do not.
  return found
    .filter((account) => sameStamp(account.stamp, stamp))
    .toSorted((one, other) => (one.whenCreated?.getTime() ?? 0) - (other.whenCreated?.getTime() ?? 0));
}

/** An account whose stamp is ours and can be read. */
export interface OwnedAccount extends ComputerAccount {
  readonly stamp: Stamp;
}

/** All accounts under our organizational unit with a stamp of this owner, whichever instance it names. */
export async function findOwned(
  session: Session,
  owner: Owner,
  signal: AbortSignal,
): Promise<OwnedAccount[]> {
  const begins = new SubstringFilter({ attribute: STAMP_ATTRIBUTE, initial: stampPrefix(owner) });
  const found = await inOurUnit(session, computers(begins), signal);
  // The directory compares without regard to case, and knows nothing of what may follow the prefix.
  return found.flatMap((account) => {
    const { stamp } = account;
    return stamp && sameStamp(stamp, { ...owner, instanceId: stamp.instanceId })
      ? [{ ...account, stamp }]
      : [];
  });
}

/** The account with this GUID, if it is under our organizational unit. */
export async function findByGuid(
  session: Session,
  objectGuid: string,
  signal: AbortSignal,
): Promise<ComputerAccount | undefined> {
  const found = await inOurUnit(session, computers(equals('objectGUID', guidToBytes(objectGuid))), signal);
  return found.find((account) => account.objectGuid === objectGuid.toLowerCase());
}

/** Which of these names belong to a computer account, anywhere in the domain. */
export async function namesInUse(
  session: Session,
  names: readonly string[],
  signal: AbortSignal,
): Promise<string[]> {
  const anyName = new OrFilter({ filters: names.map((name) => equals('sAMAccountName', `${name}$`)) });
  const rows = await session.connection.search(
    {
      base: session.connection.baseDn,
      scope: 'sub',
      filter: computers(anyName),
      attributes: ['sAMAccountName'],
    },
    signal,
  );
  return rows.flatMap((row) => row.text('sAMAccountName')?.replace(/\$$/, '').toUpperCase() ?? []);
}

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

interface Staging {
  readonly stamp: Stamp;
  /** In the order in which they are tried. */
  readonly names: readonly string[];
  /** Those that an account of ours may have on a controller that has not told this one yet. */
  readonly avoid: readonly string[];
  readonly oneTimePassword: string;
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
 * Others may have stamped one of another name for us, which may be none that a join can be given: staging leaves it alone,
 * and removal takes it.
 */
function isStaged(account: ComputerAccount, stamp: Stamp): boolean {
  return instanceIdOf(account.computerName) === stamp.instanceId;
}

/** Whether it made it, though a twin has the sAMAccountName now (AD calls this one `$DUPLICATE-…`): the entry's name tells. */
function wasStaged(account: ComputerAccount, stamp: Stamp): boolean {
  const [, commonName = ''] = /^CN=([^\\,]+)/i.exec(account.distinguishedName) ?? [];
  return isStaged(account, stamp) || instanceIdOf(commonName) === stamp.instanceId;
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
  const { stamp, names, avoid, oneTimePassword, beforeWrite } = staging;
  const domainController = session.connection.controller;
  const found = await findStamped(session, stamp, signal);
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
    const dn = `${new DN({ CN: name }).toString()},${session.organizationalUnit}`;
    const before = (): Promise<void> => beforeWrite({ computerName: name, domainController });
    try {
      await session.connection.add(dn, newAccount(session, name, stamp, oneTimePassword), { signal, before });
    } catch (error) {
      if (isResult(error, Result.noSuchObject)) throw unitIsGone(session);
      if (!isTaken(error)) throw error;
      // Another worker with a stale lease may have made it a moment ago.
      const made = firstStaged(await findStamped(session, stamp, signal), stamp);
      if (made) return resetAccount(session, made, staging, signal);
      continue;
    }
    const created = await findStamped(session, stamp, signal);
    const made = created.find((account) => account.computerName === name);
    if (made) return staged(made);
    throw new AdjoinError(
      'directory-denied',
      `${dn} was created, but the service account can't read its stamp.`,
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
    `Accounts that are not ours hold every name for ${stamp.instanceId}: ${tried}.`,
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
  throw new AdjoinError('directory-refused', `${account.distinguishedName} vanished while it was reset.`);
}

function staged(account: ComputerAccount): StagedAccount {
  const { computerName, distinguishedName, objectGuid, domainController, passwordLastSet } = account;
  // Taken for 0, any later look would pass for a join.
  if (passwordLastSet <= 0n) {
    throw new AdjoinError(
      'directory-denied',
      `The service account can't read when the password of ${distinguishedName} was set.`,
    );
  }
  return { computerName, distinguishedName, objectGuid, domainController, passwordLastSet };
}

/**
 * Deletes an account, children included. It is named by its GUID, so that what was read is what is deleted, even if
 * somebody renames it or reuses its name in between.
 * @returns whether it was still there
 * @throws LdapResult, ControllerFailure
 */
async function deleteAccount(session: Session, account: ComputerAccount, write: Write): Promise<boolean> {
  const treeDelete = new Control(TREE_DELETE, { critical: true });
  try {
    await session.connection.remove(`<GUID=${account.objectGuid}>`, write, treeDelete);
    return true;
  } catch (error) {
    if (!isResult(error, Result.noSuchObject)) throw error;
    return false;
  }
}

/**
 * Deletes every account with exactly this stamp under our organizational unit.
 * @param keep objectGuid of an account to spare
 * @param beforeDelete called, and waited for, right before each delete with the account's name in capitals
 * @returns the names, in capitals, of the accounts that this call deleted; `undefined` when nothing may be deleted, because
 * this controller does not show the account to spare
 * @throws LdapResult, ControllerFailure, and what `beforeDelete` does
 */
export async function removeStamped(
  session: Session,
  stamp: Stamp,
  keep: string | undefined,
  beforeDelete: (computerName: string) => Promise<void>,
  signal: AbortSignal,
): Promise<string[] | undefined> {
  const removed: string[] = [];
  const found = await findStamped(session, stamp, signal);
  if (keep !== undefined && !found.some((account) => account.objectGuid === keep)) return undefined;
  for (const account of found) {
    if (account.objectGuid === keep) continue;
    const name = account.computerName.toUpperCase();
    const before = (): Promise<void> => beforeDelete(name);
    if (await deleteAccount(session, account, { signal, before })) removed.push(name);
  }
  return removed;
}
