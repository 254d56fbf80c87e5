/**
 * The Active Directory site that a controller takes us for, asked as every client asks: for the attribute `netlogon` of the root
 * entry (MS-ADTS 6.3.3, LDAP ping), which works over an open connection, too.
 */
import { AndFilter, EqualityFilter } from 'ldapts';
import type { Connection } from './connection.ts';
import { LdapResult } from './failures.ts';

/** NETLOGON_NT_VERSION_5 and _5EX (MS-ADTS 6.3.1.1), little-endian: the answer is to name sites. */
const VERSION = Buffer.from('06000000', 'hex');
/** LOGON_SAM_LOGON_RESPONSE_EX (MS-ADTS 6.3.1.3), of 16 bits. */
const RESPONSE = 23;
/** Operation code, padding, flags and the domain's GUID, ahead of the names (MS-ADTS 6.3.1.9). */
const FIXED_BYTES = 24;
/** Forest, domain, host, NetBIOS names of domain and host, user, the controller's site; then the client's. */
const NAMES_BEFORE = 7;
/** A label is of at most 63 bytes, and a name of 255 (RFC 1035, section 2.3.4). */
const LABEL_BYTES = 63;
const NAME_BYTES = 255;
/** The first of two bytes that point to an earlier name (RFC 1035, section 4.1.4). */
const POINTER = 0xc0;
/** How Windows may spell the attribute in its answer; ldapts tells bytes from text by the exact name. */
const SPELLINGS = ['netlogon', 'Netlogon', 'NetLogon'];

/** It becomes part of a name that DNS is asked for: as in the configuration, and nothing else. */
const SITE_NAME = /^(?!-)[A-Za-z0-9_-]{1,63}(?<!-)$/;

/** The name that begins there, and where the next one begins; nothing when it is no name. */
function nameAt(answer: Buffer, start: number): { readonly name: string; readonly next: number } | undefined {
  const labels: string[] = [];
  let bytes = 0;
  let next: number | undefined;
  let earliest = answer.length;
  for (let at = start; ;) {
    const length = answer[at];
    if (length === undefined) return undefined;
    if (length === 0) return { name: labels.join('.'), next: next ?? at + 1 };
    if (length >= POINTER) {
      const low = answer[at + 1];
      if (low === undefined) return undefined;
      next ??= at + 2;
      const target = ((length - POINTER) << 8) + low;
      // Each pointer leads further back than the last one, so that a name comes to its end.
      if (target >= Math.min(at, earliest)) return undefined;
      earliest = target;
      at = target;
      continue;
    }
    const end = at + 1 + length;
    bytes += 1 + length;
    if (length > LABEL_BYTES || bytes > NAME_BYTES || end > answer.length) return undefined;
    labels.push(answer.toString('utf8', at + 1, end));
    at = end;
  }
}

/** The client's site in a netlogon answer; nothing where the controller knows none, or the bytes are no such answer. */
export function clientSite(answer: Buffer): string | undefined {
  if (answer.length < FIXED_BYTES || answer.readUInt16LE(0) !== RESPONSE) return undefined;
  let at = FIXED_BYTES;
  for (let count = 0; count < NAMES_BEFORE; count += 1) {
    const skipped = nameAt(answer, at);
    if (!skipped) return undefined;
    at = skipped.next;
  }
  const site = nameAt(answer, at)?.name;
  return site !== undefined && SITE_NAME.test(site) ? site : undefined;
}

/**
 * Asks a controller for our site.
 * @param domain DNS name of the controller's domain
 * @returns nothing where it knows none, or does not say
 * @throws ControllerFailure
 */
export async function readSite(
  connection: Pick<Connection, 'search'>,
  domain: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const filter = new AndFilter({
    filters: [
      new EqualityFilter({ attribute: 'DnsDomain', value: domain }),
      new EqualityFilter({ attribute: 'NtVer', value: VERSION }),
    ],
  });
  try {
    const [root] = await connection.search(
      { base: '', scope: 'base', filter, attributes: ['netlogon'], binary: SPELLINGS },
      signal,
    );
    const answer = root?.bytes('netlogon');
    return answer && clientSite(answer);
  } catch (error) {
    if (error instanceof LdapResult) return undefined;
    throw error;
  }
}
