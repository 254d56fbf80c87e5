/** What machines are like. Each system has a group of its own. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Platform } from '../cloud/ec2/instances.ts';
import type { RpmSystem } from '../machine/rpm/rpm-system.ts';
import { findPowerShell, type PowerShell } from '../machine/windows/power-shell.ts';

export interface MachineSystem {
  /** For people. */
  readonly name: string;
  /** As the SSM agent tells it. */
  readonly platform: Platform;
  /** It is of the RPM family. */
  readonly rpm?: RpmSystem;
  /** It is Windows, whose scripts this PowerShell runs. */
  readonly powerShell?: PowerShell;
}

/** @param powerShell runs the scripts */
export const windowsServer = (powerShell: PowerShell): MachineSystem => ({
  name: 'Windows Server 2022',
  platform: {
    type: 'Windows',
    name: 'Microsoft Windows Server 2022 Datacenter',
    version: '10.0.20348',
  },
  powerShell,
});

/** With packages in its repository, which is in reach of a launch: at AWS it is, through the S3 gateway endpoint. */
export const amazonLinux: MachineSystem = {
  name: 'Amazon Linux 2023',
  platform: { type: 'Linux', name: 'Amazon Linux', version: '2023' },
  rpm: {
    osRelease: 'NAME="Amazon Linux"\nVERSION="2023"\nID="amzn"\nID_LIKE="fedora"\nVERSION_ID="2023"\n',
    logInTool: 'authselect',
    packages: 'in repository',
  },
};

export const redHat: MachineSystem = {
  name: 'Red Hat Enterprise Linux 9',
  platform: { type: 'Linux', name: 'Red Hat Enterprise Linux', version: '9.6' },
  rpm: {
    osRelease:
      'NAME="Red Hat Enterprise Linux"\nVERSION="9.6 (Plow)"\nID="rhel"\nID_LIKE="fedora"\nVERSION_ID="9.6"\n',
    logInTool: 'authselect',
    packages: 'installed',
  },
};

export const suse: MachineSystem = {
  name: 'SUSE Linux Enterprise 15',
  platform: { type: 'Linux', name: 'SLES', version: '15.7' },
  rpm: {
    osRelease: 'NAME="SLES"\nVERSION="15-SP7"\nVERSION_ID="15.7"\nID="sles"\nID_LIKE="suse"\n',
    logInTool: 'pam-config',
    packages: 'installed',
  },
};

/** The system that the machines' image has: this computer's own. */
export async function ownSystem(image: string): Promise<MachineSystem> {
  const release = await readFile(join(image, 'usr', 'lib', 'os-release'), 'utf8');
  const value = (name: string): string => new RegExp(`^${name}="?([^"\n]*)`, 'm').exec(release)?.[1] ?? '';
  const [name, version] = [value('NAME'), value('VERSION_ID')];
  return { name: `${name.replace(' GNU/Linux', '')} ${version}`, platform: { type: 'Linux', name, version } };
}

/**
 * The systems of a sandbox, a group for each.
 * @param image of the machines
 * @param clone has PowerShell in its cache: the host's half of the sandbox has installed it
 */
export async function systemsOf(
  system: 'linux' | 'windows' | 'mixed',
  image: string,
  clone: string,
): Promise<readonly MachineSystem[]> {
  const own = await ownSystem(image);
  if (system === 'linux') return [own];
  const powerShell = findPowerShell(clone);
  if ('reason' in powerShell) throw new Error(powerShell.reason);
  const windows = windowsServer(powerShell);
  return system === 'windows' ? [windows] : [own, amazonLinux, redHat, suse, windows];
}
