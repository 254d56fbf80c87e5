/**
 * Who owns an object, and so who made it: the owner is the account that created an object, and only an administrator can give
 * it to another one. A name, a stamp and what lies below an object can be written by others.
 */
import { AndFilter, Control, EqualityFilter, OrFilter } from 'ldapts';
import { AdjoinError } from '../errors.ts';
import type { Connection } from './connection.ts';
import type { Row } from './entries.ts';
import { ownerOf, sidToString } from './values.ts';

export const SECURITY_DESCRIPTOR = 'nTSecurityDescriptor';

/** LDAP_SERVER_SD_FLAGS_OID (MS-ADTS 3.1.1.3.4.1.11). */
const SD_FLAGS = '1.2.840.113556.1.4.801';
/** OWNER_SECURITY_INFORMATION and DACL_SECURITY_INFORMATION. Without the control AD also wants to show what only auditors may read. */
const OWNER = 0x01;
const ACCESS_LIST = 0x04;
const OCTET_STRING = 0x04;

class DescriptorParts extends Control {
  readonly #parts: number;

  constructor(parts: number) {
    super(SD_FLAGS, { critical: true });
    this.#parts = parts;
  }

  override writeControl(writer: Parameters<Control['write']>[0]): void {
    // SEQUENCE { INTEGER parts }
    writer.writeBuffer(Buffer.from([0x30, 0x03, 0x02, 0x01, this.#parts]), OCTET_STRING);
  }
}

/** Makes `nTSecurityDescriptor` hold the owner, and nothing that takes further rights to read. */
export const ownerOnly = (): Control => new DescriptorParts(OWNER);

/** Makes `nTSecurityDescriptor` hold who may do what. It takes the same right as the owner. */
export const accessListOnly = (): Control => new DescriptorParts(ACCESS_LIST);

/** The security identifier of an entry's owner; nothing when it is not shown. */
export function ownerOfRow(row: Row): string | undefined {
  const descriptor = row.bytes(SECURITY_DESCRIPTOR);
  return descriptor && ownerOf(descriptor);
}

/**
 * The security identifier of the account that a connection is bound as.
 * @param user as the secret gives it: `user`, `user@domain` or `DOMAIN\user`
 * @throws AdjoinError `directory-denied` when the account is not shown to itself; LdapResult; ControllerFailure
 */
export async function identifierOf(
  connection: Connection,
  user: string,
  signal: AbortSignal,
): Promise<string> {
  const name = user.replace(/^.*\\/s, '').replace(/@.*$/s, '');
  const equals = (attribute: string, value: string): EqualityFilter =>
    new EqualityFilter({ attribute, value });
  // A logon name may differ from what stands before the @. Who may make computers could give one of them any logon name.
  const anyName = new OrFilter({
    filters: [equals('userPrincipalName', user), equals('sAMAccountName', name)],
  });
  const rows = await connection.search(
    {
      base: connection.baseDn,
      scope: 'sub',
      filter: new AndFilter({ filters: [equals('objectCategory', 'person'), anyName] }),
      attributes: ['objectSid', 'userPrincipalName'],
      binary: ['objectSid'],
    },
    signal,
  );
  const exact = rows.filter((row) => row.text('userPrincipalName')?.toLowerCase() === user.toLowerCase());
  const [row, ...others] = exact.length > 0 ? exact : rows;
  const bytes = others.length === 0 ? row?.bytes('objectSid') : undefined;
  const identifier = bytes && sidToString(bytes);
  if (identifier !== undefined) return identifier;
  throw new AdjoinError(
    'directory-denied',
    `${connection.controller} does not show the service account ${user} its own security identifier.`,
  );
}
