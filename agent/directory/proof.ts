/**
 * Which hosts may be given the password: domain controllers of this domain, and none that only says that it is one. DNS
 * proves nothing: in most zones every member may register records, those under a site without controllers among them,
 * and a member has a certificate for its own name from the same authority as the controllers.
 *
 *   configured                                                 ──▶ proven: the configuration pins it
 *   a proven controller lists the domain's controllers         ──▶ proven if it is one of them, and nothing else helps
 *   no list, or an old one and no controller left to ask: its
 *   name is directly in the domain, and its certificate says
 *   what only a controller's does                              ──▶ proven
 *   everything else                                            ──▶ untrusted, and no logon is made there
 */
import type { X509Certificate } from 'node:crypto';
import { AndFilter, EqualityFilter, ExtensibleFilter } from 'ldapts';
import type { Clock } from '../clock.ts';
import type { Connection } from './connection.ts';
import { ControllerFailure, LdapResult } from './failures.ts';

/** id-pkinit-KPKdc (RFC 4556, section 3.2.4), which AD calls KDC Authentication: only controllers may enrol for it. */
const KDC_AUTHENTICATION = '1.3.6.1.5.2.3.5';

/** The group of all writable controllers, by its number in each domain (MS-ADTS 6.1.1.6.14). */
const CONTROLLERS_GROUP = '516';
/** SERVER_TRUST_ACCOUNT of `userAccountControl` (MS-ADTS 2.2.16). Only who may add replicas can set it. */
const SERVER_TRUST_ACCOUNT = '8192';
/** LDAP_MATCHING_RULE_BIT_AND (MS-ADTS 3.1.1.3.4.4.1). */
const BIT_AND = '1.2.840.113556.1.4.803';

/** Milliseconds after which a list that lacks a host is read again: a controller may have been promoted since. */
const LIST_AGE_MS = 60_000;

/** The domain's writable controllers, as one that was proven listed them. */
export interface ControllerList {
  /** DNS name of the domain, in lower case. */
  readonly domain: string;
  /** Host name of the controller that listed them. */
  readonly by: string;
  /** Fully qualified host names, in lower case. */
  readonly hosts: ReadonlySet<string>;
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
}

/**
 * Reads which controllers the connection's domain has.
 * @param domain its DNS name
 * @returns nothing when the service account can't read them
 * @throws ControllerFailure
 */
export async function listControllers(
  connection: Pick<Connection, 'search' | 'baseDn' | 'controller'>,
  domain: string,
  now: number,
  signal: AbortSignal,
): Promise<ControllerList | undefined> {
  const filter = new AndFilter({
    filters: [
      new EqualityFilter({ attribute: 'objectClass', value: 'computer' }),
      new EqualityFilter({ attribute: 'primaryGroupID', value: CONTROLLERS_GROUP }),
      new ExtensibleFilter({
        rule: BIT_AND,
        matchType: 'userAccountControl',
        value: SERVER_TRUST_ACCOUNT,
      }),
    ],
  });
  try {
    const rows = await connection.search(
      { base: connection.baseDn, scope: 'sub', filter, attributes: ['dNSHostName'] },
      signal,
    );
    const hosts = rows.flatMap((row) => row.text('dNSHostName')?.toLowerCase() ?? []);
    if (hosts.length === 0) return undefined;
    return { domain: domain.toLowerCase(), by: connection.controller, hosts: new Set(hosts), at: now };
  } catch (error) {
    if (error instanceof LdapResult) return undefined;
    throw error;
  }
}

/** What is known of a host that DNS, or the ledger, named. */
export interface Candidate {
  /** As it was named, in lower case. */
  readonly host: string;
  /** Verified: issued by an authority that we trust, and valid for the host. */
  readonly certificate: X509Certificate;
}

/** Why a host is not proven to be a controller of the domain; nothing when it is. */
export function doubtAbout(
  { host, certificate }: Candidate,
  domain: string,
  list: ControllerList | undefined,
): string | undefined {
  const name = domain.toLowerCase();
  // A certificate for every host of a domain is given to servers of all kinds.
  if (certificate.checkHost(host, { wildcards: false, subject: 'never' }) === undefined)
    return 'its certificate names it by a wildcard only';
  if (list?.domain === name) {
    return list.hosts.has(host) ? undefined : `${list.by} does not list it among the controllers of ${name}`;
  }
  // A controller of a child domain shows the same, and is not ours.
  if (host.slice(host.indexOf('.') + 1) !== name) return `its name is not directly in ${name}`;
  if (certificate.keyUsage?.includes(KDC_AUTHENTICATION)) return undefined;
  if (certificate.checkHost(name, { wildcards: false, subject: 'never' }) !== undefined) return undefined;
  return `its certificate has neither the usage KDC Authentication nor the name ${name}`;
}

/** What the open connections say of the domain's controllers. */
export class KnownControllers {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #ask: () => Promise<ControllerList | undefined>;
  #list: ControllerList | undefined;

  /** @param ask reads the list over a connection that is bound; nothing when there is none, or it can't be read */
  constructor(clock: Pick<Clock, 'now'>, ask: () => Promise<ControllerList | undefined>) {
    this.#clock = clock;
    this.#ask = ask;
  }

  /** Takes the list of a controller that is proven; one that it can't read leaves what is known. */
  learn(list: ControllerList | undefined): void {
    if (list) this.#list = list;
  }

  /** Whether this may be a controller: no proven controller has said otherwise. */
  mayHave(host: string): boolean {
    return this.#list === undefined || this.#list.hosts.has(host);
  }

  /** Whether a proven controller says that this is one. */
  lists(host: string, domain: string): boolean {
    return this.#list?.domain === domain.toLowerCase() && this.#list.hosts.has(host);
  }

  /** Reads the list again when it is old. */
  async refresh(): Promise<void> {
    const former = this.#list;
    if (!former || this.#clock.now() - former.at < LIST_AGE_MS) return;
    const fresh = await this.#ask();
    // With no controller left to ask, the old list would shut out one that has taken their place: then there is none.
    // Another connection may have brought a newer one meanwhile.
    if (this.#list === former) this.#list = fresh;
  }

  /** @throws ControllerFailure `untrusted` unless the host has proven to be a controller of the domain */
  async prove(candidate: Candidate, domain: string): Promise<void> {
    let doubt = doubtAbout(candidate, domain, this.#list);
    if (doubt !== undefined) {
      await this.refresh();
      doubt = doubtAbout(candidate, domain, this.#list);
    }
    if (doubt === undefined) return;
    const reason = `nothing proves that it is a domain controller: ${doubt}`;
    throw new ControllerFailure('untrusted', candidate.host, reason);
  }
}
