import { access, mkdir, readdir, readFile, readlink, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { mustRun } from './process.ts';

/** All cgroups of machines begin with it; a number that tells outer namespaces apart follows. */
const prefix = 'adjoin-machine-';

/** By directory: the tree is mounted once in an outer namespace, and ends with it. */
const mounted = new Map<string, Promise<string>>();

/**
 * A cgroup for a machine with systemd, which makes one for each service below it. The tree is mounted here whatever the host
 * shows at /sys/fs/cgroup: a container's is often read-only. Kernels have it beside cgroups of version 1, without controllers.
 *
 * Unlike everything else of a machine, a cgroup does not end with its namespaces. What a run that was killed left is empty, and is
 * removed by the next run that boots such a machine.
 */
export async function createCgroup(runtime: string, name: string): Promise<string> {
  const parent = await ensureMounted(runtime);
  const cgroup = join(parent, `${await ownPrefix()}-${name}`);
  await mkdir(cgroup, { recursive: true });
  return cgroup;
}

/** There can be no machine with systemd here. The message says what is missing. */
export class NoCgroupError extends Error {
  override readonly name = 'NoCgroupError';
}

/** @throws NoCgroupError */
export async function checkCgroups(runtime: string): Promise<void> {
  try {
    const cgroup = await createCgroup(runtime, 'check');
    // systemd makes one for each service.
    await mkdir(join(cgroup, 'service'), { recursive: true });
    await removeCgroup(cgroup);
  } catch (error) {
    const [reason] = (error instanceof Error ? error.message : String(error)).split('\n');
    throw new NoCgroupError(
      `No machine with systemd can boot here: it needs a control group (cgroup v2) to make others in. ${reason}`,
      { cause: error },
    );
  }
}

/** Removes it with those of its services, when all its processes have ended. */
export async function removeCgroup(cgroup: string): Promise<void> {
  for (const entry of await readdir(cgroup, { withFileTypes: true }).catch(() => [])) {
    if (entry.isDirectory()) await removeCgroup(join(cgroup, entry.name));
  }
  await rmdir(cgroup).catch((error: unknown) => {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  });
}

/** How long killed processes may take to be gone, in milliseconds; and how often is looked. */
const endLimitMs = 2_000;
const endPollMs = 50;

/** Kills what is in the cgroups of this outer namespace, and removes them: they would outlive it. */
export async function endCgroups(runtime: string): Promise<void> {
  const parent = await mounted.get(runtime)?.catch(() => undefined);
  if (parent === undefined) return;
  const own = `${await ownPrefix()}-`;
  const deadline = Date.now() + endLimitMs;
  for (const name of (await readdir(parent)).filter((each) => each.startsWith(own))) {
    const cgroup = join(parent, name);
    await writeFile(join(cgroup, 'cgroup.kill'), '1').catch(() => undefined);
    while (Date.now() < deadline) {
      const removed = await removeCgroup(cgroup).then(
        () => true,
        () => false,
      );
      if (removed) break;
      await wait(endPollMs);
    }
  }
}

/** Those of this outer namespace, by the machine's name. */
export async function cgroups(runtime: string): Promise<string[]> {
  const parent = await mounted.get(runtime);
  if (parent === undefined) return [];
  const own = `${await ownPrefix()}-`;
  return (await readdir(parent)).filter((name) => name.startsWith(own)).map((name) => name.slice(own.length));
}

function ensureMounted(runtime: string): Promise<string> {
  let parent = mounted.get(runtime);
  if (parent === undefined) {
    parent = mountTree(join(runtime, 'cgroup'));
    parent.catch(() => mounted.delete(runtime));
    mounted.set(runtime, parent);
  }
  return parent;
}

/** Where this process is in the tree: a container may not go above it. */
async function mountTree(directory: string): Promise<string> {
  await mkdir(directory, { recursive: true });
  // another process of this outer namespace may have mounted it
  const isFirst = !(await exists(join(directory, 'cgroup.procs')));
  if (isFirst) await mustRun(['mount', '-t', 'cgroup2', '-o', 'nosuid,nodev,noexec', 'cgroup2', directory]);
  const own = /^0::(.*)$/m.exec(await readFile('/proc/self/cgroup', 'utf8'))?.[1] ?? '/';
  const parent = join(directory, own);
  for (const name of await readdir(parent)) {
    // One with a process in it belongs to a sandbox that runs, and stays: the kernel does not remove it.
    // The kernel gives a namespace's number to a later one: what the first process finds under its own is of a run that has ended.
    if (name.startsWith(prefix) && (isFirst || !name.startsWith(`${await ownPrefix()}-`)))
      await removeCgroup(join(parent, name)).catch(() => {});
  }
  return parent;
}

async function ownPrefix(): Promise<string> {
  const namespace = await readlink('/proc/self/ns/mnt');
  return prefix + namespace.replaceAll(/\D/g, '');
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
