/** The directory as a plain domain user sees it over LDAPS: no part of the agent, and no right to change anything. */
import { AndFilter, Client, EqualityFilter, NotFilter } from 'ldapts';
import { dnsZoneDn } from '../domain/domain.ts';

export interface AuditorOptions {
  readonly domainName: string;
  readonly baseDn: string;
  /** `ldaps://HOST:PORT` */
  readonly url: string;
  /** The name in the certificate, where the URL names another. */
  readonly serverName: string;
  /** PEM text of the CA. */
  readonly ca: string;
  readonly user: string;
  readonly password: string;
}

/** A computer account as the directory shows it. */
export interface AuditedAccount {
  /** Without the dollar sign. */
  readonly computerName: string;
  readonly distinguishedName: string;
  readonly enabled: boolean;
  /** When the password was last set, in milliseconds since the epoch; 0 for never. */
  readonly passwordLastSet: number;
  readonly stamp: string;
}

export interface Auditor {
  /** Every computer account of the domain, the domain controllers' excepted. */
  computers(): Promise<AuditedAccount[]>;
  /** Every name in the domain's zone that holds a record, the names of services (`_ldap._tcp`) excepted. */
  dnsNames(): Promise<string[]>;
}

/** [MS-ADTS] userAccountControl: the account is disabled, and it belongs to a domain controller. */
const accountDisabled = 0x2;
const serverTrustAccount = 0x2000;
/** 100 ns between 1601 and 1970, and in a millisecond: the FILETIME of Active Directory. */
const epochAsFiletime = 116_444_736_000_000_000n;
const filetimePerMs = 10_000n;

export function filetimeToMs(filetime: string): number {
  const value = BigInt(filetime === '' ? '0' : filetime);
  return value === 0n ? 0 : Number((value - epochAsFiletime) / filetimePerMs);
}

const text = (value: unknown): string => {
  const first: unknown = Array.isArray(value) ? value[0] : value;
  return typeof first === 'string' ? first : Buffer.isBuffer(first) ? first.toString('utf8') : '';
};

/** Each question is a connection of its own: the auditor asks seldom, and a domain controller may go down in between. */
export function createAuditor(options: AuditorOptions): Auditor {
  const ask = async <Answer>(question: (client: Client) => Promise<Answer>): Promise<Answer> => {
    const client = new Client({
      url: options.url,
      tlsOptions: { ca: [options.ca], servername: options.serverName, minVersion: 'TLSv1.2' },
      connectTimeout: 5_000,
      timeout: 15_000,
    });
    try {
      await client.bind(options.user, options.password);
      return await question(client);
    } finally {
      await client.unbind().catch(() => undefined);
    }
  };

  return {
    computers: () =>
      ask(async (client) => {
        const { searchEntries } = await client.search(options.baseDn, {
          scope: 'sub',
          filter: new EqualityFilter({ attribute: 'objectClass', value: 'computer' }),
          attributes: [
            'distinguishedName',
            'sAMAccountName',
            'userAccountControl',
            'pwdLastSet',
            'msDS-cloudExtensionAttribute1',
          ],
          paged: true,
        });
        return searchEntries.flatMap((entry) => {
          const control = Number(text(entry['userAccountControl']));
          if ((control & serverTrustAccount) !== 0) return [];
          return [
            {
              computerName: text(entry['sAMAccountName']).replace(/\$$/, ''),
              distinguishedName: entry.dn,
              enabled: (control & accountDisabled) === 0,
              passwordLastSet: filetimeToMs(text(entry['pwdLastSet'])),
              stamp: text(entry['msDS-cloudExtensionAttribute1']),
            },
          ];
        });
      }),
    dnsNames: () =>
      ask(async (client) => {
        const { searchEntries } = await client.search(dnsZoneDn(options.domainName), {
          scope: 'one',
          filter: new AndFilter({
            filters: [
              new EqualityFilter({ attribute: 'objectClass', value: 'dnsNode' }),
              // A tombstone holds no record; the controller's own scavenging removes it.
              new NotFilter({ filter: new EqualityFilter({ attribute: 'dNSTombstoned', value: 'TRUE' }) }),
            ],
          }),
          attributes: ['name'],
          paged: true,
        });
        // The controller adds names of its services by itself, minutes after it started.
        return searchEntries.map((entry) => text(entry['name'])).filter((name) => !name.startsWith('_'));
      }),
  };
}
