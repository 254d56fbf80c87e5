/** What people do who join instances by other means than adjoin: with an account of their own, after the instance is in service. */
import { randomBytes } from 'node:crypto';
import type { Domain } from '../domain/domain.ts';
import type { Machine } from '../machine/machine.ts';
import { takeOver } from '../machine/windows/run-power-shell.ts';
import type { MachineSystem } from './systems.ts';

const computerClass = 'bf967a86-0de6-11d0-a285-00aa003049e2';
/** WORKSTATION_TRUST_ACCOUNT. */
const workstation = 4096;
/** The controller's database, past LDAP and its access control. */
const database = '/var/lib/samba/private/sam.ldb';

/** Gives a plain user of the domain the right to join computers, as AWS's seamless domain join has it for its own. */
export async function letOthersJoin(domain: Domain): Promise<void> {
  const [found] = await domain.search({
    filter: `(sAMAccountName=${domain.auditor.user})`,
    attributes: ['objectSid'],
  });
  const sddl = `(OA;CI;CC;${computerClass};;${found?.attributes.get('objectSid')?.[0] ?? ''})`;
  const set = ['dsacl', 'set', `--objectdn=${domain.organizationalUnit}`, `--sddl=${sddl}`];
  await must(domain.controller, ['samba-tool', ...set]);
}

/** Joins a machine under this name. @param system what the machine is like */
export async function joinAsOthers(
  domain: Domain,
  machine: Machine,
  system: MachineSystem | undefined,
  computerName: string,
): Promise<void> {
  const { auditor, domainName, organizationalUnit, hostName } = domain;
  if (system?.powerShell === undefined) {
    const packages = ['adcli', 'bind-utils', 'krb5-workstation', 'sssd-ad'];
    if (system?.rpm?.packages === 'in repository')
      await must(machine, ['dnf', '-y', '-q', 'install', ...packages]);
    const how = [`--login-user=${auditor.user}`, '--stdin-password', `--domain-ou=${organizationalUnit}`];
    const names = [
      `--computer-name=${computerName}`,
      `--host-fqdn=${computerName.toLowerCase()}.${domainName}`,
    ];
    await must(machine, ['adcli', 'join', domainName, ...how, ...names], auditor.password);
    return;
  }
  // Windows makes the account over SAMR, and sets a password that it has chosen itself.
  const password = `Aa1${randomBytes(40).toString('hex')}`;
  const fqdn = `${computerName.toLowerCase()}.${domainName}`;
  const account = [
    `dn: CN=${computerName},${organizationalUnit}`,
    'objectClass: computer',
    `sAMAccountName: ${computerName}$`,
    `userAccountControl: ${workstation}`,
    `dNSHostName: ${fqdn}`,
    `servicePrincipalName: HOST/${fqdn}`,
    `unicodePwd:: ${Buffer.from(`"${password}"`, 'utf16le').toString('base64')}`,
    '',
  ];
  await must(domain.controller, ['ldbadd', '-H', database], account.join('\n'));
  await takeOver(machine, { name: computerName, domain: domainName, controller: hostName, password });
}

async function must(machine: Machine, command: readonly string[], input = ''): Promise<void> {
  const { code, stderr } = await machine.exec(command, { input });
  if (code !== 0) throw new Error(`${machine.name}: ${command[0] ?? ''}: ${stderr}`);
}
