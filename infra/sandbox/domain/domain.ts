import { randomInt } from 'node:crypto';
import { Resolver } from 'node:dns/promises';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'node:tls';
import { startMachine, type Machine } from '../machine/machine.ts';
import { ensureBridge } from '../machine/network.ts';
import type { ProcessOptions } from '../machine/process.ts';
import { parseLdif, type Entry } from './ldif.ts';

/**
 * A real Active Directory domain with one Samba controller in a machine of its own.
 *
 *   up ── stop ──▶ down ── start ──▶ up      the controller's machine and network stay, its ports are closed
 *   up, down ── destroy ──▶ gone
 *
 * Every password is random for this run and lives in this process and in the controller's memory-backed disk only.
 */
export interface Domain {
  readonly domainName: string;
  readonly realm: string;
  readonly baseDn: string;
  /** The controller's fully qualified host name, which its certificate carries. */
  readonly hostName: string;
  readonly address: string;
  /** PEM file with the authority that signed the controller's LDAPS certificate. */
  readonly caFile: string;
  readonly organizationalUnit: string;
  /** May manage computer accounts in the organizational unit, and delete DNS records that machines registered. */
  readonly serviceAccount: Account;
  /** A plain domain user: reads. */
  readonly auditor: Account;
  /** The controller's machine, for tests that look into it. */
  readonly controller: Machine;
  /** Resets the service account's password in the directory, as an administrator would. */
  setServicePassword(password: string): Promise<void>;
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

/** Provisioning takes 4 s on an idle machine, everything else well under one. */
const provisionLimitMs = 90_000;
const commandLimitMs = 30_000;
/** Samba binds its ports 1–2 s after it starts. */
const startLimitMs = 30_000;
const startPollMs = 50;

const furnishScript = join(import.meta.dirname, 'furnish.py');
const certificateScript = join(import.meta.dirname, 'certificate.sh');

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
  const controller = await startMachine({
    image,
    runtime,
    name: hostName,
    hostName,
    address,
    nameServer: address,
    searchDomain: domainName,
  });

  const must = async (argv: readonly string[], processOptions: ProcessOptions = {}) => {
    const outcome = await controller.exec(argv, { timeoutMs: commandLimitMs, ...processOptions });
    if (outcome.code === 0) return outcome.stdout;
    // A failed tool may repeat its input, which holds passwords: its last line alone, and no standard output.
    const reason = outcome.timedOut ? 'timed out' : (outcome.stderr.trim().split('\n').at(-1) ?? '');
    throw new Error(`${fullHostName}: ${argv.slice(0, 3).join(' ')}: ${reason}`);
  };
  const start = async () => {
    await must(['samba', '--daemon']);
    await answers({ address, hostName: fullHostName, ca: await readFile(caFile, 'utf8') });
  };

  try {
    const certificate = async () => {
      const script = await readFile(certificateScript, 'utf8');
      await must(['sh', '-s', '--', fullHostName, address], { input: script });
    };
    const provision = async () => {
      await must(['rm', '-f', '/etc/samba/smb.conf']);
      // Without a password given, the tool makes one for Administrator and, being quiet, tells nobody.
      await must(
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
      await must(['sed', '-i', smbConfEdits, '/etc/samba/smb.conf']);
      const wanted = { domainName, organizationalUnit, serviceAccount, auditor, lockoutThreshold };
      await must(['python3', '-c', await readFile(furnishScript, 'utf8')], { input: JSON.stringify(wanted) });
    };
    await Promise.all([certificate(), provision()]);
    await writeFile(caFile, await must(['cat', '/var/lib/samba/private/tls/ca.pem']), { mode: 0o644 });
    await start();
    // What /etc/resolv.conf of the namespace points to, as a VPC's DHCP options name the domain's controllers.
    await writeFile(join(runtime, 'resolv.conf'), `nameserver ${address}\n`);
  } catch (error) {
    await controller.destroy();
    throw error;
  }

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
    async setServicePassword(password) {
      const quoted = Buffer.from(`"${password}"`, 'utf16le').toString('base64');
      const dn = `CN=${serviceAccount.user},CN=Users,${baseDn}`;
      await must(['ldbmodify', '-H', database], {
        input: `dn: ${dn}\nchangetype: modify\nreplace: unicodePwd\nunicodePwd:: ${quoted}\n`,
      });
      serviceAccount = { ...serviceAccount, password };
    },
    async search({ base = baseDn, filter, attributes }) {
      return parseLdif(await must(['ldbsearch', '-H', database, '-b', base, filter, ...attributes]));
    },
    async stop() {
      await must(['sh', '-c', stopSamba]);
    },
    start,
    async destroy() {
      await controller.destroy();
    },
  };
}

const database = '/var/lib/samba/private/sam.ldb';

/**
 * There is nobody to forward queries to, so names of other zones fail at once instead of timing out. A password that was
 * replaced is refused at once, and not only after the hour for which NTLM allows it.
 */
const smbConfEdits = '/dns forwarder/d; /^.global/a old password allowed period = 0';

/** Asks, and after two seconds insists. */
const stopSamba = `
pkill -TERM -x 'samba|smbd|winbindd' || :
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  pgrep 'samba|smbd|winbindd' >/dev/null || exit 0
  sleep 0.1
done
pkill -KILL 'samba|smbd|winbindd' || :`;

/** The domain's short name: the first label, as is the custom. */
function netbiosName(domainName: string): string {
  return (domainName.split('.')[0] ?? '').toUpperCase().slice(0, 15);
}

/** 40 letters and digits of three classes, which the domain's complexity rule asks for: about 230 bits. */
export function randomPassword(): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
  const pick = () => alphabet[randomInt(alphabet.length)] ?? '';
  for (;;) {
    const password = Array.from({ length: 40 }, pick).join('');
    if (/[A-Z]/.test(password) && /[a-z]/.test(password) && /\d/.test(password)) return password;
  }
}

/** Waits until the controller speaks LDAPS with its certificate, DNS with its own record, and Kerberos. */
async function answers(target: { address: string; hostName: string; ca: string }): Promise<void> {
  const deadline = performance.now() + startLimitMs;
  for (;;) {
    try {
      await Promise.all([speaksTls(target), namesItself(target.address, target.hostName)]);
      return;
    } catch (error) {
      if (performance.now() > deadline) {
        throw new Error(`${target.hostName}: the domain controller does not answer: ${String(error)}`, {
          cause: error,
        });
      }
      await sleep(startPollMs);
    }
  }
}

function speaksTls(target: { address: string; hostName: string; ca: string }): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const socket = connect({ host: target.address, port: 636, servername: target.hostName, ca: target.ca });
  socket.setTimeout(2_000, () => socket.destroy(new Error('LDAPS: no answer')));
  socket.once('secureConnect', () => {
    socket.destroy();
    resolve();
  });
  socket.once('error', reject);
  return promise;
}

async function namesItself(address: string, name: string): Promise<void> {
  const resolver = new Resolver({ timeout: 500, tries: 1 });
  resolver.setServers([address]);
  await resolver.resolve4(name);
}
