import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { resolverConfiguration, startMachine, type Machine } from '../machine/machine.ts';
import { ensureBridge } from '../machine/network.ts';
import { issueCertificate, makeAuthority } from './authority.ts';
import { controllerIn, must, nameServices, smbConfEdits, type Controller } from './controller.ts';
import { database, withOpenDatabase } from './database.ts';
import { joinController, type JoinOptions } from './join.ts';
import { parseLdif, type Entry } from './ldif.ts';
import { randomPassword } from './password.ts';
import { provisionedDomains, provisionOnce } from './provisioned.ts';

/**
 * A real Active Directory domain. It begins with one controller; more can join. What speaks of "the controller" means
 * the first.
 *
 *   up, down ── destroy ──▶ gone      with all its controllers
 *
 * Every password is random for this run and lives in this process and on the controllers' memory-backed disks only.
 */
export interface Domain {
  readonly domainName: string;
  readonly realm: string;
  readonly baseDn: string;
  /** The controller's fully qualified host name, which its certificate carries. */
  readonly hostName: string;
  readonly address: string;
  /** PEM file with the authority that signed the controllers' LDAPS certificates. */
  readonly caFile: string;
  readonly organizationalUnit: string;
  /** May manage computer accounts in the organizational unit, and delete DNS records that machines registered. */
  readonly serviceAccount: Account;
  /** A plain domain user: reads. */
  readonly auditor: Account;
  /** The controller's machine, for tests that look into it. */
  readonly controller: Machine;
  /** All of them, the first one first. */
  readonly controllers: readonly Controller[];
  /** Addresses of the DNS servers, which are the controllers: what a machine's resolv.conf should name. */
  readonly nameServers: readonly string[];
  /**
   * Makes another controller, which joins the domain over the first one, and resolves when each of the two knows of the
   * other and is found through DNS; a read-only one, when it can check passwords. The namespace's resolv.conf names it from
   * then on; machines that run already do not know of it. Takes some 15 s.
   */
  addController(options?: JoinOptions): Promise<Controller>;
  /**
   * Gives a machine a certificate for its own name, as an enterprise authority gives one to every member that asks, and
   * resolves with it and its key (PEM).
   */
  certifyMember(
    machine: Machine,
    hostName: string,
  ): Promise<{ readonly certificate: string; readonly key: string }>;
  /** Resets the service account's password in the directory, as an administrator would. */
  setServicePassword(password: string): Promise<void>;
  /** Takes from the service account the right to change DNS records, or gives it back, as an administrator would. */
  setDnsRight(granted: boolean): Promise<void>;
  /** Reads the controller's database past LDAP and its access control. */
  search(query: Query): Promise<Entry[]>;
  stop(): Promise<void>;
  /** Resolves when the controller answers again. */
  start(): Promise<void>;
  destroy(): Promise<void>;
}

export interface Account {
  /** The name alone, as the secret's `domain_user` has it. */
  readonly user: string;
  /** `user@domain`, as an LDAP bind takes it. */
  readonly principal: string;
  readonly password: string;
}

export interface Query {
  /** Default: the domain. DNS records are elsewhere, see `dnsZoneDn`. */
  readonly base?: string;
  readonly filter: string;
  readonly attributes: readonly string[];
}

export interface DomainOptions {
  readonly image: string;
  /** A directory on a tmpfs: the controller's database holds every key of the domain. */
  readonly runtime: string;
  /** Where to write the certificate authority's certificate. Default: in `runtime`. */
  readonly caFile?: string;
  /** Default: `corp.example.test`. */
  readonly domainName?: string;
  /** Default: `dc1`. */
  readonly hostName?: string;
  /** Default: `10.77.0.10`. */
  readonly address?: string;
}

/** Refused binds before an account locks: low enough that a retry loop shows, and can be read in `badPwdCount`. */
export const lockoutThreshold = 10;

/** Provisioning takes 4 s on an idle machine, and more than a minute on one that has ten things to do at once. */
const provisionLimitMs = 240_000;

const furnishScript = join(import.meta.dirname, 'furnish.py');
const dnsRightScript = join(import.meta.dirname, 'dns-right.py');

/** The container of a domain's DNS records. */
export function dnsZoneDn(domainName: string): string {
  return `DC=${domainName},CN=MicrosoftDNS,DC=DomainDnsZones,${baseDnOf(domainName)}`;
}

function baseDnOf(domainName: string): string {
  return domainName
    .split('.')
    .map((label) => `DC=${label}`)
    .join(',');
}

/** Must be called inside the outer namespace. Takes 6–9 s. */
export async function startDomain(options: DomainOptions): Promise<Domain> {
  const {
    image,
    runtime,
    domainName = 'corp.example.test',
    hostName = 'dc1',
    address = '10.77.0.10',
  } = options;
  const caFile = options.caFile ?? join(runtime, `${hostName}-ca.pem`);
  const baseDn = baseDnOf(domainName);
  const fullHostName = `${hostName}.${domainName}`;
  const organizationalUnit = `OU=Fleet,${baseDn}`;
  const account = (user: string): Account => ({
    user,
    principal: `${user}@${domainName}`,
    password: randomPassword(),
  });
  let serviceAccount = account('svc-adjoin');
  const auditor = account('auditor');

  await ensureBridge();
  const domains = provisionedDomains(runtime);
  const started = await startMachine({
    image,
    runtime,
    name: hostName,
    hostName,
    address,
    nameServers: [address],
    searchDomain: domainName,
    shares: domains === undefined ? [] : [domains],
  });
  const controller = withOpenDatabase(started);

  const first = controllerIn(controller, fullHostName, caFile);
  const controllers: Controller[] = [first];
  const writable: Controller[] = [first];
  const nameServers = () => controllers.map((one) => one.address);
  /** What /etc/resolv.conf of the namespace points to, as a VPC's DHCP options name the domain's controllers. */
  const writeNameServers = () =>
    writeFile(join(runtime, 'resolv.conf'), resolverConfiguration(nameServers()));

  const provision = async () => {
    await must(controller, ['rm', '-f', '/etc/samba/smb.conf']);
    // Without a password given, the tool makes one for Administrator and, being quiet, does not print it.
    await must(
      controller,
      [
        'samba-tool',
        'domain',
        'provision',
        '--quiet',
        '--server-role=dc',
        '--dns-backend=SAMBA_INTERNAL',
        `--realm=${domainName.toUpperCase()}`,
        `--domain=${netbiosName(domainName)}`,
        `--host-name=${hostName}`,
        `--host-ip=${address}`,
        '--option=interfaces=eth0',
        '--option=bind interfaces only=yes',
      ],
      { timeoutMs: provisionLimitMs },
    );
    await must(controller, ['sed', '-i', smbConfEdits, '/etc/samba/smb.conf']);
    await nameServices(controller);
  };
  const furnished = async () => {
    await provisionOnce(domains, `${hostName}.${domainName}-${address}`, controller, provision);
    const wanted = { domainName, organizationalUnit, serviceAccount, auditor, lockoutThreshold };
    const furnish = ['python3', '-c', await readFile(furnishScript, 'utf8')];
    await must(controller, furnish, { input: JSON.stringify(wanted) });
  };
  const certify = async () => {
    const made = await makeAuthority(controller);
    await issueCertificate(made, controller, fullHostName, domainName);
    await writeFile(caFile, made.certificate, { mode: 0o644 });
    return made;
  };
  const found = async () => {
    try {
      const [made] = await Promise.all([certify(), furnished()]);
      await first.start();
      await writeNameServers();
      return made;
    } catch (error) {
      await controller.destroy();
      throw error;
    }
  };
  const authority = await found();

  return {
    domainName,
    realm: domainName.toUpperCase(),
    baseDn,
    hostName: fullHostName,
    address,
    caFile,
    organizationalUnit,
    get serviceAccount() {
      return serviceAccount;
    },
    auditor,
    controller,
    get controllers() {
      return [...controllers];
    },
    get nameServers() {
      return nameServers();
    },
    async addController(joinOptions = {}) {
      const added = await joinController(
        {
          image,
          runtime,
          domainName,
          dnsZone: dnsZoneDn(domainName),
          caFile,
          authority,
          serviceAccount: serviceAccount.user,
          auditor,
          first,
          others: writable.slice(1),
        },
        joinOptions,
      );
      controllers.push(added);
      if (joinOptions.readOnly !== true) writable.push(added);
      await writeNameServers();
      return added;
    },
    async certifyMember(machine, name) {
      await issueCertificate(authority, machine, name);
      const read = (file: string) => must(machine, ['cat', `/var/lib/samba/private/tls/${file}.pem`]);
      const [certificate, key] = await Promise.all([read('cert'), read('key')]);
      return { certificate, key };
    },
    async setServicePassword(password) {
      const quoted = Buffer.from(`"${password}"`, 'utf16le').toString('base64');
      const dn = `CN=${serviceAccount.user},CN=Users,${baseDn}`;
      await must(controller, ['ldbmodify', '-H', database], {
        input: `dn: ${dn}\nchangetype: modify\nreplace: unicodePwd\nunicodePwd:: ${quoted}\n`,
      });
      serviceAccount = { ...serviceAccount, password };
    },
    async setDnsRight(granted) {
      const wanted = { host: fullHostName, zone: dnsZoneDn(domainName), user: serviceAccount.user, granted };
      const script = ['python3', '-c', await readFile(dnsRightScript, 'utf8')];
      await must(controller, script, { input: JSON.stringify(wanted) });
    },
    async search({ base = baseDn, filter, attributes }) {
      return parseLdif(
        await must(controller, ['ldbsearch', '-H', database, '-b', base, filter, ...attributes]),
      );
    },
    stop: () => first.stop(),
    start: () => first.start(),
    async destroy() {
      await Promise.all(controllers.map((one) => one.machine.destroy()));
    },
  };
}

/** The domain's short name: the first label, as is the custom. */
function netbiosName(domainName: string): string {
  return (domainName.split('.')[0] ?? '').toUpperCase().slice(0, 15);
}
