import { readFile, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { cgroups } from './cgroup.ts';
import type { Machine } from './machine.ts';
import { cables, cableName } from './network.ts';

/** The PID namespace comes first. */
const namespaceKinds = ['pid', 'net', 'mnt', 'uts', 'ipc'] as const;

/**
 * What exists in this outer namespace and belongs to none of the living machines: processes in namespaces of their own,
 * mounts, cables, disks. Each is a sentence; nothing left is an empty list.
 */
export async function leftovers(runtime: string, living: readonly Machine[]): Promise<string[]> {
  const directory = join(runtime, 'machines');
  const names = new Set(living.map(({ name }) => name));
  const plugged = new Set(living.map(({ address }) => cableName(address)));

  const found = await strayProcesses(living);
  const mounts = await readFile('/proc/self/mounts', 'utf8');
  for (const line of mounts.split('\n')) {
    const target = line.split(' ')[1] ?? '';
    if (target.startsWith(`${directory}/`)) found.push(`mount at ${target}`);
  }
  for (const cable of await cables()) {
    if (!plugged.has(cable)) found.push(`interface ${cable}`);
  }
  for (const name of await cgroups(runtime)) {
    if (!names.has(name)) found.push(`cgroup of ${name}`);
  }
  for (const name of await readdir(directory).catch(() => [])) {
    if (!names.has(name)) found.push(`disk of ${name}`);
  }
  return found;
}

/** A namespace without a process is gone (nothing here pins one), so looking at processes finds every namespace. */
async function strayProcesses(living: readonly Machine[]): Promise<string[]> {
  const known = new Set(await namespacesOf('self'));
  /** Processes in these end with the machine, whatever other namespaces a service has for itself. */
  const theirs = new Set<string>();
  for (const { pid } of living) {
    if (pid === undefined) continue;
    const namespaces = await namespacesOf(String(pid));
    for (const namespace of namespaces) known.add(namespace);
    if (namespaces[0] !== undefined) theirs.add(namespaces[0]);
  }
  const found: string[] = [];
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    const namespaces = await namespacesOf(pid);
    if (theirs.has(namespaces[0] ?? '')) continue;
    const strange = namespaces.filter((namespace) => !known.has(namespace));
    if (strange.length === 0) continue;
    const name = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '');
    found.push(`process ${pid} (${name.trim()}) in ${strange.join(', ')}`);
  }
  return found;
}

/** Empty for a process that has ended. */
async function namespacesOf(pid: string): Promise<string[]> {
  try {
    return await Promise.all(namespaceKinds.map((kind) => readlink(`/proc/${pid}/ns/${kind}`)));
  } catch {
    return [];
  }
}
