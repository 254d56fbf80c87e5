/**
 * Writes test/infra/matrix/service-authorization.json, to be run again when the version of the reference changes.
 *
 *     node scripts/service-authorization.ts [--check]
 */
import { join } from 'node:path';
import { format } from 'prettier';
import { authorizationReference } from './authorization-reference.ts';
import { generate } from './generated.ts';

const root = join(import.meta.dirname, '..');

process.exitCode = await generate(
  join(root, 'test/infra/matrix/service-authorization.json'),
  () => format(JSON.stringify(authorizationReference(root)), { parser: 'json', printWidth: 110 }),
  'node scripts/service-authorization.ts',
);
