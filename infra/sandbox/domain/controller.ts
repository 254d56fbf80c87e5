import { Resolver } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'node:tls';
import type { Machine } from '../machine/machine.ts';
import type { ProcessOptions } from '../machine/process.ts';
import { database } from './database.ts';
import { parseLdif } from './ldif.ts';

/**
 * A domain controller: Samba in a machine of its own.
 *
 *   up ── stop ──▶ down ── start ──▶ up      its machine and network stay, its ports are closed
 */
export interface Controller {
  /** The fully qualified host name, which its certificate carries. */
  readonly hostName: string;
  readonly address: string;
  /** For tests that look into it. */
  readonly machine: Machine;
  stop(): Promise<void>;
  /** Resolves when the controller answers again. */
  start(): Promise<void>;
  /**
   * Whether changes made on other controllers come in by themselves, within some seconds, as they do from the start.
   * Needs no running controller, but one that runs takes note.
   */
  setReplication(on: boolean): Promise<void>;
  /**
   * Takes in, before it resolves, all that the sources have. Both must be up and writable, and
   * replication on.
   * @param partition distinguished name of the only partition to take in, which is five times faster. Default: all
   */
  replicateFrom(sources: readonly Controller[], partition?: string): Promise<void>;
}

/**
 * There is no name server to forward queries to, so names of other zones fail at once instead of timing out. A password that was
 * replaced is refused at once, and not only after the hour for which NTLM allows it. What Samba runs by itself after each start
 * is run where it is needed, once: registration in DNS and in Kerberos, and who replicates from whom.
 */
const settings = [
  'old password allowed period = 0',
  'dns update command = /bin/true',
  'spn update command = /bin/true',
  'kccsrv:periodic_startup_interval = 300',
];
export const smbConfEdits = `/dns forwarder/d; /^.global/a ${settings.join('\\\n')}`;

const commandLimitMs = 30_000;
/** Samba binds its ports 1–2 s after it starts, and half a minute later on a machine that has ten things to do at once. */
const startLimitMs = 90_000;
const startPollMs = 50;
/** Takes 1–2 s, and more right after a start, while the consistency checker gets to know the sources. */
const replicateLimitMs = 60_000;

const replicateScript = join(import.meta.dirname, 'replicate.py');

/** Runs a program in the machine that has to succeed, and resolves with what it printed. */
export async function must(
  machine: Machine,
  argv: readonly string[],
  options: ProcessOptions = {},
): Promise<string> {
  const outcome = await machine.exec(argv, { timeoutMs: commandLimitMs, ...options });
  if (outcome.code === 0) return outcome.stdout;
  // A failed tool may repeat its input, which holds passwords: its last line alone, and no standard output.
  const reason = outcome.timedOut ? 'timed out' : (outcome.stderr.trim().split('\n').at(-1) ?? '');
  throw new Error(`${machine.name}: ${argv.slice(0, 2).join(' ')}: ${reason}`);
}

/** A controller in a machine where the domain has been provisioned or joined; it is not started yet. */
export function controllerIn(machine: Machine, hostName: string, caFile: string): Controller {
  const { address } = machine;
  return {
    hostName,
    address,
    machine,
    async stop() {
      await must(machine, ['sh', '-c', stopSamba]);
    },
    async start() {
      await must(machine, ['samba', '--daemon']);
      await answers({ address, hostName, ca: await readFile(caFile, 'utf8') });
    },
    async setReplication(on) {
      const root = await must(machine, [
        'ldbsearch',
        '-H',
        database,
        '-s',
        'base',
        '-b',
        '',
        'dsServiceName',
      ]);
      const settings = parseLdif(root)[0]?.attributes.get('dsServiceName')?.[0] ?? '';
      const flags = on ? globalCatalog : globalCatalog | inboundDisabled;
      await must(machine, ['ldbmodify', '-H', database], {
        input: `dn: ${settings}\nchangetype: modify\nreplace: options\noptions: ${flags}\n`,
      });
    },
    async replicateFrom(sources, partition) {
      const wanted = {
        sources: sources.map((source) => source.hostName),
        partition: partition ?? null,
        seconds: replicateLimitMs / 1_000,
      };
      await must(machine, ['python3', '-c', await readFile(replicateScript, 'utf8')], {
        input: JSON.stringify(wanted),
        timeoutMs: 2 * replicateLimitMs,
      });
    },
  };
}

/** Takes a second, and a machine with ten things to do at once. */
const nameLimitMs = 60_000;

/** Gives a writable controller the names under which Kerberos knows its services: without that of LDAP nobody joins. */
export async function nameServices(machine: Machine): Promise<void> {
  await must(machine, ['samba_spnupdate'], { timeoutMs: nameLimitMs });
}

/** Asks, and after two seconds insists. */
const stopSamba = `
pkill -TERM -x 'samba|smbd|winbindd' || :
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  pgrep 'samba|smbd|winbindd' >/dev/null || exit 0
  sleep 0.1
done
pkill -KILL 'samba|smbd|winbindd' || :`;

/** `options` of a controller's NTDS settings (MS-ADTS 6.1.1.2.2.1.2.1.1): it is a global catalog; it takes nothing in. */
const globalCatalog = 1;
const inboundDisabled = 2;

/** Waits until the controller speaks LDAPS with its certificate, and DNS with its own record. */
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
