/** Spoils machines before they boot: each armed fault meets the next one. Also learns what their joins unseal. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Machine } from '../machine/machine.ts';

export const machineKinds = ['node-silent', 'join-broken', 'package-missing', 'users-unknown'] as const;
export type MachineKind = (typeof machineKinds)[number];

export interface SpoiltMachines {
  /** The next machine has it. Resolves with the machine's name. */
  arm(kind: MachineKind): Promise<string>;
  prepare(machine: Machine): Promise<void>;
  registers(instanceId: string): boolean;
  /** Drops what no machine has met. */
  disarm(): void;
  /** Reads what has been unsealed so far; a machine takes its record along when it goes. */
  listen(machines: readonly Machine[]): Promise<void>;
  /** Every one-time password that was heard of. */
  oneTimePasswords(): readonly string[];
}

const record = 'var/lib/unsealed';

/** Copies what is decrypted to the record and passes everything on: the only way to learn a one-time password. */
const recorder = `#!/bin/bash
set -o pipefail
case " $* " in
  *" -decrypt "*) /usr/bin/openssl.real "$@" | tee -a /${record} && printf '\\n' >>/${record} ;;
  *) exec /usr/bin/openssl.real "$@" ;;
esac
`;
const installRecorder =
  'mv /usr/bin/openssl /usr/bin/openssl.real && cat >/usr/bin/openssl && chmod 755 /usr/bin/openssl';

/**
 * An adcli that looks healthy to the probe and fails at the join; a machine without nsupdate, which the probe sees; an sssd that
 * does not start the first time, when keytab and directory show a join already, and is healed by that.
 */
const spoil: Readonly<Record<Exclude<MachineKind, 'node-silent'>, string>> = {
  'join-broken': 'printf "#!/bin/sh\\nexit 1\\n" >/usr/sbin/adcli && chmod 755 /usr/sbin/adcli',
  'package-missing': 'rm -f /usr/bin/nsupdate',
  'users-unknown': `mv /usr/sbin/sssd /usr/sbin/sssd.real &&
    printf '#!/bin/sh\\nmv -f /usr/sbin/sssd.real /usr/sbin/sssd\\nexit 4\\n' >/usr/sbin/sssd && chmod 755 /usr/sbin/sssd`,
};

export function createSpoiltMachines(): SpoiltMachines {
  let armed: { readonly kind: MachineKind; readonly met: (name: string) => void }[] = [];
  const silent = new Set<string>();
  const heard = new Set<string>();
  return {
    arm(kind) {
      const { promise, resolve } = Promise.withResolvers<string>();
      armed.push({ kind, met: resolve });
      return promise;
    },
    async prepare(machine) {
      const next = armed.shift();
      if (next?.kind === 'node-silent') silent.add(machine.name);
      await must(machine, installRecorder, recorder);
      if (next && next.kind !== 'node-silent') await must(machine, spoil[next.kind]);
      next?.met(machine.name);
    },
    registers: (instanceId) => !silent.has(instanceId),
    disarm() {
      armed = [];
    },
    async listen(machines) {
      for (const machine of machines) {
        // It may be gone by now, or have unsealed nothing yet.
        const text = await readFile(join(machine.disk, record), 'latin1').catch(() => '');
        for (const line of text.split('\n')) if (line !== '') heard.add(line);
      }
    },
    oneTimePasswords: () => [...heard],
  };
}

async function must(machine: Machine, script: string, input = ''): Promise<void> {
  const { code, stderr } = await machine.exec(['sh', '-c', script], { input });
  if (code !== 0) throw new Error(`${machine.name}: ${stderr}`);
}
