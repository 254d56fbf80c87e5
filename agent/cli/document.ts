/** `adjoin document check`: looks at a command document of a customer's own. */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { reasonOf } from '../errors.ts';
import type { OwnPurpose } from '../nodes/contract.ts';
import { checkDocument } from './document-check.ts';
import { EXIT } from './exit.ts';
import { wrap } from './table.ts';
import type { Terminal } from './terminal.ts';

/** @returns the exit code */
export function checkDocumentFile(file: string, purpose: OwnPurpose | undefined, terminal: Terminal): number {
  let content: string;
  try {
    content = readFileSync(file, 'utf8');
  } catch (error) {
    terminal.err(`${file} can't be read: ${reasonOf(error)}\n`);
    return EXIT.failed;
  }
  const check = checkDocument(content, purpose);
  for (const { what, todo } of check.findings) terminal.out(`${wrap(what)}${wrap(todo, '    ')}`);
  const count = check.findings.length;
  if (count > 0) {
    terminal.err(`${count} finding${count === 1 ? '' : 's'}, as a ${check.purpose} document.\n`);
    return EXIT.failed;
  }
  // The configuration takes it as it stands; the name and the version are those that Systems Manager has.
  terminal.out(`${basename(file).replace(/\.json$/, '')}:1:${check.sha256}\n`);
  terminal.err(`Nothing found, as a ${check.purpose} document.\n`);
  return EXIT.ok;
}
