/**
 * Writes test/infra/matrix/service-authorization.json, to be run again when the version of the reference changes.
 *
 *     node scripts/service-authorization.ts [--check]
 */
import { join } from 'node:path';
import { authorizationReference } from './authorization-reference.ts';
import { formatJson } from './format-json.ts';
import { generate } from './generated.ts';

const root = join(import.meta.dirname, '..');

process.exitCode = await generate(
  join(root, 'test/infra/matrix/service-authorization.json'),
  () => formatJson(authorizationReference(root)),
  'node scripts/service-authorization.ts',
);
