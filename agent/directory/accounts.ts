/**
 * Computer accounts: finding and deleting those that are ours. Ours is
 *
 * - the account with the GUID, or with a security identifier, that the ledger has, wherever it is; and
 * - what is a computer and nothing more special, is owned by our service account, and has the instance's name; or its stamp,
 *   and then it must lie directly in our organizational unit.
 *
 * A stamp alone proves nothing: a computer may rewrite its own, or delete it, and may make objects with any stamp below its
 * own account; who may make computers in the unit can stamp them. None of them can make our service account the owner.
 */
import { AndFilter, Control, EqualityFilter, OrFilter, type Filter } from 'ldapts';
import { AdjoinError } from '../errors.ts';
import type { KnownAccounts, StagedAccount } from '../terms.ts';
import type { Write } from './connection.ts';
import type { Row } from './entries.ts';
import { isResult, Result } from './failures.ts';
import { instanceIdOf } from './names.ts';
import { ownerOfRow, ownerOnly, SECURITY_DESCRIPTOR } from './owner.ts';
import type { Session } from './sessions.ts';
import { formatStamp, parseStamp, sameStamp, STAMP_ATTRIBUTE, type Owner, type Stamp } from './stamp.ts';
import {
  generalizedTimeToDate,
  guidToBytes,
  guidToString,
  sidToBytes,
  sidToString,
  toInteger,
} from './values.ts';

export interface ComputerAccount extends StagedAccount {
  readonly enabled: boolean;
  /** `userAccountControl`. */
  readonly flags: bigint;
  readonly stamp: Stamp | undefined;
  readonly whenCreated: Date | undefined;
  readonly dnsHostName: string | undefined;
  readonly operatingSystem: string | undefined;
  readonly servicePrincipalNames: readonly string[];
  /** Security identifier of its owner; nothing when the service account may not see it. */
  readonly owner: string | undefined;
  /** Whether it is a computer, and not of a class that AD derives from it (a managed service account). */
  readonly isPlain: boolean;
  /** Whether its primary group is that of member computers: a controller's is not. */
  readonly isMemberComputer: boolean;
}

/** The group Domain Computers, by its number in each domain (MS-DTYP 2.4.2.4). */
const MEMBER_COMPUTERS = '515';

/** Bits of `userAccountControl` (MS-ADTS 2.2.16). */
export const ACCOUNT_DISABLED = 0x2n;
export const WORKSTATION_TRUST_ACCOUNT = 0x1000;

/** LDAP_SERVER_TREE_DELETE_OID: a joined computer may have children (printers, BitLocker keys, connection points). */
const TREE_DELETE = '1.2.840.113556.1.4.805';

const CLASSES: ReadonlySet<string> = new Set(['top', 'person', 'organizationalperson', 'user', 'computer']);

const READ = [
  'objectClass',
  'objectSid',
  SECURITY_DESCRIPTOR,
  'objectGUID',
  'sAMAccountName',
  'pwdLastSet',
  'userAccountControl',
  'primaryGroupID',
  'whenCreated',
  'dNSHostName',
  'operatingSystem',
  'servicePrincipalName',
  STAMP_ATTRIBUTE,
];

function equals(attribute: string, value: string | Buffer): Filter {
  return new EqualityFilter({ attribute, value });
}

/** What few entries meet comes first: Samba reads the index of each condition in turn, until hardly any entry is left. */
function computers(...conditions: Filter[]): Filter {
  return new AndFilter({ filters: [...conditions, equals('objectClass', 'computer')] });
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
  const sid = row.bytes('objectSid');
  const objectSid = sid && sidToString(sid);
  const accountName = row.text('sAMAccountName');
  if (guid?.length !== 16 || !accountName || objectSid === undefined) {
    throw new AdjoinError('directory-denied', `The service account can't read the attributes of ${row.dn}.`);
  }
  const stamp = row.text(STAMP_ATTRIBUTE);
  const flags = integerOf(row, 'userAccountControl') ?? ACCOUNT_DISABLED;
  return {
    computerName: accountName.replace(/\$$/, ''),
    distinguishedName: row.dn,
    objectGuid: guidToString(guid),
    objectSid,
    domainController,
    passwordLastSet: integerOf(row, 'pwdLastSet') ?? 0n,
    enabled: (flags & ACCOUNT_DISABLED) === 0n,
    flags,
    stamp: stamp === undefined ? undefined : parseStamp(stamp),
    whenCreated: generalizedTimeToDate(row.text('whenCreated') ?? ''),
    dnsHostName: row.text('dNSHostName'),
    operatingSystem: row.text('operatingSystem'),
    servicePrincipalNames: row.texts('servicePrincipalName'),
    owner: ownerOfRow(row),
    isMemberComputer: row.text('primaryGroupID') === MEMBER_COMPUTERS,
    isPlain: row.texts('objectClass').every((name) => CLASSES.has(name.toLowerCase())),
  };
}

/** What a look at our organizational unit needs of a session. */
interface UnitReader extends Pick<Session, 'organizationalUnit' | 'serviceAccount'> {
  readonly connection: Pick<Session['connection'], 'pages' | 'controller' | 'close'>;
}

/** Closes the connection, which was opened for that unit: the next one looks for it again, or for a corrected one. */
export function unitIsGone({ connection, organizationalUnit }: UnitReader): AdjoinError {
  connection.close();
  return new AdjoinError('organizational-unit-missing', `${organizationalUnit} is gone.`);
}

const asBytes = { binary: ['objectGUID', 'objectSid', SECURITY_DESCRIPTOR] };

/**
 * What lies directly in our organizational unit: below an account, its computer may make what it likes. The controller
 * itself judges what does, however the unit is spelled.
 * @throws AdjoinError `organizational-unit-missing`
 */
async function* pagesOfUnit(
  session: UnitReader,
  filter: Filter,
  attributes: readonly string[],
  signal: AbortSignal,
): AsyncGenerator<ComputerAccount[], void, undefined> {
  const { connection, organizationalUnit } = session;
  const query = { base: organizationalUnit, scope: 'one', filter, attributes, ...asBytes } as const;
  try {
    for await (const rows of connection.pages({ ...query, controls: [ownerOnly()] }, signal))
      yield rows.map((row) => readAccount(row, connection.controller));
  } catch (error) {
    throw isResult(error, Result.noSuchObject) ? unitIsGone(session) : error;
  }
}

async function inOurUnit(session: Session, filter: Filter, signal: AbortSignal): Promise<ComputerAccount[]> {
  const found: ComputerAccount[] = [];
  for await (const page of pagesOfUnit(session, filter, READ, signal))
    for (const account of page) found.push(account);
  return found;
}

/** Whether our service account made it, in our unit. */
function isMade(account: ComputerAccount, { serviceAccount }: Pick<Session, 'serviceAccount'>): boolean {
  return account.isPlain && account.owner === serviceAccount;
}

/** The name of the account's entry: of two accounts of one name, AD renames one, and only this still has what it was. */
export function commonName({ distinguishedName }: Pick<ComputerAccount, 'distinguishedName'>): string {
  return /^CN=([^\\,]+)/i.exec(distinguishedName)?.[1] ?? '';
}

/**
 * The instance that an account of ours belongs to. Its name says so if we gave it: a computer can't change that, but for its
 * stamp it can.
 */
function instanceOf(account: ComputerAccount, owner: Owner): string | undefined {
  const { stamp } = account;
  if (stamp && !sameStamp(stamp, { ...owner, instanceId: stamp.instanceId })) return undefined;
  const named = instanceIdOf(account.computerName) ?? instanceIdOf(commonName(account));
  return named ?? stamp?.instanceId;
}

const byAge = (one: ComputerAccount, other: ComputerAccount): number =>
  (one.whenCreated?.getTime() ?? 0) - (other.whenCreated?.getTime() ?? 0);

/** What leads to an instance's accounts. */
export interface Traces extends KnownAccounts {
  readonly stamp: Stamp;
  /** Names that they may have. */
  readonly names: readonly string[];
}

/**
 * All accounts of an instance in our organizational unit, oldest first.
 * @throws AdjoinError `organizational-unit-missing`; LdapResult; ControllerFailure
 */
export async function findOurs(
  session: Session,
  { stamp, names, objectGuid }: Traces,
  signal: AbortSignal,
): Promise<ComputerAccount[]> {
  // Each of these attributes has an index, so that the controller looks at a handful of entries.
  const anyTrace = new OrFilter({
    filters: [
      equals(STAMP_ATTRIBUTE, formatStamp(stamp)),
      ...names.map((name) => equals('sAMAccountName', `${name}$`)),
      ...(objectGuid === undefined ? [] : [equals('objectGUID', guidToBytes(objectGuid))]),
    ],
  });
  const found = await inOurUnit(session, computers(anyTrace), signal);
  // The directory compares without regard to case, and knows nothing of what may follow; we do.
  return found
    .filter(
      (account) =>
        account.objectGuid === objectGuid?.toLowerCase() ||
        (isMade(account, session) && instanceOf(account, stamp) === stamp.instanceId),
    )
    .toSorted(byAge);
}

/** What of an account says whether it is ours, and whose. */
const IDENTITY = [
  'objectClass',
  'objectSid',
  SECURITY_DESCRIPTOR,
  'objectGUID',
  'sAMAccountName',
  STAMP_ATTRIBUTE,
];

/**
 * The account with this distinguished name, if it is one that our service account made for the instance.
 * @throws LdapResult; ControllerFailure
 */
export async function findMade(
  session: Session,
  dn: string,
  stamp: Stamp,
  signal: AbortSignal,
): Promise<StagedAccount | undefined> {
  const { connection } = session;
  const filter = equals('objectClass', 'computer');
  const attributes = [...IDENTITY, 'pwdLastSet'];
  const query = { base: dn, scope: 'base', filter, attributes, ...asBytes } as const;
  try {
    const rows = await connection.search({ ...query, controls: [ownerOnly()] }, signal);
    const found = rows.map((row) => readAccount(row, connection.controller));
    return found.find(
      (account) => isMade(account, session) && instanceOf(account, stamp) === stamp.instanceId,
    );
  } catch (error) {
    if (isResult(error, Result.noSuchObject)) return undefined;
    throw error;
  }
}

/** An account of ours, and the instance that it belongs to. */
export interface OwnedAccount extends Pick<
  ComputerAccount,
  'computerName' | 'objectGuid' | 'whenCreated' | 'owner' | 'stamp'
> {
  readonly instanceId: string;
}

/**
 * All accounts in our organizational unit that are this deployment's, whichever instance they belong to.
 * @param of what is kept of each
 */
export async function findOwned<Kept>(
  session: UnitReader,
  owner: Owner,
  of: (account: OwnedAccount) => Kept,
  signal: AbortSignal,
): Promise<Kept[]> {
  // Not by the stamp alone, which may have been deleted.
  const kept: Kept[] = [];
  for await (const page of pagesOfUnit(
    session,
    equals('objectCategory', 'computer'),
    [...IDENTITY, 'whenCreated'],
    signal,
  )) {
    for (const account of page) {
      const instanceId = isMade(account, session) ? instanceOf(account, owner) : undefined;
      if (instanceId === undefined) continue;
      const { computerName, objectGuid, whenCreated, owner: maker, stamp } = account;
      kept.push(of({ computerName, objectGuid, whenCreated, owner: maker, stamp, instanceId }));
    }
  }
  return kept;
}

/** The account with this GUID, if it is in our organizational unit. */
export async function findByGuid(
  session: Session,
  objectGuid: string,
  signal: AbortSignal,
): Promise<ComputerAccount | undefined> {
  const found = await inOurUnit(session, computers(equals('objectGUID', guidToBytes(objectGuid))), signal);
  return found.find((account) => account.objectGuid === objectGuid.toLowerCase());
}

/**
 * All accounts of an instance in the whole domain that the ledger and the owner prove to be ours, oldest first: those with a
 * GUID or a security identifier of the ledger, and those that our service account made under one of the instance's own names.
 * An account may have been moved, or our unit may be another one than it was.
 * @throws LdapResult; ControllerFailure
 */
async function findAnywhere(
  session: Session,
  { stamp, names, objectGuid, objectSids = [] }: Traces,
  signal: AbortSignal,
): Promise<ComputerAccount[]> {
  const { connection } = session;
  const anyTrace = new OrFilter({
    filters: [
      ...(objectGuid === undefined ? [] : [equals('objectGUID', guidToBytes(objectGuid))]),
      ...objectSids.map((objectSid) => equals('objectSid', sidToBytes(objectSid))),
      ...names.map((name) => equals('sAMAccountName', `${name}$`)),
    ],
  });
  const query = {
    base: connection.baseDn,
    scope: 'sub',
    filter: computers(anyTrace),
    attributes: READ,
  } as const;
  const rows = await connection.search({ ...query, ...asBytes, controls: [ownerOnly()] }, signal);
  const found = rows.map((row) => readAccount(row, connection.controller));
  const isNamed = (account: ComputerAccount): boolean =>
    instanceIdOf(account.computerName) === stamp.instanceId &&
    instanceOf(account, stamp) === stamp.instanceId;
  return found
    .filter(
      (account) =>
        account.objectGuid === objectGuid?.toLowerCase() ||
        objectSids.includes(account.objectSid) ||
        (isMade(account, session) && isNamed(account)),
    )
    .toSorted(byAge);
}

export interface PlacedAccount extends ComputerAccount {
  /** Whether it lies directly in our organizational unit. */
  readonly isInUnit: boolean;
}

/**
 * The instance's accounts: those in our unit first, then those that only ledger and owner prove to be ours, wherever they are.
 * @throws AdjoinError `organizational-unit-missing`; LdapResult; ControllerFailure
 */
export async function findAll(
  session: Session,
  traces: Traces,
  signal: AbortSignal,
): Promise<PlacedAccount[]> {
  const here = await findOurs(session, traces, signal);
  const anywhere = await findAnywhere(session, traces, signal);
  const inUnit = new Set(here.map(({ objectGuid }) => objectGuid));
  const elsewhere = anywhere.filter(({ objectGuid }) => !inUnit.has(objectGuid));
  return [
    ...here.map((account) => ({ ...account, isInUnit: true })),
    ...elsewhere.map((account) => ({ ...account, isInUnit: false })),
  ];
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
 * The computer account with this security identifier, wherever it is and whoever made it.
 * @throws LdapResult, ControllerFailure
 */
export async function findBySid(
  { connection }: Session,
  objectSid: string,
  signal: AbortSignal,
): Promise<ComputerAccount | undefined> {
  const filter = equals('objectClass', 'computer');
  const query = { base: `<SID=${objectSid}>`, scope: 'base', filter, attributes: READ, ...asBytes } as const;
  try {
    const rows = await connection.search({ ...query, controls: [ownerOnly()] }, signal);
    const found = rows.map((row) => readAccount(row, connection.controller));
    return found.find((account) => account.objectSid === objectSid);
  } catch (error) {
    if (isResult(error, Result.noSuchObject)) return undefined;
    throw error;
  }
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
