import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, readdir, rm, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { ofItsOwn } from './own-namespace.ts';
import { mustRun } from '../machine/process.ts';
import { distributionSources, formatDeb822, parseDeb822, parseList, type Source } from './apt-sources.ts';

/** What the domain controller and the machines need; bind9-dnsutils brings nsupdate, with which SSSD registers names. */
const packages = [
  'adcli',
  'sssd-ad',
  'sssd-tools',
  'krb5-user',
  'libnss-sss',
  'libpam-sss',
  'samba',
  'winbind',
  'ldb-tools',
  'openssl',
  'iproute2',
  'procps',
  'bind9-dnsutils',
  'sudo',
  // so that a machine can boot as a server does; without it, a shell is its first process
  'dbus',
  'systemd',
  // so that a machine can be one of an RPM system as well, with packages that a key has signed
  'createrepo-c',
  'dnf',
  'gnupg',
  'rpm',
  'zypper',
  // for people and tests
  'ldap-utils',
  'shellcheck',
];
/** Parts of samba in newer releases, where they are packages of their own. */
const optionalPackages = ['samba-ad-dc', 'samba-ad-provision', 'bind9-host'];

/** The image takes 0.7 GB, building it twice that at most. */
const neededBytes = 2_000_000_000;

const cacheDirectory = '.cache';
const buildScript = join(import.meta.dirname, 'build.sh');

/**
 * The directory of the machine image, in the clone's cache: built on first use from the host's own package sources, and
 * again when the recipe changes. `SANDBOX_IMAGE` names a ready one instead. Must be called with the clone as the current
 * directory, as root. Nothing is installed on the host.
 */
export async function ensureImage(report: (line: string) => void): Promise<string> {
  const given = process.env['SANDBOX_IMAGE'];
  if (given !== undefined && given !== '') return given;

  const codename = releaseCodename(await readFile('/etc/os-release', 'utf8'));
  const recipe = [
    await readFile(buildScript, 'utf8'),
    ...packages,
    ...optionalPackages,
    codename,
    process.arch,
  ];
  const hash = createHash('sha256').update(recipe.join('\n')).digest('hex').slice(0, 12);
  const image = join(process.cwd(), cacheDirectory, `image-${hash}`);
  if (existsSync(image)) return image;

  await mkdir(cacheDirectory, { recursive: true });
  await removeStale(`image-${hash}`);
  await requireSpace();
  const started = performance.now();
  const progress = (line: string) =>
    report(`  ${((performance.now() - started) / 1_000).toFixed(0).padStart(3)} s  ${line}`);
  report(
    'Building the machine image (once, about a minute and a half; nothing is installed on this system):',
  );
  const work = await mkdtemp(join(process.cwd(), cacheDirectory, 'building-'));
  try {
    await build({ work, image, codename, progress });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  progress('the image is ready');
  return image;
}

async function build(job: {
  work: string;
  image: string;
  codename: string;
  progress: (line: string) => void;
}): Promise<void> {
  const sources = distributionSources(await hostSources(), job.codename);
  const release = sources.find(({ suites }) => suites.includes(job.codename));
  const mirror = release?.uris[0];
  if (release === undefined || mirror === undefined) {
    throw new Error(
      `The package sources in /etc/apt name no source of "${job.codename}" with the component main.`,
    );
  }
  await writeFile(join(job.work, 'build.sources'), formatDeb822(sources));
  // how the host reaches its sources: proxies, certificates, validity
  await writeFile(join(job.work, 'apt.conf'), await mustRun(['apt-config', 'dump', '--no-empty', 'Acquire']));

  const keyring = release.signedBy?.startsWith('/') ? release.signedBy : '';
  const [program = '', ...namespace] = ofItsOwn;
  const child = spawn(
    program,
    [
      ...namespace,
      '--mount-proc',
      'sh',
      buildScript,
      job.work,
      job.image,
      job.codename,
      mirror,
      keyring,
      release.components.join(','),
      packages.join(' '),
      optionalPackages.join(' '),
    ],
    { stdio: ['ignore', 'pipe', 'pipe'], detached: true },
  );
  const stop = () => child.kill('SIGKILL');
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, stop);
  let complaint = '';
  child.stderr.on('data', (data: Buffer) => (complaint = (complaint + data.toString()).slice(-4_000)));
  createInterface({ input: child.stdout }).on('line', job.progress);
  const [code] = await once(child, 'close');
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(signal, stop);
  if (code !== 0) {
    throw new Error(
      code === null
        ? 'Building the machine image was interrupted; the next start builds it anew.'
        : `The machine image can't be built:\n${complaint.trim()}`,
    );
  }
}

/** What a killed build left, and images of former recipes. */
async function removeStale(keep: string): Promise<void> {
  for (const name of await readdir(cacheDirectory)) {
    if (/^(image|building)-/.test(name) && name !== keep) {
      await rm(join(cacheDirectory, name), { recursive: true, force: true });
    }
  }
}

async function requireSpace(): Promise<void> {
  const { bavail, bsize } = await statfs(cacheDirectory);
  const free = bavail * bsize;
  if (free < neededBytes) {
    throw new Error(
      `The machine image needs ${gigabytes(neededBytes)} of disk space here; ${gigabytes(free)} are free.`,
    );
  }
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`;
}

/** The release's name as the package sources spell it; derivatives of Ubuntu use Ubuntu's. */
export function releaseCodename(osRelease: string): string {
  const field = (name: string) => new RegExp(`^${name}="?([a-z]+)"?$`, 'm').exec(osRelease)?.[1];
  const codename = field('UBUNTU_CODENAME') ?? field('DEBIAN_CODENAME') ?? field('VERSION_CODENAME');
  if (codename === undefined) throw new Error('/etc/os-release names no release (VERSION_CODENAME).');
  return codename;
}

async function hostSources(): Promise<Source[]> {
  const sources: Source[] = [];
  const files = ['/etc/apt/sources.list'];
  for (const name of await readdir('/etc/apt/sources.list.d'))
    files.push(join('/etc/apt/sources.list.d', name));
  for (const file of files.filter((name) => existsSync(name))) {
    if (file.endsWith('.list')) sources.push(...parseList(await readFile(file, 'utf8')));
    if (file.endsWith('.sources')) sources.push(...parseDeb822(await readFile(file, 'utf8')));
  }
  return Promise.all(sources.map(withoutMirrorLists));
}

/** Cloud images keep their mirrors in a file (`mirror+file:`); debootstrap and the image need them by name. */
async function withoutMirrorLists(source: Source): Promise<Source> {
  const uris: string[] = [];
  for (const uri of source.uris) {
    const file = /^mirror\+file:(?:\/\/)?(\/.*)$/.exec(uri)?.[1];
    if (file === undefined) uris.push(uri);
    else uris.push(...(await readFile(file, 'utf8')).split('\n').flatMap((line) => line.split(/\s/, 1)));
  }
  return { ...source, uris: uris.filter((uri) => uri !== '' && !uri.startsWith('#')) };
}
