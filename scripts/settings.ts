/**
 * Writes the table of settings in docs/configuration.md from the code, between its markers.
 *
 *     node scripts/settings.ts [--check]
 */
import { join } from 'node:path';
import { configJsonSchema, overrides } from '../agent/config.ts';
import { generate } from './generated.ts';
import { between, renderSettings } from './render.ts';

process.exitCode = await generate(
  join(import.meta.dirname, '../docs/configuration.md'),
  (page) => {
    if (page === undefined) throw new Error('The file is not there.');
    return between(page, 'config', renderSettings(configJsonSchema(), overrides()));
  },
  'node scripts/settings.ts',
);
