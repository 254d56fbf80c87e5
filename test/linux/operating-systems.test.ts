/** Which system a node is taken for: the script that runs there, over recorded os-release files, with the table as it is. */
import { afterAll, describe, expect, test } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OPERATING_SYSTEMS } from '../../agent/lifecycle/node-settings.ts';
import {
  linuxPackages,
  linuxSystems,
  operatingSystems,
  parseOperatingSystems,
} from '../../documents/operating-systems.ts';
import { parameters } from '../../documents/parameters.ts';

const root = join(import.meta.dirname, '..', '..');
const shared = (name: string) => readFileSync(join(root, 'documents', 'shared', name), 'utf8');
const fixtures = join(root, 'test', 'fixtures', 'os-release');

const directory = mkdtempSync(join(tmpdir(), 'adjoin-systems-'));
afterAll(() => rmSync(directory, { recursive: true }));

interface Recognised {
  readonly system: string;
  readonly refusal: string;
  readonly detail: string;
  readonly missing: string;
  readonly packageManager: string;
  readonly logInTool: string;
}

/** @param release text of /etc/os-release */
function recognise(release: string, tag = ''): Recognised {
  const systems = operatingSystems();
  const script = [
    shared('base.sh'),
    shared('system.sh'),
    `SYSTEMS='${linuxSystems(systems)}'`,
    `PACKAGES='${linuxPackages(systems)}'`,
    `GIVEN_SYSTEM='${tag}'`,
    'os_release=$1',
    // No package of any list is here, whatever this machine has.
    'present() { false; }',
    'read_system',
    'for value in "$system" "$refusal" "$detail" "$missing" "${package_manager-}" "${log_in_tool-}"; do printf "%s\\n" "$value"; done',
  ].join('\n');
  const file = join(directory, 'os-release');
  writeFileSync(file, release);
  const { status, stdout, stderr } = spawnSync('sh', ['-c', script, 'sh', file], { encoding: 'utf8' });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  const [system = '', refusal = '', detail = '', missing = '', packageManager = '', logInTool = ''] =
    stdout.split('\n');
  return { system, refusal, detail, missing, packageManager, logInTool };
}

const recorded = (name: string) => readFileSync(join(fixtures, name), 'utf8');

const amazon2 = ['Amazon Linux 2', 'yum', 'authconfig'] as const;
const amazon2023 = ['Amazon Linux 2023', 'dnf', 'authselect'] as const;
const redHat = ['Red Hat Enterprise Linux', 'dnf', 'authselect'] as const;
const centos = ['CentOS Stream', 'dnf', 'authselect'] as const;
const alma = ['AlmaLinux', 'dnf', 'authselect'] as const;
const rocky = ['Rocky Linux', 'dnf', 'authselect'] as const;
const oracle = ['Oracle Linux', 'dnf', 'authselect'] as const;
const fedora = ['Fedora Linux', 'dnf', 'authselect'] as const;
const sles = ['SUSE Linux Enterprise Server 15', 'zypper', 'pam-config'] as const;
const leap = ['openSUSE Leap', 'zypper', 'pam-config'] as const;
const debian = ['Debian', 'apt', 'pam-auth-update'] as const;
const ubuntu = ['Ubuntu', 'apt', 'pam-auth-update'] as const;

const known: readonly (readonly [string, readonly [string, string, string]])[] = [
  ['amzn-2', amazon2],
  ['amzn-2023', amazon2023],
  ['rhel-8.10', redHat],
  ['rhel-9.6', redHat],
  ['rhel-10.0', redHat],
  ['centos-8', centos],
  ['centos-9', centos],
  ['almalinux-8.10', alma],
  ['almalinux-9.6', alma],
  ['almalinux-10.0', alma],
  ['rocky-8.10', rocky],
  ['rocky-9.5', rocky],
  ['rocky-10.0', rocky],
  ['ol-8.9', oracle],
  ['ol-9.5', oracle],
  ['fedora-40', fedora],
  ['fedora-42', fedora],
  ['sles-15.3', sles],
  ['sles-15.7', sles],
  ['opensuse-leap-15.6', leap],
  ['opensuse-leap-16.0', leap],
  ['debian-11', debian],
  ['debian-12', debian],
  ['debian-13', debian],
  ['ubuntu-20.04', ubuntu],
  ['ubuntu-22.04', ubuntu],
  ['ubuntu-24.04', ubuntu],
  // These have no entry, and say what they are like.
  ['opensuse-tumbleweed-20240823', leap],
  ['sled-15.5', sles],
  ['linuxmint-22', ubuntu],
  ['pop-22.04', ubuntu],
  ['raspbian-12', debian],
];

const tooOld: readonly (readonly [string, string])[] = [
  ['amzn-2018.03', 'amzn 2018.03 is not supported, but amzn 2 until before 3, 2023 or later is.'],
  ['rhel-7.5', 'rhel 7.5 is not supported, but rhel 8 or later is.'],
  ['centos-7', 'centos 7 is not supported, but centos 8 or later is.'],
  ['fedora-39', 'fedora 39 is not supported, but fedora 40 or later is.'],
  ['sles-12.5', 'sles 12.5 is not supported, but sles 15.3 until before 16 is.'],
  ['debian-10', 'debian 10 is not supported, but debian 11 or later is.'],
  ['ubuntu-18.04', 'ubuntu 18.04 is not supported, but ubuntu 20.04 or later is.'],
  ['sled-12.3', 'sled 12.3 is not supported, and is like none that is.'],
];

describe('a node', () => {
  test.each(known)('of %s is recognised', (name, [system, packageManager, logInTool]) => {
    const found = recognise(recorded(name));
    expect(found).toMatchObject({ system, packageManager, logInTool, refusal: '', detail: '' });
    expect(found.missing.split(' ')).toContain('adcli');
  });

  test.each(tooOld)('of %s is refused, and told what is supported', (name, detail) => {
    expect(recognise(recorded(name))).toMatchObject({ system: '', refusal: 'system-unsupported', detail });
  });

  test('of each recorded file is looked at above', () => {
    const names = [...known, ...tooOld].map(([name]) => name);
    expect(names.toSorted()).toEqual(readdirSync(fixtures).toSorted());
  });

  test('lacks the packages of its own system, by the names that they have there', () => {
    expect(recognise(recorded('amzn-2')).missing).toContain('authconfig');
    expect(recognise(recorded('rhel-9.6')).missing).toContain('oddjob-mkhomedir');
    expect(recognise(recorded('sles-15.7')).missing).toContain('krb5-client');
    expect(recognise(recorded('ubuntu-24.04')).missing).toContain('bind9-dnsutils');
  });

  test('of a derivative of an old release of RHEL is too old, because it counts versions as RHEL does', () => {
    const scientific = 'ID="scientific"\nID_LIKE="rhel centos fedora"\nVERSION_ID="7.9"\n';
    expect(recognise(scientific)).toMatchObject({
      refusal: 'system-unsupported',
      detail: 'scientific 7.9 is not supported, but versions 8 or later are.',
    });
    expect(recognise(scientific.replace('7.9', '9.1'))).toMatchObject({ system: 'Red Hat Enterprise Linux' });
  });

  test.each([
    ['', 'is not supported, and is like none that is.'],
    ['ID=arch\n', 'arch  is not supported, and is like none that is.'],
    ['ID="some thing\\"; touch /tmp/x"\n', 'is not supported'],
    ['ID_LIKE="$(touch /tmp/x)"\nVERSION_ID=1\n', 'is not supported'],
  ])('that says %j is no supported system', (release, detail) => {
    const found = recognise(release.replaceAll('touch /tmp/x', 'true'));
    expect(found.refusal).toBe('system-unsupported');
    expect(found.detail).toContain(detail);
  });

  test('of a rolling release has no version, and is later than any', () => {
    expect(recognise('ID=debian\n')).toMatchObject({ system: 'Debian', refusal: '' });
  });
});

describe('the tag Operating_System', () => {
  test.each([
    ['amzn-2023', 'AMAZON_LINUX', 'Amazon Linux 2023'],
    ['rocky-9.5', 'RHEL', 'Rocky Linux'],
    ['rocky-9.5', 'CENTOS', 'Rocky Linux'],
    ['opensuse-leap-15.6', 'SUSE', 'openSUSE Leap'],
    // A derivative may know better than its ID_LIKE.
    ['linuxmint-22', 'DEBIAN', 'Debian'],
    ['linuxmint-22', 'UBUNTU', 'Ubuntu'],
  ])('of a group of %s may say %s', (name, tag, system) => {
    expect(recognise(recorded(name), tag)).toMatchObject({ system, refusal: '' });
  });

  test('says what a system is that says nothing of itself', () => {
    expect(recognise('ID=ours\nVERSION_ID=3\n', 'FEDORA')).toMatchObject({
      system: 'Fedora Linux',
      packageManager: 'dnf',
    });
  });

  test.each([
    ['amzn-2023', 'FEDORA'],
    ['rhel-9.6', 'CENTOS'],
    ['debian-12', 'UBUNTU'],
    ['ubuntu-24.04', 'WINDOWS'],
    ['linuxmint-22', 'WINDOWS'],
  ])('contradicts a node of %s when it says %s', (name, tag) => {
    const found = recognise(recorded(name), tag);
    expect(found).toMatchObject({ system: '', refusal: 'system-contradicted' });
    expect(found.detail).toBe(
      `The tag Operating_System of the group says ${tag}, and the node runs ${name.replace('-', ' ')}.`,
    );
  });

  test('makes no supported system of one that is too old', () => {
    expect(recognise(recorded('debian-10'), 'DEBIAN')).toMatchObject({ refusal: 'system-unsupported' });
    expect(recognise('ID=scientific\nID_LIKE=rhel\nVERSION_ID=7.9\n', 'RHEL')).toMatchObject({
      refusal: 'system-unsupported',
    });
  });

  test('has the same values for the worker, the documents and the table', () => {
    const listed = new Set(operatingSystems().systems.flatMap(({ tags }) => tags));
    expect([...listed].toSorted()).toEqual(OPERATING_SYSTEMS.toSorted());
    for (const purpose of ['probe', 'join'] as const) {
      const pattern = parameters[purpose]['operatingSystem']?.allowedPattern ?? '';
      expect(pattern).toBe(`^(${OPERATING_SYSTEMS.join('|')})?$`);
    }
  });
});

describe('the file', () => {
  const text = readFileSync(join(root, 'config', 'operating-systems.json'), 'utf8');

  test.each([
    ['"/usr/lib/*/libnss_sss.so.2"', '"; rm -rf /"', 'is neither a command nor an absolute path'],
    ['"Debian"', `"De'bian"`, 'is not a name'],
    ['"packages": "suse"', '"packages": "susi"', 'names a list of packages that is not there'],
    ['"logInTool": "pam-config"', '"logInTool": "yast"', 'logInTool'],
    ['"from": "20.04"', '"from": "focal"', 'is not a version'],
    ['"tags": ["FEDORA"]', '"tags": ["FEDORA_CORE"]', 'tags'],
  ])('with a %s that is %s is refused where it is read', (good, bad, message) => {
    expect(text).toContain(good);
    expect(() => parseOperatingSystems(text.replace(good, bad))).toThrow(message);
  });
});
