import type { ChildProcess } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Machine } from '../machine/machine.ts';
import type { Outcome, ProcessOptions } from '../machine/process.ts';

/** Where a controller keeps the directory. */
export const database = '/var/lib/samba/private/sam.ldb';

const script = join(import.meta.dirname, 'database.py');

/** What database.py answers as the tool does. */
const tools: readonly string[] = ['ldbsearch', 'ldbadd', 'ldbmodify', 'ldbdel', 'ldbrename'];
const options: readonly string[] = ['-b', '-s', '--relax'];

/** Whether this is a tool's work on the controller's own database, and of a kind that database.py knows. */
function isKnown([tool = '', at, place, ...rest]: readonly string[], input = ''): boolean {
  return (
    tools.includes(tool) &&
    at === '-H' &&
    place === database &&
    rest.every((word) => !word.startsWith('-') || options.includes(word)) &&
    !/^changetype: mod(rdn|dn)$/m.test(input)
  );
}

/**
 * The controller's machine, with its database open: what Samba's ldb tools are asked on it is answered by one process that
 * lives as long as the machine does. Past LDAP and its access control, as the tools are.
 */
export function withOpenDatabase(machine: Machine): Machine {
  let opened: Promise<Opened> | undefined;
  /** The machine's process that `opened` is in. */
  let pid: number | undefined;
  const ask = async (argv: readonly string[], asked: ProcessOptions): Promise<Outcome> => {
    if (opened === undefined || pid !== machine.pid || (await opened).isGone()) {
      pid = machine.pid;
      opened = open(machine);
    }
    return (await opened).ask(argv, asked);
  };
  return {
    ...machine,
    get pid() {
      return machine.pid;
    },
    exec: (argv, asked = {}) => (isKnown(argv, asked.input) ? ask(argv, asked) : machine.exec(argv, asked)),
  };
}

interface Opened {
  isGone(): boolean;
  ask(argv: readonly string[], options: ProcessOptions): Promise<Outcome>;
}

async function open(machine: Machine): Promise<Opened> {
  const child = machine.spawn(['python3', '-c', await readFile(script, 'utf8')]);
  const waiting: ((outcome: Outcome) => void)[] = [];
  let gone = false;
  let complaint = '';
  const end = (): void => {
    gone = true;
    for (const answer of waiting.splice(0))
      answer({ code: null, stdout: '', stderr: complaint, timedOut: false });
  };
  child.on('error', end);
  child.on('close', end);
  child.stdin.on('error', () => {});
  child.stderr.setEncoding('utf8').on('data', (text: string) => (complaint += text));
  createInterface({ input: child.stdout }).on('line', (line) => {
    waiting.shift()?.({ ...JSON.parse(line), timedOut: false });
  });
  return {
    isGone: () => gone,
    ask(argv, { input = '', timeoutMs }) {
      const { promise, resolve } = Promise.withResolvers<Outcome>();
      // As with a tool of its own: what takes too long is ended.
      const limit = timeoutMs === undefined ? undefined : setTimeout(() => endHard(child), timeoutMs);
      waiting.push((outcome) => {
        clearTimeout(limit);
        resolve(outcome);
      });
      child.stdin.write(`${JSON.stringify({ argv, input })}\n`);
      return promise;
    },
  };
}

function endHard(child: ChildProcess): void {
  child.kill('SIGKILL');
}
