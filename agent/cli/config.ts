import { AdjoinError, reasonOf } from '../errors.ts';
import { loadConfig, type Config } from '../config.ts';
import type { Terminal } from './terminal.ts';

/** The configuration, or nothing after every problem was said. */
export function readConfig(file: string, terminal: Terminal): Config | undefined {
  try {
    return loadConfig(file, process.env);
  } catch (error) {
    terminal.err(`${error instanceof AdjoinError ? `${error.message}\n${error.hint}` : reasonOf(error)}\n`);
    return undefined;
  }
}
