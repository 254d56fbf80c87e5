/** A computer account as a bare script makes it: one request, and no look at what is there. */
import { Attribute, type Client } from 'ldapts';
import type { Domain } from '../../infra/sandbox/domain/domain.ts';

/** A UTF-16 text in quotation marks (MS-ADTS 3.1.1.3.1.5). */
const passwordValue = (password: string): Buffer => Buffer.from(`"${password}"`, 'utf16le');

export const bareDn = (domain: Domain, name: string): string => `CN=${name},${domain.organizationalUnit}`;

export async function addBare(client: Client, domain: Domain, name: string, password: string): Promise<void> {
  const host = `${name.toLowerCase()}.${domain.domainName}`;
  const values: Readonly<Record<string, readonly (string | Buffer)[]>> = {
    objectClass: ['computer'],
    sAMAccountName: [`${name}$`],
    userAccountControl: ['4096'],
    dNSHostName: [host],
    servicePrincipalName: [
      `HOST/${name}`,
      `HOST/${host}`,
      `RestrictedKrbHost/${name}`,
      `RestrictedKrbHost/${host}`,
    ],
    unicodePwd: [passwordValue(password)],
  };
  const attributes = Object.entries(values).map(
    ([type, given]) => new Attribute({ type, values: given.map((value) => Buffer.from(value)) }),
  );
  await client.add(bareDn(domain, name), attributes);
}
