import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { startMachine, type Machine } from '../machine.ts';

/** What the world of a worker is made of. */
export interface Supplies {
  /** The package repository's files, by path. */
  readonly repository: ReadonlyMap<string, Buffer>;
  readonly certificate: Certificate;
}

/** For AWS's names in a Region. Both are PEM. */
export interface Certificate {
  readonly key: string;
  readonly certificate: string;
}

export interface SuppliesOptions {
  readonly image: string;
  /** What lies over the image: curl, logrotate and the AWS CLI. */
  readonly layer: string;
  readonly runtime: string;
  readonly region: string;
}

/** Beyond the addresses that the machines of a test's group get. */
const address = '10.77.255.11';
/** Three seconds of a processor; more where others want it. */
const limitMs = 120_000;

const own = (file: string): Promise<string> => readFile(join(import.meta.dirname, file), 'utf8');

/** Packs what a worker installs, on a machine of its own. */
export async function makeSupplies({ image, layer, runtime, region }: SuppliesOptions): Promise<Supplies> {
  const machine = await startMachine({
    image,
    layer,
    runtime,
    name: 'packages',
    address,
    nameServers: [],
    searchDomain: 'packages.invalid',
    shares: [dirname(process.execPath)],
  });
  try {
    const script = '/root/packages.sh';
    await must(machine, ['sh', '-c', `cat >${script}`], await own('packages.sh'));
    await must(machine, ['sh', script, process.execPath, region], await own('log-delivery.py'));
    const root = join(machine.disk, 'root', 'repository');
    const files = (await readdir(root, { recursive: true, withFileTypes: true })).filter((each) =>
      each.isFile(),
    );
    const repository = new Map<string, Buffer>();
    for (const { parentPath, name } of files) {
      const path = join(parentPath, name);
      repository.set(path.slice(root.length + 1), await readFile(path));
    }
    const pem = await readFile(join(machine.disk, 'root', 'names.pem'), 'utf8');
    const begin = pem.indexOf('-----BEGIN CERTIFICATE-----');
    return { repository, certificate: { key: pem.slice(0, begin), certificate: pem.slice(begin) } };
  } finally {
    await machine.destroy();
  }
}

export interface Surroundings {
  readonly region: string;
  /** Where the VPC's endpoints are. */
  readonly endpointAddress: string;
  /** AWS's names that lead there. */
  readonly names: readonly string[];
  /** That is trusted. */
  readonly certificate: string;
}

/** Makes a machine with systemd an instance of Amazon Linux 2023, to the set-up of a worker. */
export async function makeAmazonLinux(machine: Machine, surroundings: Surroundings): Promise<void> {
  const { region, endpointAddress, names, certificate } = surroundings;
  const script = '/root/image.sh';
  await must(machine, ['sh', '-c', `cat >${script}`], await own('image.sh'));
  await must(machine, ['sh', script, region, endpointAddress, ...names], certificate);
}

/** The instance's first boot comes to its end: cloud-init runs the user data. Does not wait for it. */
export async function runUserData(machine: Machine): Promise<void> {
  await must(machine, ['systemctl', 'start', '--no-block', 'cloud-final'], '');
}

async function must(machine: Machine, argv: readonly string[], input: string): Promise<void> {
  const { code, stderr } = await machine.exec(argv, { input, timeoutMs: limitMs });
  if (code !== 0)
    throw new Error(`${machine.name}: ${argv.join(' ')}: ${stderr.trim() || `exit code ${code}`}`);
}
