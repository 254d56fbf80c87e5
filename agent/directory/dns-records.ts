/** The DNS records that computers registered for themselves, where the zone is kept in the directory. */
import { AndFilter, DN, EqualityFilter, OrFilter } from 'ldapts';
import type { Session } from './sessions.ts';
import { isResult, Result } from './failures.ts';
import { hostLabel } from './names.ts';

/**
 * Where AD keeps zones: in the partition of the domain's or of the forest's DNS servers, or, from the times of Windows
 * 2000, in the domain itself. A controller answers only for partitions that it holds. No zone at all is no error: DNS
 * is then run by others.
 */
function zones(session: Session): string[] {
  const { partitions, baseDn } = session.connection;
  const zone = new DN({ DC: session.domain }).toString();
  const application = partitions.filter((partition) => /^DC=(Domain|Forest)DnsZones,/i.test(partition));
  return [...application, `CN=System,${baseDn}`].map((container) => `${zone},CN=MicrosoftDNS,${container}`);
}

/** A host's label (RFC 1123, section 2.1). */
const HOST = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** Those of the labels that the zone has records of. */
async function recordsIn(
  session: Session,
  zone: string,
  labels: readonly string[],
  signal: AbortSignal,
): Promise<string[]> {
  const filter = new AndFilter({
    filters: [
      new EqualityFilter({ attribute: 'objectClass', value: 'dnsNode' }),
      new OrFilter({ filters: labels.map((value) => new EqualityFilter({ attribute: 'dc', value })) }),
    ],
  });
  try {
    const rows = await session.connection.search(
      { base: zone, scope: 'one', filter, attributes: ['dc'] },
      signal,
    );
    const found = rows.map((row) => row.text('dc')?.toLowerCase() ?? '');
    // Names that were not asked for are not ours, whatever the answer holds.
    return labels.filter((label) => found.includes(label));
  } catch (error) {
    if (isResult(error, Result.noSuchObject)) return [];
    throw error;
  }
}

/** An account may have a name that no host has, such as `@` or `*`: those records are the zone's own. */
const labelsOf = (computerNames: readonly string[]): string[] =>
  computerNames.map(hostLabel).filter((label) => HOST.test(label));

/**
 * Those of the computers that have records in any zone.
 * @throws LdapResult, ControllerFailure
 */
export async function namesWithRecords(
  session: Session,
  computerNames: readonly string[],
  signal: AbortSignal,
): Promise<string[]> {
  const labels = labelsOf(computerNames);
  if (labels.length === 0) return [];
  const found = new Set<string>();
  for (const zone of zones(session)) {
    for (const label of await recordsIn(session, zone, labels, signal)) found.add(label);
  }
  return computerNames.filter((name) => found.has(hostLabel(name)));
}

/**
 * Deletes all records (the `dnsNode`, so addresses of both families) of these computers. Names that AD merely marked
 * as deleted are also removed.
 * @param beforeDelete called, and waited for, right before each delete with the computer's name in capitals
 * @returns the fully qualified names whose records this call deleted
 * @throws LdapResult, ControllerFailure, and what `beforeDelete` does
 */
export async function removeRecords(
  session: Session,
  computerNames: readonly string[],
  beforeDelete: (computerName: string) => Promise<void>,
  signal: AbortSignal,
): Promise<string[]> {
  const labels = labelsOf(computerNames);
  if (labels.length === 0) return [];
  const removed = new Set<string>();
  for (const zone of zones(session)) {
    for (const label of await recordsIn(session, zone, labels, signal)) {
      const before = (): Promise<void> => beforeDelete(label.toUpperCase());
      try {
        await session.connection.remove(`${new DN({ DC: label }).toString()},${zone}`, { signal, before });
        removed.add(`${label}.${session.domain}`);
      } catch (error) {
        if (!isResult(error, Result.noSuchObject)) throw error;
      }
    }
  }
  return [...removed];
}
