/**
 * Writes the table of error codes in docs/troubleshooting.md from the code, between its markers.
 *
 *     node scripts/troubleshooting.ts [--check]
 */
import { join } from 'node:path';
import { errorCodes } from '../agent/errors.ts';
import { generate } from './generated.ts';
import { between, renderErrors } from './render.ts';

process.exitCode = await generate(
  join(import.meta.dirname, '../docs/troubleshooting.md'),
  (page) => {
    if (page === undefined) throw new Error('The file is not there.');
    return between(page, 'errors', renderErrors(errorCodes));
  },
  'node scripts/troubleshooting.ts',
);
