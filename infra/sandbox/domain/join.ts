import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, InvalidCredentialsError } from 'ldapts';
import { startMachine, type Machine } from '../machine/machine.ts';
import { issueCertificate, type Authority } from './authority.ts';
import { controllerIn, must, nameServices, smbConfEdits, type Controller } from './controller.ts';
import { withOpenDatabase } from './database.ts';
import { randomPassword } from './password.ts';

/** The domain that a controller joins. */
export interface JoinedDomain {
  readonly image: string;
  readonly runtime: string;
  readonly domainName: string;
  /** The container of its DNS records. */
  readonly dnsZone: string;
  readonly caFile: string;
  readonly authority: Authority;
  /** The service account's name; it must not delete the new controller's DNS record. */
  readonly serviceAccount: string;
  /** It must be up. */
  readonly first: Controller;
  /** The other writable controllers. They must be up when a read-only one joins. */
  readonly others: readonly Controller[];
  /** A user who may bind. */
  readonly auditor: { readonly principal: string; readonly password: string };
}

export interface JoinOptions {
  /** The host's name alone. Default: `dc2`. */
  readonly hostName?: string;
  /** Default: `10.77.0.11`. */
  readonly address?: string;
  /** A read-only domain controller. Default: false. */
  readonly readOnly?: boolean;
  /** The Active Directory site that it stands in, made if there is none. Default: the first controller's. */
  readonly site?: string;
}

/** Where Samba's tools put the first controller. */
const defaultSite = 'Default-First-Site-Name';
/** Joining takes 7–11 s. */
const joinLimitMs = 120_000;
/** Registering some thirty records takes 2–5 s. */
const registerLimitMs = 60_000;

/** The first bind takes a second, and some more where a writable controller is slow to be found. */
const bindLimitMs = 60_000;
const bindPollMs = 250;

const admitScript = join(import.meta.dirname, 'admit.py');

/** Makes a machine a controller of the domain, and resolves when the first and the new one know each other. */
export async function joinController(domain: JoinedDomain, options: JoinOptions): Promise<Controller> {
  const { image, runtime, domainName, first } = domain;
  const { hostName = 'dc2', address = '10.77.0.11' } = options;
  const started = await startMachine({
    image,
    runtime,
    name: hostName,
    hostName,
    address,
    nameServers: [first.address],
    searchDomain: domainName,
  });
  const machine = withOpenDatabase(started);
  const fullHostName = `${hostName}.${domainName}`;
  try {
    await Promise.all([
      issueCertificate(domain.authority, machine, fullHostName, domainName),
      joinAs(machine, domain, options),
    ]);
    const controller = controllerIn(machine, fullHostName, domain.caFile);
    if (options.readOnly === true) {
      await introduce(domain);
      await controller.start();
      await register(controller, domain, options);
      await checksPasswords(controller, domain);
    } else {
      await controller.start();
      await acquaint(controller, domain, options);
    }
    return controller;
  } catch (error) {
    await machine.destroy();
    throw error;
  }
}

/** Joins with an administrator who exists for the time of the join only. */
async function joinAs(machine: Machine, domain: JoinedDomain, options: JoinOptions): Promise<void> {
  const { domainName, first } = domain;
  const joiner = { user: `join-${machine.name}`, password: randomPassword() };
  const admit = async (wanted: object) =>
    must(first.machine, ['python3', '-c', await readFile(admitScript, 'utf8')], {
      input: JSON.stringify(wanted),
    });
  await admit({ step: 'before', joiner, site: options.site ?? null });
  await must(machine, ['rm', '-f', '/etc/samba/smb.conf']);
  await must(
    machine,
    [
      'samba-tool',
      'domain',
      'join',
      domainName,
      options.readOnly === true ? 'RODC' : 'DC',
      '--quiet',
      '--dns-backend=SAMBA_INTERNAL',
      `--server=${first.hostName}`,
      `--username=${joiner.user}`,
      `--realm=${domainName.toUpperCase()}`,
      ...(options.site === undefined ? [] : [`--site=${options.site}`]),
      `--option=netbios name=${machine.name.toUpperCase()}`,
      '--option=interfaces=eth0',
      '--option=bind interfaces only=yes',
    ],
    // Samba reads the password from the descriptor that this variable names.
    { input: `${joiner.password}\n`, env: { PASSWD_FD: '0' }, timeoutMs: joinLimitMs },
  );
  await must(machine, ['sed', '-i', smbConfEdits, '/etc/samba/smb.conf']);
  const record = `DC=${machine.name},${domain.dnsZone}`;
  await admit({
    step: 'after',
    joiner: { user: joiner.user },
    record,
    serviceAccount: domain.serviceAccount,
  });
}

/**
 * A read-only controller lets a writable one check passwords, whichever it finds, and remembers for a while which one does
 * not know its account: all must have heard of it from the first one before it starts.
 */
async function introduce({ first, others }: JoinedDomain): Promise<void> {
  for (const other of others) await other.replicateFrom([first]);
}

/** A read-only controller is named for its site only. It asks a writable one to register it, but Samba's does not. */
async function register(controller: Controller, domain: JoinedDomain, options: JoinOptions): Promise<void> {
  const { domainName, first } = domain;
  const { site = defaultSite } = options;
  const record = [`_ldap._tcp.${site}._sites.dc`, 'SRV', `${controller.hostName} 389 0 100`];
  const add = ['samba-tool', 'dns', 'add', first.hostName, `_msdcs.${domainName}`, ...record];
  await must(first.machine, [...add, '--machine-pass']);
}

/** Its LDAP answers before the service does that asks a writable controller. */
async function checksPasswords(
  { address, hostName }: Controller,
  { auditor, caFile }: JoinedDomain,
): Promise<void> {
  const ca = await readFile(caFile, 'utf8');
  const deadline = performance.now() + bindLimitMs;
  for (;;) {
    const client = new Client({
      url: `ldaps://${address}`,
      tlsOptions: { ca, servername: hostName },
      timeout: bindLimitMs,
    });
    try {
      await client.bind(auditor.principal, auditor.password);
      return;
    } catch (error) {
      // Only what it says for want of a writable controller passes by itself; asking on would lock the auditor out.
      if (!(error instanceof InvalidCredentialsError) || /data 52e/.test(error.message)) throw error;
      if (performance.now() > deadline) throw error;
      await sleep(bindPollMs);
    } finally {
      await client.unbind().catch(() => undefined);
    }
  }
}

/** Waits until DNS names the new controller, and lets each controller take in what the other one has. */
async function acquaint(controller: Controller, domain: JoinedDomain, options: JoinOptions): Promise<void> {
  const { domainName, first } = domain;
  const { site = defaultSite } = options;
  await isFound(controller, first, `_ldap._tcp.${site}._sites.dc._msdcs.${domainName}`);
  await isFound(controller, first, `_ldap._tcp.dc._msdcs.${domainName}`);
  await nameServices(controller.machine);
  await controller.replicateFrom([first]);
  await first.replicateFrom([controller]);
}

/** Registers a controller in DNS, until it is found there. */
async function isFound(controller: Controller, first: Controller, record: string): Promise<void> {
  const deadline = performance.now() + registerLimitMs;
  for (;;) {
    const answer = await first.machine.exec(['nslookup', '-type=SRV', record, first.address]);
    if (answer.stdout.includes(` ${controller.hostName}.`)) return;
    if (performance.now() > deadline) throw new Error(`${controller.hostName}: does not register ${record}`);
    // It fails even when it has registered all: Samba's answers to updates are not signed as nsupdate wants it.
    await controller.machine.exec(['samba_dnsupdate'], { timeoutMs: registerLimitMs });
  }
}
