/** What tests put into a real directory without the agent. */
import { dnsZoneDn, type Domain } from '../../../infra/sandbox/domain/domain.ts';

const DATABASE = '/var/lib/samba/private/sam.ldb';

export interface Planting {
  /** Runs one of Samba's database tools on the controller. */
  readonly ldb: (tool: string, ...input: string[]) => Promise<void>;
  /** Makes a computer account. */
  readonly plant: (name: string, container: string, ...more: string[]) => Promise<void>;
  readonly plantRecord: (label: string, ...more: string[]) => Promise<void>;
  readonly dnOf: (name: string) => Promise<string | undefined>;
  /** How many records of this label there are. */
  readonly records: (label: string) => Promise<number>;
}

export function plantingIn(domain: () => Domain): Planting {
  const zone = (): string => dnsZoneDn(domain().domainName);
  async function ldb(tool: string, ...input: string[]): Promise<void> {
    const { code, stderr } = await domain().controller.exec([tool, '-H', DATABASE, '--relax'], {
      input: `${input.join('\n')}\n`,
    });
    if (code !== 0) throw new Error(stderr);
  }
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
    plantRecord: (label, ...more) =>
      ldb('ldbadd', `dn: DC=${label},${zone()}`, 'objectClass: dnsNode', ...more),
    async dnOf(name) {
      const found = await domain().search({ filter: `(sAMAccountName=${name}$)`, attributes: ['cn'] });
      return found[0]?.dn;
    },
    async records(label) {
      return (await domain().search({ base: zone(), filter: `(dc=${label})`, attributes: ['dc'] })).length;
    },
  };
}
