/** What tests put into a real directory without the agent. */
import { dnsZoneDn, type Domain } from '../../../infra/sandbox/domain/domain.ts';

const DATABASE = '/var/lib/samba/private/sam.ldb';

export interface Planting {
  /** Runs one of Samba's database tools on the controller. */
  readonly ldb: (tool: string, ...input: string[]) => Promise<void>;
  /** Makes a computer account, as others do. */
  readonly plant: (name: string, container: string, ...more: string[]) => Promise<void>;
  /** Makes a computer account in our unit that our service account owns, as those that it makes itself. */
  readonly plantOurs: (name: string, ...more: string[]) => Promise<void>;
  /** DNS records that the account with this security identifier has registered. */
  readonly plantRecord: (label: string, owner: string, ...more: string[]) => Promise<void>;
  /** The security identifier of an account. */
  readonly sidOf: (accountName: string) => Promise<string>;
  /** The security identifier of an account that is gone. */
  readonly lostSid: () => Promise<string>;
  readonly dnOf: (name: string) => Promise<string | undefined>;
  /** How many names with this label there are; a tombstone is none. */
  readonly records: (label: string) => Promise<number>;
}

const descriptor = 'nTSecurityDescriptor: ';
const flags = 'userAccountControl: ';

/** A line that makes an object this account's, with what everybody may do by default: read it. */
export const ownedBy = (sid: string, access = '(A;;RPLCLORC;;;AU)'): string =>
  `${descriptor}O:${sid}G:DAD:${access}`;

export function plantingIn(domain: () => Domain): Planting {
  const zone = (): string => dnsZoneDn(domain().domainName);
  async function ldb(tool: string, ...input: string[]): Promise<void> {
    const { code, stderr } = await domain().controller.exec([tool, '-H', DATABASE, '--relax'], {
      input: `${input.join('\n')}\n`,
    });
    if (code !== 0) throw new Error(stderr);
  }
  async function sidOf(accountName: string): Promise<string> {
    const filter = `(sAMAccountName=${accountName})`;
    const [found] = await domain().search({ filter, attributes: ['objectSid'] });
    const sid = found?.attributes.get('objectSid')?.[0];
    if (sid === undefined) throw new Error(`There is no ${accountName}.`);
    return sid;
  }
  let lost = 0;
  return {
    ldb,
    plant: (name, container, ...more) =>
      ldb(
        'ldbadd',
        `dn: CN=${name},${container}`,
        'objectClass: computer',
        `sAMAccountName: ${name}$`,
        ...more,
      ),
    plantOurs: async (name, ...more) =>
      ldb(
        'ldbadd',
        `dn: CN=${name},${domain().organizationalUnit}`,
        'objectClass: computer',
        `sAMAccountName: ${name}$`,
        // Enabled, and our service account's, unless something else is given.
        ...(more.some((line) => line.startsWith(descriptor))
          ? []
          : [ownedBy(await sidOf(domain().serviceAccount.user))]),
        ...(more.some((line) => line.startsWith(flags)) ? [] : [`${flags}4096`]),
        ...more,
      ),
    plantRecord: (label, owner, ...more) =>
      ldb('ldbadd', `dn: DC=${label},${zone()}`, 'objectClass: dnsNode', ownedBy(owner), ...more),
    sidOf,
    async lostSid() {
      lost += 1;
      return (await sidOf(domain().serviceAccount.user)).replace(/\d+$/, String(900_000 + lost));
    },
    async dnOf(name) {
      const found = await domain().search({ filter: `(sAMAccountName=${name}$)`, attributes: ['cn'] });
      return found[0]?.dn;
    },
    async records(label) {
      const filter = `(&(dc=${label})(!(dNSTombstoned=TRUE)))`;
      return (await domain().search({ base: zone(), filter, attributes: ['dc'] })).length;
    },
  };
}
