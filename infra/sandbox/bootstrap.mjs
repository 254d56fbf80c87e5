// From a bare machine to the sandbox: checks what the machine has, installs the Node packages (with the pinned Node among
// them) into the clone, and hands over to it. Plain JavaScript with no imports but Node's own, because nothing is
// installed yet and the host's Node may be as old as 18.
//
//   node infra/sandbox/bootstrap.mjs start|sandbox|chaos|test|bench|inside|host [ARGUMENT…]
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const main = join('infra', 'sandbox', 'host', 'main.ts');
const pinnedNode = join(root, 'node_modules', '.bin', 'node');
const stamp = join(root, 'node_modules', '.adjoin-lock-sha256');
const verbs = ['start', 'sandbox', 'chaos', 'test', 'bench', 'inside', 'host'];
/** What runs as the caller, and as far as it can where there is no root; what needs root comes back here, as `inside` or `host`. */
const unprivileged = { test: join('test', 'runner', 'main.ts'), bench: join('test', 'bench', 'main.ts') };

/** Commands and the package that brings each. All are part of a minimal Debian but iproute2. */
const commands = {
  'apt-get': 'apt',
  'dpkg-deb': 'dpkg',
  gpgv: 'gpgv',
  perl: 'perl-base',
  unshare: 'util-linux',
  nsenter: 'util-linux',
  flock: 'util-linux',
  setpriv: 'util-linux',
  pivot_root: 'util-linux',
  mount: 'mount',
  ip: 'iproute2',
};

/** What a person says by the environment, and sudo would forget. */
const kept = [
  'PATH',
  'CI',
  'NO_COLOR',
  'FORCE_COLOR',
  'TERM',
  'COLUMNS',
  'SANDBOX_IMAGE',
  'CRASH_SHARE',
  'THIN_SLICE',
  'SCHEDULE_SEED',
  'SCHEDULE_RUNS',
  'FUZZ_SEED',
  'FUZZ_FACTOR',
  'CHAOS_MINUTES',
];

/** Looked for beyond PATH, because an ordinary user's PATH lacks the sbin directories that root's has. */
const searchPath = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin', '/usr/bin', '/bin'];

/** How often is looked for a parent that has died: no signal says so. */
const parentPollMs = 250;

/** An orphaned run may tidy up for this long; the next start waits a little longer for the lock. */
const orphanLimitMs = 2_000;

const verb = process.argv[2];
const rest = process.argv.slice(3);
if (!verbs.includes(verb)) {
  const asked = isHelp(verb);
  const say = asked ? console.log : console.error;
  say(`Usage: node infra/sandbox/bootstrap.mjs ${verbs.join('|')} [ARGUMENT…]`);
  process.exit(asked ? 0 : 2);
}
process.chdir(root);

const lock = createHash('sha256').update(readFileSync('package-lock.json')).digest('hex');
/** What the stamp says of packages that belong to this clone on this machine. */
const wanted = `${lock} ${process.platform}-${process.arch}\n`;

const problems = findProblems();
const access = rootAccess();
if (verb in unprivileged) {
  // Types, lint and unit tests need none of it, and neither does most of the bench.
  if (access === 'none') problems.push('It needs root, or sudo without a password.');
  if (problems.length > 0) process.env.SANDBOX_UNAVAILABLE = problems.join(' ');
} else {
  if (access === 'none') {
    const command = ['sudo node infra/sandbox/bootstrap.mjs', verb, ...rest.map(quoted)].join(' ');
    problems.push(
      `It needs root, for namespaces and mounts of its own: run \`${command}\`, or allow sudo without a password.`,
    );
  }
  if (problems.length > 0) {
    await answerUsage();
    console.error("The sandbox can't run on this system. Nothing was changed.");
    for (const problem of problems) console.error(`  - ${problem}`);
    process.exit(1);
  }
}

await installPackages();
handOver();

function isHelp(argument) {
  return argument === '--help' || argument === '-h';
}

/** An argument as it is typed into a shell. */
function quoted(argument) {
  return /^[\w./:=@-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", String.raw`'\''`)}'`;
}

/** Help and wrong usage are answered on every machine that has the packages, or can have them. */
async function answerUsage() {
  if (process.platform === 'linux' && rest.some(isHelp)) await installPackages();
  if (!isInstalled()) return;
  const env = { ...process.env, SANDBOX_UNAVAILABLE: problems.join(' ') };
  const { status } = spawnSync(pinnedNode, [main, verb, ...rest], { stdio: 'inherit', env });
  if (status === 0 || status === 2) process.exit(status);
}

/** What this machine lacks, as sentences that say what to do. Changes nothing. */
function findProblems() {
  if (process.platform !== 'linux') {
    return [`It needs Linux, and this is ${process.platform}. Use a virtual machine with Debian or Ubuntu.`];
  }
  const found = [];
  if (!['x64', 'arm64'].includes(process.arch))
    found.push(`It needs an x64 or arm64 processor, and this is ${process.arch}.`);
  const missing = Object.keys(commands).filter((name) => !hasCommand(name));
  if (missing.includes('apt-get') || missing.includes('dpkg-deb')) {
    found.push('It needs the Debian package tools (apt-get, dpkg): use Debian 12 or Ubuntu 22.04, or later.');
  } else if (missing.length > 0) {
    const owners = [...new Set(missing.map((name) => commands[name]))].join(' ');
    found.push(`It needs ${missing.join(', ')}: run \`apt-get install ${owners}\`.`);
  } else if (!hasPackageSources()) {
    found.push(
      'There are no package sources in /etc/apt (sources.list, sources.list.d): add the distribution’s own.',
    );
  }
  const overlay =
    existsSync('/proc/filesystems') && /\boverlay$/m.test(readFileSync('/proc/filesystems', 'utf8'));
  if (!overlay && !hasOverlayModule())
    found.push('It needs overlay file systems, which this kernel does not have.');
  return found;
}

function hasCommand(name) {
  return searchPath.some((directory) => directory !== '' && existsSync(join(directory, name)));
}

function hasPackageSources() {
  const files = ['/etc/apt/sources.list'];
  if (existsSync('/etc/apt/sources.list.d')) {
    for (const name of readdirSync('/etc/apt/sources.list.d'))
      files.push(join('/etc/apt/sources.list.d', name));
  }
  return files.some(
    (file) => existsSync(file) && /^\s*deb\s|^Types:.*\bdeb\b/m.test(readFileSync(file, 'utf8')),
  );
}

/** A module that isn't loaded yet; mounting loads it. */
function hasOverlayModule() {
  return (
    spawnSync('modinfo', ['overlay'], { stdio: 'ignore', env: { PATH: searchPath.join(delimiter) } })
      .status === 0
  );
}

/** @returns {'root' | 'sudo' | 'none'} */
function rootAccess() {
  if (process.getuid?.() === 0) return 'root';
  return spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' }).status === 0 ? 'sudo' : 'none';
}

/** Whether what is installed belongs to this very package-lock.json. */
function isInstalled() {
  const installed = existsSync(stamp) ? readFileSync(stamp, 'utf8') : '';
  return installed === wanted && existsSync(pinnedNode);
}

/** Runs `npm ci` unless what is installed belongs to this very package-lock.json. */
async function installPackages() {
  if (isInstalled()) return;
  console.error('Installing the Node packages into the clone …');
  const started = Date.now();
  rmSync(stamp, { force: true });
  const { code, output } = await npmCi();
  if (code !== 0) {
    console.error(output.trimEnd());
    console.error(
      `npm ci failed with ${code}. Check that the npm registry is reachable (npm config get registry).`,
    );
    process.exit(1);
  }
  if (!existsSync(pinnedNode)) {
    console.error(
      `npm ci left no ${pinnedNode}: optional packages are switched off (npm config get omit). Switch them on.`,
    );
    process.exit(1);
  }
  writeFileSync(stamp, wanted);
  console.error(`  ${((Date.now() - started) / 1000).toFixed(0).padStart(3)} s  installed`);
}

/** The npm that started us, or the one on the PATH. Scripts of packages may need it in a terminal's absence. */
function npmCi() {
  const cli = process.env.npm_execpath;
  const [program, args] = cli?.endsWith('.js') ? [process.execPath, [cli]] : ['npm', []];
  const child = spawn(
    program,
    [...args, 'ci', '--no-audit', '--no-fund', '--include=dev', '--include=optional'],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      // npm run sets these for its own run; inherited, they would change this one's meaning
      env: Object.fromEntries(
        Object.entries(process.env).filter(([name]) => !/^npm_(lifecycle|package|command)/.test(name)),
      ),
    },
  );
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (output += data));
  const stopWatching = watchParents(() => child.kill('SIGKILL'));
  return new Promise((resolve) => {
    child.on('error', (error) => resolve({ code: 'an error', output: String(error) }));
    child.on('close', (code) => {
      stopWatching();
      resolve({ code, output });
    });
  });
}

/** Runs the host's half on the pinned Node, as root, or tests and bench as the caller; passes signals on, and ends with its exit code. */
function handOver() {
  const unavailable = process.env.SANDBOX_UNAVAILABLE !== undefined;
  const environment = { ...process.env, PATH: searchPath.join(delimiter) };
  const command =
    verb in unprivileged ? [pinnedNode, unprivileged[verb], ...rest] : [pinnedNode, main, verb, ...rest];
  // When this process is killed outright, the kernel takes the other one along.
  let [program, args] = unavailable
    ? [command[0], command.slice(1)]
    : ['setpriv', ['--pdeathsig', 'KILL', ...command]];
  if (!unavailable && !(verb in unprivileged) && access === 'sudo') {
    // sudo is set-uid, which clears the death signal: root runs this file again, which watches its parents.
    const keep = kept.filter((name) => process.env[name] !== undefined);
    [program, args] = [
      'sudo',
      [
        '-n',
        `--preserve-env=${keep.join(',')}`,
        '--',
        process.execPath,
        fileURLToPath(import.meta.url),
        verb,
        ...rest,
      ],
    ];
  }
  const child = spawn(program, args, {
    stdio: ['ignore', 'inherit', 'inherit'],
    detached: true,
    env: environment,
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGWINCH'])
    process.on(signal, () => child.kill(signal));
  const stopWatching = watchParents(() => {
    stopWatching();
    child.kill('SIGTERM');
    setTimeout(() => process.exit(128 + constants.signals.SIGKILL), orphanLimitMs);
  });
  child.on('error', (error) => {
    console.error(`${program}: ${error.message}`);
    process.exit(1);
  });
  child.on('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
}

/**
 * Calls back when npm, the shell between or sudo has been killed: an orphaned run would go on, and no one could stop it. The
 * ancestors up to npm (or sudo) are watched, since a shell may stand between.
 */
function watchParents(onOrphaned) {
  const chain = [];
  let pid = process.ppid;
  for (let step = 0; step < 4 && pid > 1; step += 1) {
    const parent = parentOf(pid);
    if (parent === undefined) break;
    chain.push({ pid, started: parent.started });
    if (!['sh', 'dash', 'bash', 'sudo'].includes(parent.name)) break;
    pid = parent.ppid;
  }
  const timer = setInterval(() => {
    if (chain.some(({ pid: ancestor, started }) => parentOf(ancestor)?.started !== started)) onOrphaned();
  }, parentPollMs);
  return () => clearInterval(timer);
}

/** Name, parent and start time of a process; undefined when it is gone, also as a zombie. */
function parentOf(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const end = text.lastIndexOf(')');
    const fields = text.slice(end + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
    return { name: text.slice(text.indexOf('(') + 1, end), ppid: Number(fields[1]), started: fields[19] };
  } catch {
    return undefined;
  }
}
