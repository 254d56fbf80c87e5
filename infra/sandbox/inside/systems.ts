import { findPowerShell } from '../machine/windows/power-shell.ts';
import type { SandboxOptions } from './sandbox.ts';

/**
 * Which machines are like Windows; undefined where none is.
 * @param clone has PowerShell in its cache: the host's half of the sandbox has installed it
 */
export function windowsOf(system: 'linux' | 'windows' | 'mixed', clone: string): SandboxOptions['windows'] {
  if (system === 'linux') return undefined;
  const powerShell = findPowerShell(clone);
  if ('reason' in powerShell) throw new Error(powerShell.reason);
  return (number) => (system === 'windows' || number % 2 === 1 ? powerShell : undefined);
}
