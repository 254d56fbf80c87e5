import { join } from 'node:path';
import type { Machine, Script } from '../machine.ts';
import { systemPath, type Outcome } from '../process.ts';
import type { PowerShell } from './power-shell.ts';

/** The functions that stand for Windows, and what they call. */
const directory = import.meta.dirname;
const seam = join(directory, 'seam.ps1');

/** What a machine must be able to read, at the same places, to be like Windows. */
export function directoriesFor(powerShell: PowerShell): readonly string[] {
  return [...powerShell.directories, directory];
}

/**
 * Runs a script on a machine as Run Command does on Windows: written as it is, byte order mark and all, and run by PowerShell without
 * standard input. The exit code may be any that a process on Windows has.
 */
export async function runPowerShell(
  machine: Machine,
  powerShell: PowerShell,
  script: Script,
  signal?: AbortSignal,
): Promise<Outcome> {
  const command = [...powerShell.command, '-NoProfile', '-NonInteractive', '-File', seam, script.path];
  const ran = await machine.exec(['sh', '-c', writeAndRun, 'run', script.path, ...command], {
    input: script.text,
    env: { PATH: systemPath, HOME: '/root', ...powerShell.environment, ...script.env },
    timeoutMs: script.timeoutMs,
    ...(signal === undefined ? {} : { signal }),
  });
  // A script that was killed has none.
  if (ran.code === null || ran.timedOut) return ran;
  const { stdout } = await machine.exec(['cat', `${script.path}.exit`]);
  return { ...ran, code: stdout === '' ? ran.code : Number(stdout) };
}

/** Asks a controller as the machine: `verify`, or `lookup` with the name of an account. */
export function wireCommand(verb: 'verify' | 'lookup', account?: string): readonly string[] {
  return ['python3', join(directory, 'wire.py'), verb, ...(account === undefined ? [] : [account])];
}

/** Makes the machine the member that has this account, as a join by other means and the restart after it leave it. */
export async function takeOver(
  machine: Machine,
  account: {
    readonly name: string;
    readonly domain: string;
    readonly controller: string;
    readonly password: string;
  },
): Promise<void> {
  const { name, domain, controller } = account;
  const set = [
    'mkdir -p /var/lib/windows /run/windows',
    'chmod 0700 /var/lib/windows /run/windows',
    `python3 ${join(directory, 'wire.py')} >/dev/null`,
    `echo ${name.toLowerCase()} >/etc/hostname && hostname ${name.toLowerCase()}`,
    `printf %s ${domain} >/var/lib/windows/domain && printf %s ${controller} >/run/windows/controller`,
    `python3 ${join(directory, 'wire.py')} verify`,
  ].join(' && ');
  const input = JSON.stringify({ verb: 'join', ...account });
  const { code, stdout, stderr } = await machine.exec(['sh', '-c', set], { input });
  if (code !== 0) throw new Error(`${machine.name}: the join by others failed: ${stdout}${stderr}`);
}

const writeAndRun = `
mkdir -p "\${1%/*}"
cat >"$1"
rm -f "$1.exit"
shift
exec "$@" </dev/null`;
