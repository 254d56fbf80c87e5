import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { mustRun } from '../machine/process.ts';

/** What `npm run synth` writes. */
export interface Synthesis {
  /** Where all of it lies. */
  readonly folder: string;
  /** The stack's template, as text. */
  readonly template: string;
  /** What attaches one group, as text. */
  readonly attachTemplate: string;
  /** What takes in the resources that a deleted stack has left, as text. */
  readonly importTemplate: string;
  /** Roles and the agent's bucket, as text. */
  readonly prerequisitesTemplate: string;
  /** What sends IAM's events from us-east-1 to another Region, as text. */
  readonly iamEventsTemplate: string;
  /** The bundled agent. */
  readonly agentFile: string;
}

/** All that the templates and the bundle are made of. */
const sources = ['agent', 'config', 'documents', 'infra', 'policies', 'scripts', 'package-lock.json'];
/** Of these the sandbox is no part of what is deployed. */
const exceptions = [join('infra', 'sandbox')];
const cacheDirectory = '.cache';
/** A day: a sandbox that was left open still runs the agent from there. */
const keptMs = 24 * 3_600_000;

/**
 * The synthesized stack, from the clone's cache when nothing that it is made of has changed. Synthesis takes a process of
 * its own: the construct library would stay in this one's memory. Must be called with the clone as the current directory.
 */
export async function synthesis(): Promise<Synthesis> {
  const hash = createHash('sha256')
    .update(await contentOf(sources))
    .digest('hex')
    .slice(0, 12);
  const folder = join(process.cwd(), cacheDirectory, `synth-${hash}`);
  if (!existsSync(folder)) await synthesize(folder);
  return {
    folder,
    template: await readFile(join(folder, 'adjoin.template.json'), 'utf8'),
    attachTemplate: await readFile(join(folder, 'adjoin-attach.template.json'), 'utf8'),
    prerequisitesTemplate: await readFile(join(folder, 'adjoin-prerequisites.template.json'), 'utf8'),
    iamEventsTemplate: await readFile(join(folder, 'adjoin-iam-events.template.json'), 'utf8'),
    importTemplate: await readFile(join(folder, 'adjoin-import.template.json'), 'utf8'),
    agentFile: join(folder, 'agent', 'agent.mjs'),
  };
}

/** Made beside its place and then moved there: what is in the cache is whole. */
async function synthesize(folder: string): Promise<void> {
  await mkdir(cacheDirectory, { recursive: true });
  await removeOld();
  const work = await mkdtemp(join(process.cwd(), cacheDirectory, 'synthesizing-'));
  try {
    // The construct library's own validator takes most of the time, and only warns: test/infra/stack/synth has it on.
    const env = { CDK_VALIDATION: 'false' };
    await mustRun([process.execPath, 'scripts/synth.ts', '--output', work], { env });
    await rename(work, folder);
  } catch (error) {
    // Another process may have been faster; then it is there.
    if (!existsSync(folder)) throw error;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Of former sources, and what a killed run left; young ones may be another process's. */
async function removeOld(): Promise<void> {
  for (const name of await readdir(cacheDirectory)) {
    const path = join(cacheDirectory, name);
    if (!name.startsWith('synth')) continue;
    const age = Date.now() - (await stat(path)).mtimeMs;
    if (age > keptMs) await rm(path, { recursive: true, force: true });
  }
}

async function contentOf(names: readonly string[]): Promise<string> {
  const files: string[] = [];
  for (const name of names) {
    if (/\.\w+$/.test(name)) files.push(name);
    else {
      const entries = await readdir(name, { recursive: true, withFileTypes: true });
      const paths = entries
        .filter((each) => each.isFile())
        .map((each) => join(each.parentPath, each.name))
        .filter((path) => !exceptions.some((exception) => path.startsWith(`${exception}/`)));
      files.push(...paths);
    }
  }
  const texts = await Promise.all(
    files.toSorted().map(async (file) => `${file}\n${await readFile(file, 'utf8')}`),
  );
  return texts.join('\n');
}
