/** Computer accounts in the organizational unit: reading and deleting those with our stamp. */
import { AndFilter, Control, EqualityFilter, OrFilter, SubstringFilter, type Filter } from 'ldapts';
import { AdjoinError } from '../errors.ts';
import type { StagedAccount } from '../terms.ts';
import type { Write } from './connection.ts';
import type { Row } from './entries.ts';
import { isResult, Result } from './failures.ts';
import type { Session } from './sessions.ts';
import {
  formatStamp,
  parseStamp,
  sameStamp,
  STAMP_ATTRIBUTE,
  stampPrefix,
  type Owner,
  type Stamp,
} from './stamp.ts';
import { generalizedTimeToDate, guidToBytes, guidToString, toInteger } from './values.ts';

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
export const WORKSTATION_TRUST_ACCOUNT = 0x1000;

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
export function unitIsGone({ connection, organizationalUnit }: Session): AdjoinError {
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

/** An account with a stamp of ours that can be read. */
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

/**
 * Deletes an account, children included. It is named by its GUID, so that what was read is what is deleted, even if
 * another client renames it or reuses its name in between.
 * @returns whether it was still there
 * @throws LdapResult, ControllerFailure
 */
export async function deleteAccount(
  session: Session,
  account: ComputerAccount,
  write: Write,
): Promise<boolean> {
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
