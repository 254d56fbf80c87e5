/** Whether the service account may turn DNS records of instances into tombstones: the directory itself says so. */
import { DN } from 'ldapts';
import { zones } from './zones.ts';
import { isResult, Result } from './failures.ts';
import { hostLabel } from './names.ts';
import type { Session } from './sessions.ts';

/** What a removal writes (dns-records.ts). */
const WRITTEN = ['dnsRecord', 'dNSTombstoned'] as const;

/** Names that are asked about at most: rights come from the zone, and are the same for all. */
const NAMES = 10;

/**
 * The attributes of these computers' names that may not be written; nothing when no zone has any of the names.
 *
 * It is not tried: an account that the service account makes is its own, and its own records say nothing about those of others.
 * `allowedAttributesEffective` (MS-ADTS 3.1.1.4.5.21) lists what the asking account may write.
 */
export async function missingDnsRights(
  session: Session,
  computerNames: readonly string[],
  signal: AbortSignal,
): Promise<string[] | undefined> {
  for (const zone of zones(session)) {
    for (const name of computerNames.slice(0, NAMES)) {
      try {
        const [row] = await session.connection.search(
          {
            base: `${new DN({ DC: hostLabel(name) }).toString()},${zone}`,
            scope: 'base',
            attributes: ['allowedAttributesEffective'],
          },
          signal,
        );
        if (!row) continue;
        const allowed = row.texts('allowedAttributesEffective').map((each) => each.toLowerCase());
        return WRITTEN.filter((attribute) => !allowed.includes(attribute.toLowerCase()));
      } catch (error) {
        if (!isResult(error, Result.noSuchObject)) throw error;
      }
    }
  }
  return undefined;
}
