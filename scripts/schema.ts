/**
 * Writes config/schema.json from the code.
 *
 *     node scripts/schema.ts [--check]
 */
import { join } from 'node:path';
import { format } from 'prettier';
import { configJsonSchema } from '../agent/config.ts';
import { generate } from './generated.ts';

process.exitCode = await generate(
  join(import.meta.dirname, '../config/schema.json'),
  () => format(JSON.stringify(configJsonSchema()), { parser: 'json', printWidth: 110 }),
  'node scripts/schema.ts',
);
