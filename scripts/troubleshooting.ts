/**
 * Writes the README's tables of error codes and of settings from the code, each between its markers.
 *
 *     node scripts/troubleshooting.ts [--check]
 */
import { join } from 'node:path';
import { configJsonSchema, overrides } from '../agent/config.ts';
import { errorCodes } from '../agent/errors.ts';
import { generate } from './generated.ts';
import { between, renderErrors, renderSettings } from './render.ts';

process.exitCode = await generate(
  join(import.meta.dirname, '../README.md'),
  (readme) => {
    if (readme === undefined) throw new Error('The file is not there.');
    const withErrors = between(readme, 'errors', renderErrors(errorCodes));
    return between(withErrors, 'config', renderSettings(configJsonSchema(), overrides()));
  },
  'node scripts/troubleshooting.ts',
);
