/**
 * The floor: the simplest that brings machines into the domain and out of it again. A bare script stages each account over one
 * connection, lets the node join with the one-time password and start sssd, and deletes account and DNS record at the end. It has no
 * queue, no ledger and no second try, checks nothing that it finds, and leaves the node as it is.
 *
 * It ends where adjoin does: the node is a member, resolves a user of the domain and gives it a home directory, and DNS has its name.
 */
import { randomBytes, randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, NoSuchObjectError } from 'ldapts';
import { dnsZoneDn, type Domain } from '../../infra/sandbox/domain/domain.ts';
import type { Fleet } from '../../infra/sandbox/inside/fleet.ts';
import type { Machine } from '../../infra/sandbox/machine/machine.ts';
import type { Bar, Span } from '../../infra/sandbox/story/picture.ts';
import { addBare, bareDn } from './bare-account.ts';

/** What the script needs of a sandbox. */
export interface Ground {
  readonly domain: Domain;
  readonly fleet: Pick<Fleet, 'boot' | 'destroy' | 'machine'>;
}

export interface FloorRun {
  /** How many nodes joined at once. */
  readonly atOnce: number;
  /** Milliseconds from the launch until the last node could be used, and from then until the last was gone. */
  readonly outMs: number;
  readonly inMs: number;
  /** Milliseconds from the launch until the last had joined and started sssd, with nothing waited for. */
  readonly joinedMs: number;
  readonly from: number;
  readonly bars: readonly Bar[];
}

/** As long as the sandbox's machines take to register with Systems Manager: no agent of a node starts at once. */
export const REGISTRATION_MS = 300;
/** A node takes seconds; only one that hangs takes so long. */
const LIMIT_MS = 180_000;

/**
 * Users of the domain get home directories; without them a user has logged in and is nowhere. On Debian `realm join` leaves this to
 * whoever calls it, on Red Hat's systems it calls authselect for it. It needs no network, and runs while adcli waits for that.
 */
const LOG_IN = `
DEBIAN_FRONTEND=noninteractive pam-auth-update --enable mkhomedir >/dev/null &`;

/** Arguments: domain, controller, computer's name. The one-time password comes on standard input. */
const join = (logIn: string): string => `
set -e${logIn}
host=$(printf %s "$3" | tr A-Z a-z); fqdn=$host.$1; realm=$(printf %s "$1" | tr a-z A-Z)
hostname "$host"
printf '127.0.1.1 %s %s\\n' "$fqdn" "$host" >>/etc/hosts
printf '[libdefaults]\\ndefault_realm = %s\\nrdns = false\\n' "$realm" >/etc/krb5.conf
cat >/etc/sssd/sssd.conf <<END
[sssd]
domains = $1
services = nss, pam
[domain/$1]
id_provider = ad
ad_domain = $1
ad_hostname = $fqdn
krb5_realm = $realm
ldap_sasl_authid = $3\\$
use_fully_qualified_names = True
subdomain_refresh_interval_offset = 0
dyndns_update = True
dyndns_update_ptr = False
dyndns_refresh_interval_offset = 0
ldap_opt_timeout = 20
END
chmod 600 /etc/sssd/sssd.conf
adcli join --domain="$1" --domain-controller="$2" --computer-name="$3" --host-fqdn="$fqdn" \\
  --host-keytab=/etc/krb5.keytab --login-type=computer --stdin-password >/dev/null
wait
exec setsid sssd -D --logger=files </dev/null >/dev/null 2>&1`;

/**
 * Until the node resolves its own account and DNS has its name. sssd registers that 10 seconds after its start, or at once when it is
 * told to go offline and online again.
 */
const USABLE = `
host=$(printf %s "$3" | tr A-Z a-z)
until getent passwd "$3\\$@$1" >/dev/null 2>&1; do sleep 0.1; done
named() { [ -n "$(dig +short +time=2 +tries=1 "@$2" "$host.$1" A)" ]; }
if ! named "$@"; then
  kill -USR1 "$(cat /run/sssd.pid)"; kill -USR2 "$(cat /run/sssd.pid)"
  until named "$@"; do sleep 0.1; done
fi`;

async function openDirectory({ domain }: Ground) {
  const client = new Client({
    url: `ldaps://${domain.address}:636`,
    tlsOptions: { ca: readFileSync(domain.caFile), servername: domain.hostName },
  });
  await client.bind(domain.serviceAccount.principal, domain.serviceAccount.password);
  return {
    stage: (name: string, password: string): Promise<void> => addBare(client, domain, name, password),
    async remove(name: string): Promise<void> {
      await client.del(bareDn(domain, name));
      await client.del(`DC=${name.toLowerCase()},${dnsZoneDn(domain.domainName)}`).catch((error: unknown) => {
        if (!(error instanceof NoSuchObjectError)) throw error;
      });
    },
    close: () => client.unbind(),
  };
}

/** So many at a time, in the order in which they come. */
function gate(atOnce: number) {
  let free = atOnce;
  const waiting: (() => void)[] = [];
  return async function through<T>(work: () => Promise<T>): Promise<T> {
    if (free === 0) await new Promise<void>((resolve) => void waiting.push(resolve));
    else free -= 1;
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else free += 1;
    }
  };
}

async function runOn(machine: Machine, script: string, given: readonly string[], input = ''): Promise<void> {
  const argv = ['sh', '-c', script, 'floor', ...given];
  const { code, stderr } = await machine.exec(argv, { timeoutMs: LIMIT_MS, input });
  if (code !== 0) throw new Error(`${machine.name}: the bare script ended with ${code}: ${stderr.trim()}`);
}

/**
 * Out and in, once.
 * @param atOnce how many nodes join at a time
 * @param hasLogIn whether users of the domain get home directories
 */
export async function runFloor(
  ground: Ground,
  instances: number,
  atOnce: number,
  hasLogIn = true,
): Promise<FloorRun> {
  const { domain, fleet } = ground;
  const directory = await openDirectory(ground);
  const joining = gate(atOnce);
  const script = join(hasLogIn ? LOG_IN : '');
  const run = randomBytes(5).toString('hex').toUpperCase();
  const nodes = Array.from({ length: instances }, (_, index) => ({
    instanceId: `i-${randomInt(2 ** 40)
      .toString(16)
      .padStart(17, '0')}`,
    name: `F${run}${String(index).padStart(3, '0')}`,
    spans: [] as Span[],
  }));
  const from = Date.now();
  let joinedMs = 0;

  await Promise.all(
    nodes.map(async ({ instanceId, name, spans }) => {
      let since = from;
      const note = (what: Span['what']): void => {
        const to = Date.now();
        spans.push({ what, from: since, to });
        since = to;
      };
      await fleet.boot(instanceId, undefined, undefined);
      await sleep(REGISTRATION_MS);
      note('boot');
      const machine = fleet.machine(instanceId);
      if (!machine) throw new Error(`${instanceId}: there is no such machine`);
      const password = randomBytes(24).toString('hex');
      const given = [domain.domainName, domain.hostName, name];
      await joining(async () => {
        note('wait');
        await directory.stage(name, password);
        note('stage');
        await runOn(machine, script, given, password);
        joinedMs = Math.max(joinedMs, Date.now() - from);
      });
      await runOn(machine, USABLE, given);
      note('join');
    }),
  );
  const usable = Date.now();
  await Promise.all(
    nodes.map(async ({ instanceId, name, spans }) => {
      const since = spans.at(-1)?.to ?? usable;
      spans.push({ what: 'in service', from: since, to: usable });
      await directory.remove(name);
      spans.push({ what: 'remove', from: usable, to: Date.now() });
      await fleet.destroy(instanceId);
    }),
  );
  const inMs = Date.now() - usable;
  await directory.close();
  const bars = nodes.map(({ name, spans }): Bar => ({ label: name, spans }));
  return { atOnce, outMs: usable - from, inMs, joinedMs, from, bars };
}
