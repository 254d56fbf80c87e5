import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Machine } from '../machine.ts';

/** What sets up log-ins on a system of the RPM family. */
export type LogInTool = 'authselect' | 'authconfig' | 'pam-config';

export interface RpmSystem {
  /** The text of `/etc/os-release`. */
  readonly osRelease: string;
  readonly logInTool: LogInTool;
  /**
   * Where the packages of a join are: in the vendor's repository, which the machine can reach, or installed, as in a prepared image,
   * with no repository in reach.
   */
  readonly packages: 'in repository' | 'installed';
}

const script = join(import.meta.dirname, 'rpm-system.sh');
const signScript = join(import.meta.dirname, 'sign.sh');

/** Building the packages takes two seconds of a processor. */
const limitMs = 120_000;

/** Makes a machine, which has just booted, look like one of an RPM system. */
export async function makeRpmSystem(machine: Machine, system: RpmSystem): Promise<void> {
  await must(machine, ['sh', '-c', 'cat >/usr/lib/os-release'], system.osRelease);
  const installed = system.packages === 'installed' ? ['installed'] : [];
  await must(machine, ['sh', '-s', system.logInTool, ...installed], await readFile(script, 'utf8'));
}

/** Signs the packages in its repository. The key is `/root/RPM-GPG-KEY-fleet` then, and nothing trusts it. */
export async function signPackages(machine: Machine): Promise<void> {
  await must(machine, ['sh', '-s'], await readFile(signScript, 'utf8'));
}

async function must(machine: Machine, argv: readonly string[], input: string): Promise<void> {
  const { code, stderr } = await machine.exec(argv, { input, timeoutMs: limitMs });
  if (code !== 0)
    throw new Error(`${machine.name}: ${argv.join(' ')}: ${stderr.trim() || `exit code ${code}`}`);
}
