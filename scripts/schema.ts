/**
 * Writes config/schema.json from the code.
 *
 *     node scripts/schema.ts [--check]
 */
import { join } from 'node:path';
import { configJsonSchema } from '../agent/config.ts';
import { formatJson } from './format-json.ts';
import { generate } from './generated.ts';

process.exitCode = await generate(
  join(import.meta.dirname, '../config/schema.json'),
  () => formatJson(configJsonSchema()),
  'node scripts/schema.ts',
);
