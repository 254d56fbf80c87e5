import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { ofItsOwn } from './own-namespace.ts';
import { mustRun } from '../machine/process.ts';

/** What an operator's desk and a worker's image have and no other machine needs: 150 MB, and half a minute to install. */
const deskPackages = ['awscli', 'curl', 'jq', 'logrotate'];

const cacheDirectory = '.cache';
const script = join(import.meta.dirname, 'layer.sh');

/**
 * The directory of what lies over the image on an operator's desk, in the clone's cache: made on first use, and again for
 * another image. Must be called with the clone as the current directory, as root, where the package sources can be reached.
 */
export async function ensureDesk(image: string, report: (line: string) => void): Promise<string> {
  const recipe = [await readFile(script, 'utf8'), ...deskPackages, basename(image)];
  const hash = createHash('sha256').update(recipe.join('\n')).digest('hex').slice(0, 12);
  const name = `desk-${hash}`;
  const layer = join(process.cwd(), cacheDirectory, name);
  if (existsSync(layer)) return layer;
  for (const old of await readdir(cacheDirectory)) {
    if (old.startsWith('desk-')) await rm(join(cacheDirectory, old), { recursive: true, force: true });
  }
  report(
    'Installing the AWS CLI for workers’ and operators’ machines (once, about half a minute; nothing is installed on this system)',
  );
  const work = await mkdtemp(join(process.cwd(), cacheDirectory, 'desk-building-'));
  try {
    await writeFile(join(work, 'apt.conf'), await mustRun(['apt-config', 'dump', '--no-empty', 'Acquire']));
    await mustRun([...ofItsOwn, 'sh', script, work, image, layer, ...deskPackages]);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return layer;
}
