import { spawn, type ChildProcess, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createCgroup, removeCgroup } from './cgroup.ts';
import { connectCable, network, removeCable } from './network.ts';
import { mustRun, runProcess, systemPath, type Outcome, type ProcessOptions } from './process.ts';

/**
 * A light Linux machine: an overlay over the image as its root, its own mount, network, UTS, IPC and PID namespaces;
 * where systemd is its first process, a cgroup namespace as well.
 *
 *   off ── boot ──▶ up ── reboot ──▶ up           caller
 *                   up ── stop ──▶ off            caller; `start` boots it again
 *                   up ── its init dies ──▶ off   anyone; `onDeath` is called
 *             up, off ── destroy ──▶ gone         caller; idempotent
 *
 * Everything but its disk lives in its namespaces, so killing its init is all it takes to remove it.
 */
export interface Machine {
  readonly name: string;
  readonly address: string;
  /** The directory that holds what the machine wrote over the image, as seen from outside. */
  readonly disk: string;
  /** The process that is PID 1 in the machine, as seen from outside. Changes with a reboot; undefined while it is off. */
  readonly pid: number | undefined;
  /** Runs a program in the machine as root, in `/`, with umask 0022. */
  exec(argv: readonly string[], options?: ProcessOptions): Promise<Outcome>;
  /**
   * Writes the script to its path in the machine and runs it as Run Command does: root, `/`, umask 0022, `sh` unless it
   * has a shebang, no standard input. Time-out and abort kill its process group hard; a daemon that it left behind lives.
   */
  run(script: Script, signal?: AbortSignal): Promise<Outcome>;
  /** Starts a program in the machine to talk to, as root. It ends with the machine, if not before. */
  spawn(argv: readonly string[]): ChildProcessWithoutNullStreams;
  /** Ends every process and boots again from the same disk. */
  reboot(): Promise<void>;
  /** Ends every process; the disk stays. */
  stop(): Promise<void>;
  /** Boots again, from the same disk or from an empty one. */
  start(disk: 'same' | 'new'): Promise<void>;
  /** Leaves no process, namespace, mount, interface or file behind. */
  destroy(): Promise<void>;
}

export interface Script {
  /** Where the script lies in the machine. */
  readonly path: string;
  readonly text: string;
  /** Its environment, besides PATH. */
  readonly env: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
}

export interface MachineOptions {
  /** The image's directory; never written to. */
  readonly image: string;
  /** A directory with what lies over the image, such as `ensureDesk` makes it; never written to. Default: nothing. */
  readonly layer?: string;
  /** A directory on a tmpfs, under which the machine gets one of its own. */
  readonly runtime: string;
  /** Names the machine's directory: an instance ID, or a domain controller's name. */
  readonly name: string;
  readonly address: string;
  /** Default: as EC2 names it, `ip-10-77-1-5`. */
  readonly hostName?: string;
  /** Addresses, in the order in which they are asked. */
  readonly nameServers: readonly string[];
  readonly searchDomain: string;
  /**
   * The first process: a shell that waits, or systemd, which starts services as on a server. The machine counts as booted then when
   * all of them are started. Default: shell.
   */
  readonly init?: 'shell' | 'systemd';
  /** Directories of the host that the machine can read, at the same places. Default: none. */
  readonly shares?: readonly string[];
  /** Called when the machine ends by itself. */
  readonly onDeath?: () => void;
}

const bootScript = join(import.meta.dirname, 'boot.sh');

/** Booting takes 0.1 s on an idle machine; one that is not up by then never will be. */
const bootLimitMs = 20_000;

/** The host name that EC2 gives to an instance. */
export function defaultHostName(address: string): string {
  return `ip-${address.replaceAll('.', '-')}`;
}

/** What /etc/resolv.conf says of these. A dead server must not stall for the usual five seconds when there is another. */
export function resolverConfiguration(nameServers: readonly string[]): string {
  const lines = nameServers.map((address) => `nameserver ${address}\n`);
  return `${lines.join('')}${nameServers.length > 1 ? 'options timeout:1 attempts:2\n' : ''}`;
}

export async function startMachine(options: MachineOptions): Promise<Machine> {
  const directory = join(options.runtime, 'machines', options.name);
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true, mode: 0o755 });

  let current: Running | undefined;
  let wanted = true;
  const bootUp = async () => {
    const running = await boot(directory, options);
    current = running;
    running.supervisor.once('exit', () => {
      if (current !== running) return;
      current = undefined;
      if (running.cgroup !== undefined) removeCgroup(running.cgroup).catch(() => {});
      if (wanted) options.onDeath?.();
    });
  };
  const halt = async () => {
    const running = current;
    current = undefined;
    if (running !== undefined) await end(running);
  };
  const enter = (argv: readonly string[], processOptions: ProcessOptions = {}) => {
    if (current === undefined) return Promise.reject(new Error(notRunning(options.name)));
    return runProcess([...entrance(current.pid), ...argv], processOptions);
  };

  try {
    await bootUp();
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
  return {
    name: options.name,
    address: options.address,
    disk: join(directory, 'upper'),
    get pid() {
      return current?.pid;
    },
    exec: (argv, processOptions) =>
      enter(['sh', '-c', 'umask 0022; exec "$@"', 'exec', ...argv], processOptions),
    run(script, signal) {
      const interpreter = script.text.startsWith('#!') ? '' : 'sh';
      return enter(['sh', '-c', writeAndRun, 'run', script.path, interpreter], {
        input: script.text,
        env: { PATH: systemPath, ...script.env },
        timeoutMs: script.timeoutMs,
        ...(signal === undefined ? {} : { signal }),
      });
    },
    spawn(argv) {
      if (current === undefined) throw new Error(notRunning(options.name));
      const [program = '', ...rest] = [...entrance(current.pid), ...argv];
      return spawn(program, rest, { detached: true, stdio: 'pipe', env: { PATH: systemPath } });
    },
    async reboot() {
      await halt();
      await removeCable(options.address);
      await bootUp();
    },
    async stop() {
      wanted = false;
      await halt();
      await removeCable(options.address);
    },
    async start(disk) {
      if (disk === 'new') {
        for (const part of ['upper', 'work'])
          await rm(join(directory, part), { recursive: true, force: true });
      }
      wanted = true;
      await bootUp();
    },
    async destroy() {
      wanted = false;
      await halt();
      await removeCable(options.address);
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** The script arrives on standard input; then nothing is left there for it to read. */
const writeAndRun = `
umask 0022
mkdir -p "\${1%/*}"
cat >"$1"
chmod 0700 "$1"
exec </dev/null
exec \${2:+"$2"} "$1"`;

const notRunning = (name: string): string => `${name}: the machine is not running`;

interface Running {
  /** The machine's own cgroup, if it has one. */
  readonly cgroup: string | undefined;
  /** `unshare`, which waits for the machine's init and takes it along when it dies. */
  readonly supervisor: ChildProcess;
  readonly pid: number;
}

function entrance(pid: number): string[] {
  return [
    'nsenter',
    `--target=${pid}`,
    '--mount',
    '--uts',
    '--ipc',
    '--net',
    '--pid',
    '--root',
    '--wd',
    '--',
  ];
}

/** Returns when the services are started; one that failed keeps no machine from being up. */
const servicesStarted = `
until [ -S /run/systemd/private ]; do sleep 0.05; done
systemctl is-system-running --wait >/dev/null || :`;

/** Enters the cgroup first, so that a new cgroup namespace begins there. */
const enterCgroup = 'cgroup=$1; shift; echo $$ >"$cgroup/cgroup.procs" && exec "$@"';

async function boot(directory: string, options: MachineOptions): Promise<Running> {
  const init = options.init ?? 'shell';
  const cgroup = init === 'systemd' ? await createCgroup(options.runtime, options.name) : undefined;
  const supervisor = spawn(
    'sh',
    [
      '-c',
      cgroup === undefined ? 'shift; exec "$@"' : enterCgroup,
      'enter',
      cgroup ?? '',
      'unshare',
      ...(cgroup === undefined ? [] : ['--cgroup']),
      '--mount',
      '--uts',
      '--ipc',
      '--net',
      '--pid',
      '--fork',
      '--kill-child',
      '--propagation=private',
      'sh',
      bootScript,
      init,
      options.image,
      options.layer ?? '',
      options.hostName ?? defaultHostName(options.address),
      `${options.address}/${network.prefixLength}`,
      network.gateway,
      resolverConfiguration(options.nameServers),
      options.searchDomain,
      ...(options.shares ?? []),
    ],
    { cwd: directory, env: { PATH: systemPath }, stdio: ['pipe', 'pipe', 'pipe'], detached: true },
  );
  supervisor.stdin.on('error', () => {});
  const limit = setTimeout(() => supervisor.kill('SIGKILL'), bootLimitMs);
  let complaint = '';
  supervisor.stderr.on('data', (data: Buffer) => (complaint += data.toString()));
  try {
    await saidLine(supervisor, 'namespaces');
    // unshare has entered the network namespace itself, so its own process ID names it
    const supervisorPid = supervisor.pid ?? 0;
    await connectCable(options.address, supervisorPid);
    supervisor.stdin.end('\n');
    await saidLine(supervisor, 'up');
    const pid = await onlyChild(supervisorPid);
    supervisor.stdout.destroy();
    supervisor.stderr.destroy();
    if (init === 'systemd') await mustRun([...entrance(pid), 'sh', '-c', servicesStarted]);
    return { supervisor, pid, cgroup };
  } catch (error) {
    supervisor.kill('SIGKILL');
    if (cgroup !== undefined) {
      if (supervisor.exitCode === null && supervisor.signalCode === null) await once(supervisor, 'exit');
      await removeCgroup(cgroup);
    }
    throw new Error(`${options.name}: the machine does not boot: ${complaint.trim() || String(error)}`, {
      cause: error,
    });
  } finally {
    clearTimeout(limit);
  }
}

/** Waits until the boot script has printed the line. */
function saidLine(child: ChildProcess, line: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onData = (data: Buffer) => {
    if (data.toString().split('\n').includes(line)) settle(resolve);
  };
  const onExit = () => settle(() => reject(new Error(`it ended before it said "${line}"`)));
  const settle = (then: () => void) => {
    child.stdout?.off('data', onData);
    child.off('exit', onExit);
    then();
  };
  child.stdout?.on('data', onData);
  child.on('exit', onExit);
  child.on('error', reject);
  return promise;
}

async function onlyChild(pid: number): Promise<number> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  const child = Number(children.trim().split(' ')[0]);
  if (!Number.isInteger(child) || child <= 0) throw new Error(`process ${pid} has no child`);
  return child;
}

/** Kills the machine's init, and with it everything in its PID namespace, and waits until all of it is gone. */
async function end({ supervisor, pid, cgroup }: Running): Promise<void> {
  if (supervisor.exitCode === null && supervisor.signalCode === null) {
    const gone = once(supervisor, 'exit');
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // it went by itself; the exit event follows
    }
    await gone;
  }
  if (cgroup !== undefined) await removeCgroup(cgroup);
}
