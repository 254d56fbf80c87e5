/** The DNS records that computers registered for themselves, where the zone is kept in the directory. */
import { AndFilter, DN, EqualityFilter, OrFilter } from 'ldapts';
import type { Session } from './controllers.ts';
import { isResult, Result } from './failures.ts';
import { hostLabel } from './names.ts';

/**
 * Where AD keeps zones: in the partition of the domain's or of the forest's DNS servers, or, from the times of Windows
 * 2000, in the domain itself. A controller answers only for partitions that it holds. No zone at all is no error: DNS
 * is then run by somebody else.
 */
function zones(session: Session): string[] {
  const { partitions, baseDn } = session.connection;
  const zone = new DN({ DC: session.domain }).toString();
  const application = partitions.filter((partition) => /^DC=(Domain|Forest)DnsZones,/i.test(partition));
  return [...application, `CN=System,${baseDn}`].map((container) => `${zone},CN=MicrosoftDNS,${container}`);
}

async function recordsIn(
  session: Session,
  zone: string,
  labels: readonly string[],
  signal: AbortSignal,
): Promise<{ readonly dn: string; readonly label: string }[]> {
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
    return rows.map((row) => ({ dn: row.dn, label: row.text('dc') ?? '' }));
  } catch (error) {
    if (isResult(error, Result.noSuchObject)) return [];
    throw error;
  }
}

/**
 * Deletes all records (the `dnsNode`, so addresses of both families) of these computers. Names that AD merely marked
 * as deleted go, too.
 * @returns the fully qualified names whose records this call deleted
 * @throws LdapResult, ControllerFailure
 */
export async function removeRecords(
  session: Session,
  computerNames: readonly string[],
  signal: AbortSignal,
): Promise<string[]> {
  if (computerNames.length === 0) return [];
  const labels = computerNames.map(hostLabel);
  const removed = new Set<string>();
  for (const zone of zones(session)) {
    for (const { dn, label } of await recordsIn(session, zone, labels, signal)) {
      try {
        await session.connection.remove(dn, signal);
        removed.add(`${label.toLowerCase()}.${session.domain}`);
      } catch (error) {
        if (!isResult(error, Result.noSuchObject)) throw error;
      }
    }
  }
  return [...removed];
}
