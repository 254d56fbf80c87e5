/** How a launch installs packages: the commands, and the repository that the configuration names. */
import { afterAll, beforeEach, expect, test } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { arch, tmpdir } from 'node:os';
import { join } from 'node:path';

const documents = join(import.meta.dirname, '..', '..', 'documents');
const shared = (name: string) => readFileSync(join(documents, 'shared', name), 'utf8');
const top = mkdtempSync(join(tmpdir(), 'adjoin-packages-'));
afterAll(() => rmSync(top, { recursive: true }));
const repositories = join(top, 'repositories');

beforeEach(() => {
  for (const name of ['dnf', 'yum', 'zypper', 'rpm'])
    writeFileSync(join(top, name), `#!/bin/sh\nprintf '%s %s %s\\n' "$(umask)" ${name} "$*"\n`, {
      mode: 0o755,
    });
  mkdirSync(join(top, 'keys'), { recursive: true });
  writeFileSync(join(top, 'keys', 'RPM-GPG-KEY-redhat-release'), '');
});

function install(manager: string, source: string, repository = '') {
  const script = [
    shared('base.sh'),
    shared('system.sh'),
    shared('packages.sh').replace('/etc/pki/rpm-gpg', join(top, 'keys')),
    `PATH=${top}:$PATH repositories=${repositories} TIME_LIMIT=600 GIVEN_REPOSITORY='${repository}'`,
    `package_manager=${manager} package_source=${source} os=rhel os_version=9.6`,
    'exec 9>/dev/null',
    'can_install || { echo can not; exit 0; }',
    'install_packages adcli sssd-ad',
  ].join('\n');
  const { status, stdout, stderr } = spawnSync('sh', ['-c', script], { encoding: 'utf8' });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return stdout.trim();
}

const options = '-y -q --setopt=timeout=10 --setopt=retries=3';

test.each([
  ['dnf', `0022 dnf ${options} install adcli sssd-ad`],
  ['yum', `0022 yum ${options} install adcli sssd-ad`],
  ['zypper', '0022 zypper --non-interactive --quiet install --no-recommends adcli sssd-ad'],
])('%s installs from the vendor’s bucket', (manager, command) => {
  expect(install(manager, 's3-gateway')).toBe(command);
  expect(existsSync(repositories)).toBe(false);
});

test.each([
  ['dnf', 'image'],
  ['zypper', 'image'],
  ['apt', 's3-gateway'],
])('%s with packages from the %s installs nothing at launch', (manager, source) => {
  expect(install(manager, source)).toBe('can not');
});

test('apt installs nothing from a repository either', () => {
  expect(install('apt', 'image', 'https://packages.example.test/x')).toBe('can not');
});

test.each([
  ['dnf', `0022 dnf ${options} --setopt=reposdir=${repositories} install adcli sssd-ad`],
  [
    // zypper(8): --non-interactive rejects a new key, and --gpg-auto-import-keys takes any that a repository has.
    'zypper',
    `0077 rpm --import ${join(top, 'keys', 'RPM-GPG-KEY-redhat-release')}\n0022 zypper --non-interactive --quiet --reposd-dir ${repositories} install --no-recommends adcli sssd-ad`,
  ],
])(
  '%s installs from the repository of the configuration alone, whose packages must be signed',
  (manager, command) => {
    expect(
      install(manager, 'image', 'https://b.s3.eu-central-1.amazonaws.com/@id@/@version@/@arch@/os'),
    ).toBe(command);
    const machine = arch() === 'arm64' ? 'aarch64' : 'x86_64';
    expect(readFileSync(join(repositories, 'adjoin.repo'), 'utf8').split('\n')).toEqual([
      '[adjoin]',
      'name=adjoin',
      `baseurl=https://b.s3.eu-central-1.amazonaws.com/rhel/9/${machine}/os`,
      'enabled=1',
      'gpgcheck=1',
      'repo_gpgcheck=0',
      `gpgkey=file://${join(top, 'keys', 'RPM-GPG-KEY-redhat-release')}`,
      '',
    ]);
  },
);
