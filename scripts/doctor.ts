/**
 * Writes the sections of docs/doctor.md, one for each check, from the code, between its markers.
 *
 *     node scripts/doctor.ts [--check]
 */
import { join } from 'node:path';
import { placeChecks } from '../agent/checks/place-checks.ts';
import { deploymentChecks } from '../agent/operator/doctor/deployment-checks.ts';
import { groupChecks } from '../agent/operator/doctor/group-checks.ts';
import { preChecks } from '../agent/operator/doctor/pre-checks.ts';
import { nodeChecks } from '../agent/operator/doctor/node-checks.ts';
import { generate } from './generated.ts';
import { between, renderChecks } from './render.ts';

process.exitCode = await generate(
  join(import.meta.dirname, '../docs/doctor.md'),
  (page) => {
    if (page === undefined) throw new Error('The file is not there.');
    const checks = [
      ...preChecks,
      ...deploymentChecks,
      ...placeChecks,
      ...groupChecks('NAME'),
      ...nodeChecks('ID'),
    ];
    return between(page, 'checks', renderChecks(checks));
  },
  'node scripts/doctor.ts',
);
