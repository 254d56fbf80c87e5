/** How the machines of each system show that they are members, by programs of their own. */
import { wireCommand } from '../machine/windows/run-power-shell.ts';
import type { LogInTool } from '../machine/rpm/rpm-system.ts';
import { linuxChecks, type MachineCheck, type MachineChecks } from '../story/checks.ts';
import type { MachineSystem } from './systems.ts';

/** As the machine itself, over its secure channel. */
const windowsChecks: MachineChecks = {
  member: {
    claim: 'Windows-like machines: secure channel',
    argv: wireCommand('verify'),
    shows: () => true,
  },
  users: {
    claim: 'Windows-like machines: a controller names the administrator',
    argv: wireCommand('lookup', 'administrator'),
    shows: () => true,
  },
};

/** How each log-in tool is called, which its stand-in has written down. */
const logInCalls: Readonly<Record<LogInTool, string>> = {
  authselect: 'authselect select sssd with-mkhomedir',
  authconfig: 'authconfig --update --enablesssd --enablesssdauth --enablemkhomedir',
  'pam-config': 'pam-config --add --sss --mkhomedir',
};

/**
 * @param alone whether all machines are of this system, so that its name says nothing
 * @returns undefined where the usual checks of Linux machines do
 */
export function machineChecksOf(
  system: MachineSystem | undefined,
  domain: string,
  alone: boolean,
): MachineChecks | undefined {
  if (system === undefined) return undefined;
  if (system.powerShell) return windowsChecks;
  const checks = linuxChecks(domain, alone ? undefined : system.name);
  return system.rpm ? { ...checks, others: rpmChecks(system.name, system.rpm.logInTool) } : checks;
}

function rpmChecks(name: string, logInTool: LogInTool): readonly MachineCheck[] {
  return [
    {
      claim: `${name}: adcli and sssd are packages of its repository`,
      argv: ['rpm', '--query', 'adcli', 'sssd-ad'],
      shows: () => true,
    },
    {
      claim: `${name}: ${logInTool} was told of sssd and home directories`,
      argv: ['grep', '-e', logInCalls[logInTool], '/root/calls'],
      shows: () => true,
    },
  ];
}
