/** The systems that machines of the sandbox are made like. */
import { expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { amazonLinux, redHat, suse } from '../../../infra/sandbox/inside/systems.ts';

const recorded = (name: string) =>
  readFileSync(join(import.meta.dirname, '..', '..', 'fixtures', 'os-release', name), 'utf8').split('\n');

test.each([
  ['amzn-2023', amazonLinux],
  ['rhel-9.6', redHat],
  ['sles-15.7', suse],
])('a machine says of itself what a recorded %s does', (file, { rpm }) => {
  const lines = rpm?.osRelease.trimEnd().split('\n') ?? [];
  expect(lines.filter((line) => /^(ID|ID_LIKE|VERSION_ID)=/.test(line))).toHaveLength(3);
  expect(recorded(file)).toEqual(expect.arrayContaining(lines));
});
