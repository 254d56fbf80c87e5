import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Machine } from '../machine/machine.ts';
import { must } from './controller.ts';

/** Signs the controllers' certificates. Its key is in this process's memory, so that a later controller can have one. */
export interface Authority {
  /** PEM. */
  readonly certificate: string;
  /** PEM. A secret. */
  readonly key: string;
}

const authorityScript = join(import.meta.dirname, 'authority.sh');
const certificateScript = join(import.meta.dirname, 'certificate.sh');

/** Makes an authority with the machine's openssl; nothing of it stays there. */
export async function makeAuthority(machine: Machine): Promise<Authority> {
  const pem = await must(machine, ['sh', '-s'], { input: await readFile(authorityScript, 'utf8') });
  const begin = pem.indexOf('-----BEGIN CERTIFICATE-----');
  return { key: pem.slice(0, begin), certificate: pem.slice(begin) };
}

/**
 * Makes a key and a certificate for the machine, where Samba looks for them.
 * @param controllerOf the domain that it is a controller of. Default: it is a member like any other
 */
export async function issueCertificate(
  { key, certificate }: Authority,
  machine: Machine,
  hostName: string,
  controllerOf?: string,
): Promise<void> {
  const script = await readFile(certificateScript, 'utf8');
  await must(
    machine,
    [
      'sh',
      '-c',
      script,
      'certificate',
      hostName,
      machine.address,
      ...(controllerOf === undefined ? [] : [controllerOf]),
    ],
    {
      input: `${key}${certificate}`,
    },
  );
}
