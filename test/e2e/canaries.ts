/** Watches for secrets where none may be: in the arguments and environment of every process, and in files. */
import { randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';
import { formsOf } from '../../infra/sandbox/chaos/secrets.ts';
import type { Machine } from '../../infra/sandbox/machine/machine.ts';

export interface ProcessWatch {
  /** How many distinct command lines and environments were seen. */
  readonly seen: ReadonlySet<string>;
  /** Resolves once every process has been looked at that lives from now on until then. */
  round(): Promise<void>;
  stop(): Promise<void>;
}

/** Reads every process's arguments and environment, over and over: also those inside the machines. */
export function watchProcesses(): ProcessWatch {
  const seen = new Set<string>();
  let rounds = 0;
  const stopping = new AbortController();
  const look = async (): Promise<void> => {
    for (const pid of await readdir('/proc')) {
      if (!/^\d+$/.test(pid)) continue;
      for (const part of ['cmdline', 'environ']) {
        // It may end while it is looked at.
        seen.add(await readFile(`/proc/${pid}/${part}`, 'latin1').catch(() => ''));
      }
    }
  };
  const loop = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      await look();
      rounds += 1;
      // A breath for the other processes; a program that joins a domain lives for hundreds of milliseconds.
      await wait(5);
    }
  };
  const done = loop();
  return {
    seen,
    async round() {
      // The one that is under way has passed some of them already.
      const whole = rounds + 2;
      while (rounds < whole && !stopping.signal.aborted) await wait(5);
    },
    async stop() {
      stopping.abort();
      await done;
    },
  };
}

/** Where a machine's recorder keeps what `openssl` unsealed: on a tmpfs of the machine, which the search leaves out. */
const record = '/dev/shm/unsealed';

const recorder = `#!/bin/bash
# Copies what is decrypted to the record and passes everything on.
set -o pipefail
case " $* " in
  *" -decrypt "*) /usr/bin/openssl.real "$@" | tee -a ${record} && printf '\\n' >>${record} ;;
  *) exec /usr/bin/openssl.real "$@" ;;
esac
`;

/** Puts a recorder in the place of the machine's `openssl`: the only way to learn a one-time password. */
export async function installRecorder(machine: Machine): Promise<void> {
  const { code, stderr } = await machine.exec(
    [
      'sh',
      '-c',
      'mv /usr/bin/openssl /usr/bin/openssl.real && cat >/usr/bin/openssl && chmod 755 /usr/bin/openssl',
    ],
    { input: recorder },
  );
  if (code !== 0) throw new Error(stderr);
}

export async function unsealed(machine: Machine): Promise<string[]> {
  const { stdout } = await machine.exec(['cat', record]);
  return stdout.split('\n').filter((line) => line !== '');
}

/** The same on a machine's file systems that are not its disk. */
export async function memoryFilesWith(secrets: readonly string[], machine: Machine): Promise<string[]> {
  const { code, stdout, stderr } = await machine.exec(
    ['grep', '-rlaFf', '-', '--exclude=unsealed', '--devices=skip', '/run', '/dev/shm'],
    {
      input: secrets.flatMap(formsOf).join('\n'),
    },
  );
  // A file may go between the listing and the look: grep says so, and ends with 2.
  const complaints = stderr.split('\n').filter((line) => line !== '');
  const gone =
    complaints.length > 0 && complaints.every((line) => line.endsWith(': No such file or directory'));
  if (code !== 0 && code !== 1 && !(code === 2 && gone)) throw new Error(`grep: ${stderr}`);
  return stdout.split('\n').filter((line) => line !== '');
}

/** Does everything that is forbidden with a random word, for as long as the watch needs to see it; the word. */
export async function plantCanary(machine: Machine, watch: ProcessWatch): Promise<string> {
  const word = randomBytes(12).toString('hex');
  const script =
    'printf %s "$1" >/var/canary; printf %s "$1" >/run/canary; : "$2"; until [ -e /run/seen ]; do sleep 0.1; done';
  let over = false;
  const planted = machine
    .exec(['sh', '-c', script, 'plant', word, `argument-${word}`], { env: { CANARY: `environment-${word}` } })
    .finally(() => (over = true));
  const sings = async (): Promise<boolean> => (await machine.exec(['test', '-s', '/run/canary'])).code === 0;
  while (!over && !(await sings())) await wait(50);
  await watch.round();
  await machine.exec(['touch', '/run/seen']);
  const { code, stderr } = await planted;
  if (code !== 0) throw new Error(stderr);
  return word;
}
