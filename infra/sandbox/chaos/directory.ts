/** The directory's own database, read past LDAP and its access control, on the controller's machine: also while it is down. */
import { database } from '../domain/database.ts';
import { parseLdif, type Entry } from '../domain/ldif.ts';
import type { Machine } from '../machine/machine.ts';
import { filetimeToMs } from '../story/auditor.ts';

const limitMs = 30_000;

/** A computer account as one controller has it. */
export interface StoredAccount {
  readonly name: string;
  readonly objectGuid: string;
  readonly distinguishedName: string;
  readonly stamp: string;
  readonly enabled: boolean;
  /** FILETIME, as text: more digits than a number holds. */
  readonly passwordLastSet: string;
  /** Changes with everything that is done to the account. */
  readonly fingerprint: string;
}

export interface ServiceAccountState {
  readonly locked: boolean;
  readonly badPasswords: number;
}

const attributes = [
  'sAMAccountName',
  'msDS-cloudExtensionAttribute1',
  'userAccountControl',
  'pwdLastSet',
  'objectGUID',
  'whenCreated',
  'description',
  'dNSHostName',
] as const;
/** [MS-ADTS] userAccountControl: disabled. */
const accountDisabled = 0x2;

async function search(machine: Machine, base: string, filter: string, wanted: readonly string[]) {
  const { code, stdout, stderr } = await machine.exec(
    ['ldbsearch', '-H', database, '-b', base, filter, ...wanted],
    { timeoutMs: limitMs },
  );
  if (code !== 0) throw new Error(`${machine.name}: ldbsearch: ${stderr.trim().split('\n').at(-1) ?? ''}`);
  return parseLdif(stdout);
}

const first = (entry: Entry, name: string): string => entry.attributes.get(name)?.[0] ?? '';

function accountOf(entry: Entry): StoredAccount {
  return {
    name: first(entry, 'sAMAccountName').replace(/\$$/, ''),
    objectGuid: first(entry, 'objectGUID'),
    distinguishedName: entry.dn,
    stamp: first(entry, 'msDS-cloudExtensionAttribute1'),
    enabled: (Number(first(entry, 'userAccountControl')) & accountDisabled) === 0,
    passwordLastSet: first(entry, 'pwdLastSet'),
    fingerprint: attributes.map((name) => first(entry, name)).join('\n'),
  };
}

/** Every computer account under this place, stamped or not. */
export async function accountsUnder(machine: Machine, place: string): Promise<StoredAccount[]> {
  return (await search(machine, place, '(objectClass=computer)', attributes)).map(accountOf);
}

/** The accounts with this stamp, and the one with this GUID, wherever they are and whatever their stamps are. */
export async function accountsOf(
  machine: Machine,
  baseDn: string,
  stamp: string,
  objectGuid?: string,
): Promise<StoredAccount[]> {
  const byGuid = objectGuid === undefined ? '' : `(objectGUID=${objectGuid})`;
  const filter = `(|(msDS-cloudExtensionAttribute1=${stamp})${byGuid})`;
  return (await search(machine, baseDn, filter, attributes)).map(accountOf);
}

export async function serviceAccountState(
  machine: Machine,
  baseDn: string,
  user: string,
): Promise<ServiceAccountState> {
  const [entry] = await search(machine, baseDn, `(sAMAccountName=${user})`, ['badPwdCount', 'lockoutTime']);
  if (!entry) throw new Error(`${machine.name}: there is no ${user}`);
  return {
    locked: filetimeToMs(first(entry, 'lockoutTime')) > 0,
    badPasswords: Number(first(entry, 'badPwdCount')),
  };
}

async function change(machine: Machine, tool: string, ...lines: string[]): Promise<boolean> {
  const input = `${lines.join('\n')}\n`;
  const { code } = await machine.exec([tool, '-H', database], { input, timeoutMs: limitMs });
  return code === 0;
}

/**
 * Deletes the stamp of the account that has this one, as its computer may.
 * @returns the account; nothing when there is none, or when a worker has deleted it meanwhile
 */
export async function deleteStamp(
  machine: Machine,
  baseDn: string,
  stamp: string,
): Promise<StoredAccount | undefined> {
  const [account] = await accountsOf(machine, baseDn, stamp);
  if (!account) return undefined;
  const lines = [`dn: ${account.distinguishedName}`, 'changetype: modify', `delete: ${attributes[1]}`];
  return (await change(machine, 'ldbmodify', ...lines)) ? account : undefined;
}

/**
 * Moves the account with this stamp into a unit of its own and deletes the stamp, as an administrator's tool might.
 * @returns whether there was one
 */
export async function moveAccount(machine: Machine, baseDn: string, stamp: string): Promise<boolean> {
  const account = await deleteStamp(machine, baseDn, stamp);
  if (!account) return false;
  const unit = `OU=Elsewhere,${baseDn}`;
  // It is there from the second time on.
  await change(machine, 'ldbadd', `dn: ${unit}`, 'objectClass: organizationalUnit');
  return change(
    machine,
    'ldbmodify',
    `dn: ${account.distinguishedName}`,
    'changetype: modrdn',
    `newrdn: CN=${account.name}`,
    'deleteoldrdn: 1',
    `newsuperior: ${unit}`,
  );
}

/** Places computer accounts that are none of adjoin's, as an administrator would. */
export async function placeStrangers(
  machine: Machine,
  organizationalUnit: string,
  strangers: readonly { readonly name: string; readonly stamp?: string }[],
): Promise<void> {
  const input = strangers
    .map(({ name, stamp }) =>
      [
        `dn: CN=${name},${organizationalUnit}`,
        'objectClass: computer',
        `sAMAccountName: ${name}$`,
        'userAccountControl: 4096',
        ...(stamp === undefined ? [] : [`msDS-cloudExtensionAttribute1: ${stamp}`]),
      ].join('\n'),
    )
    .join('\n\n');
  const { code, stderr } = await machine.exec(['ldbadd', '-H', database], {
    input: `${input}\n`,
    timeoutMs: limitMs,
  });
  if (code !== 0) throw new Error(`ldbadd: ${stderr.trim()}`);
}
