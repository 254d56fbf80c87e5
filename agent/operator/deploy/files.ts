/** The files of a deployment: what a person says of it, and what the package brings. */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { AdjoinError, reasonOf } from '../../errors.ts';
import { parseSettings, type Settings } from './settings.ts';

/** In the package they lie beside this file's folder; in the clone, where `npm run synth` writes them. */
export function deployable(given: string | undefined, inPackage: string, inClone: string): string {
  if (given !== undefined) return resolve(given);
  const packed = join(import.meta.dirname, '..', inPackage);
  return existsSync(packed) ? packed : resolve('cdk.out', inClone);
}

/** @throws AdjoinError `config-invalid` */
export function readOf(file: string, what: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new AdjoinError('config-invalid', `${what} can't be read: ${reasonOf(error)}`);
  }
}

export function settingsOf(file: string): Settings {
  return existsSync(file)
    ? parseSettings(readOf(file, 'The settings').toString('utf8'), file)
    : { stack: 'adjoin', parameters: new Map() };
}
