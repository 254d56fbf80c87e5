import { copyFile, rename } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Machine } from '../machine/machine.ts';
import { must } from './controller.ts';

/**
 * Where the domains of one run are kept as they are right after provisioning, for the sandboxes that follow: a directory in
 * the memory of the outer namespace, because the files hold the keys of the domain. Each sandbox furnishes its domain
 * itself, with accounts and passwords of its own. Undefined where nobody has made the directory: a sandbox that is alone
 * provisions for itself.
 */
export function provisionedDomains(runtime: string): string | undefined {
  const directory = join(runtime, 'domains');
  return existsSync(directory) ? directory : undefined;
}

/** What provisioning writes; the access lists of Windows are extended attributes. */
const written = ['var/lib/samba', 'etc/samba'];
/** The certificate's key is each sandbox's own, and is written at the same time. */
const without = '--exclude=var/lib/samba/private/tls';
const attributes = ['--xattrs', '--xattrs-include=*', '--acls'];
const packed = '/root/domain.tar';

/**
 * Provisions the domain, or unpacks what an earlier sandbox of this run has provisioned under the same name.
 * @param name tells apart what differs: names and address
 */
export async function provisionOnce(
  directory: string | undefined,
  name: string,
  controller: Machine,
  provision: () => Promise<void>,
): Promise<void> {
  if (directory === undefined) return provision();
  const file = join(directory, `${name}.tar`);
  if (existsSync(file)) {
    await must(controller, ['tar', '-C', '/', ...attributes, '-xf', file]);
    return;
  }
  await provision();
  await must(controller, ['tar', '-C', '/', ...attributes, '--sparse', without, '-cf', packed, ...written]);
  const mine = `${file}.${process.pid}`;
  await copyFile(join(controller.disk, packed), mine);
  // Two sandboxes may do this at the same time: either file is whole.
  await rename(mine, file);
  await must(controller, ['rm', packed]);
}
