/** Who may log in and use sudo, as sssd.conf and sudoers get it. */
import { expect, test } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const documents = join(import.meta.dirname, '..', '..', 'documents');
const shared = (name: string) => readFileSync(join(documents, 'shared', name), 'utf8');

function written(what: string, logIn: string, sudo: string): string[] {
  const script = [
    shared('base.sh'),
    shared('access.sh'),
    `domain=corp.example.test GIVEN_LOG_IN_GROUPS='${logIn}' GIVEN_SUDO_GROUPS='${sudo}' GIVEN_GROUP_POLICY=permissive`,
    what,
  ].join('\n');
  const { status, stdout, stderr } = spawnSync('sh', ['-c', script], { encoding: 'utf8' });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return stdout.split('\n').slice(0, -1);
}

const accessSettings = String.raw`read_access; printf '%s\n' "$access"`;

test('without groups the domain decides, and its group policies as the configuration says', () => {
  expect(written(accessSettings, '', '')).toEqual([
    'access_provider = ad',
    'ad_gpo_access_control = permissive',
  ]);
  expect(written('sudoers_lines', '', '')).toEqual([]);
});

test('groups that may log in are the only ones, with those that may use sudo, each once', () => {
  expect(written(accessSettings, 'Fleet+Users:ops', 'Domain+Admins:OPS')).toEqual([
    'access_provider = simple',
    'simple_allow_groups = fleet users@corp.example.test,ops@corp.example.test,domain admins@corp.example.test',
    'ad_gpo_access_control = permissive',
  ]);
});

test('groups that may use sudo do not keep others from logging in', () => {
  expect(written(accessSettings, '', 'ops')).toEqual([
    'access_provider = ad',
    'ad_gpo_access_control = permissive',
  ]);
});

test('sudoers asks for the user’s own password, and has each space of a name escaped', () => {
  expect(written('sudoers_lines', 'staff', 'Domain+Admins:web_2')).toEqual([
    'Defaults:%domain\\ admins@corp.example.test !targetpw',
    '%domain\\ admins@corp.example.test ALL=(ALL:ALL) ALL',
    'Defaults:%web_2@corp.example.test !targetpw',
    '%web_2@corp.example.test ALL=(ALL:ALL) ALL',
  ]);
});
