/** Where the directory keeps the domain's DNS zone. */
import { DN } from 'ldapts';
import type { Clock } from '../clock.ts';
import { isResult, Result } from './failures.ts';
import type { Session } from './sessions.ts';

/**
 * Where AD keeps zones: in the partition of the domain's or of the forest's DNS servers, or, from the times of Windows
 * 2000, in the domain itself. A controller answers only for partitions that it holds. No zone at all is no error: DNS
 * is then run by others.
 */
export function zones(session: Session): string[] {
  const { partitions, baseDn } = session.connection;
  const zone = new DN({ DC: session.domain }).toString();
  const application = partitions.filter((partition) => /^DC=(Domain|Forest)DnsZones,/i.test(partition));
  return [...application, `CN=System,${baseDn}`].map((container) => `${zone},CN=MicrosoftDNS,${container}`);
}

async function isThere(session: Session, zone: string, signal: AbortSignal): Promise<boolean> {
  try {
    const found = await session.connection.search(
      { base: zone, scope: 'base', attributes: ['objectClass'] },
      signal,
    );
    return found.length > 0;
  } catch (error) {
    if (isResult(error, Result.noSuchObject)) return false;
    throw error;
  }
}

/** Milliseconds for which a place counts as one with or without the zone: an administrator moves a zone once in its life, if ever. */
const KNOWN_MS = 60_000;

/**
 * Which of the places have the zone, as it was up to a minute ago, so that a look at a name takes one request and not three. For what may
 * be as good as true: a zone that the service account is not shown, though its names are, is missed.
 */
export class KnownZones {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #known = new WeakMap<Session, { readonly at: number; readonly zones: readonly string[] }>();

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
  }

  /** @throws LdapResult, ControllerFailure */
  async of(session: Session, signal: AbortSignal): Promise<readonly string[]> {
    const at = this.#clock.now();
    const known = this.#known.get(session);
    if (known && at - known.at < KNOWN_MS) return known.zones;
    const places = zones(session);
    const there = await Promise.all(places.map((zone) => isThere(session, zone, signal)));
    const found = places.filter((_, index) => there[index]);
    this.#known.set(session, { at, zones: found });
    return found;
  }
}
