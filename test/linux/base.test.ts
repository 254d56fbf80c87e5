/** What the shell does by itself where a tool would cost a process: the same as the tool, in each shell that is here. */
import { afterAll, describe, expect, test } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const documents = join(import.meta.dirname, '..', '..', 'documents');
const shared = (name: string) => readFileSync(join(documents, 'shared', name), 'utf8');
const top = mkdtempSync(join(tmpdir(), 'adjoin-base-'));
afterAll(() => rmSync(top, { recursive: true }));

// A node has one of them as /bin/sh.
describe.each(['dash', 'bash'])('in %s', (shell) => {
  function run(script: string, ...values: readonly string[]): string {
    const text = [shared('base.sh'), shared('membership.sh'), script].join('\n');
    const { status, stdout, stderr } = spawnSync(shell, ['-c', text, 'sh', ...values], { encoding: 'utf8' });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    return stdout;
  }

  test.each([
    ['Joined corp.example.test on dc1.', 'Joined corp.example.test on dc1.'],
    ["it's $HOME `id` [a-z]* ~", "it's $HOME `id` [a-z]* ~"],
    ['', ''],
    ['say "no"', 'say no'],
    [String.raw`DOMAIN\user`, 'DOMAINuser'],
    ['two\n\n lines\tand  more', 'two lines and more'],
    ['Zürich\u0007', 'Zrich'],
    ['x'.repeat(301), 'x'.repeat(300)],
    ['a b'.repeat(100), 'a b'.repeat(100)],
  ])('%j is said as %j, which is safe between the quotes of JSON', (text, safe) => {
    expect(run(`clean "$1"; printf '%s' "$cleaned"`, text)).toBe(safe);
    expect(JSON.parse(`"${safe}"`)).toBe(safe);
  });

  test('a text changes its case, and nothing else of it', () => {
    const text = 'Corp.EXAMPLE.test (LDAP)\nAZaz[]*$1 "x"';
    const script = String.raw`to_lower "$1"; to_upper "$1"; printf '%s\0%s' "$lower" "$upper"`;
    expect(run(script, text)).toBe(`${text.toLowerCase()}\0${text.toUpperCase()}`);
  });

  test.each([
    ['0644', 0o644],
    ['0440', 0o440],
    ['0600', 0o600],
  ])('a file is put into place with mode %s, also after a command that was killed there', (mode, bits) => {
    const directory = mkdtempSync(join(top, 'put-'));
    const file = join(directory, 'file');
    writeFileSync(file, 'old', { mode: 0o666 });
    writeFileSync(`${file}.adjoin`, 'half of it, which was longer than the whole', { mode: 0o666 });
    expect(run(`put "$1" "$2" "line$new_line"; umask`, mode, file)).toMatch(/^0*77\n$/);
    expect(readFileSync(file, 'utf8')).toBe('line\n');
    expect(statSync(file).mode & 0o777).toBe(bits);
    expect(readdirSync(directory)).toEqual(['file']);
  });

  test('what is there of some paths is removed, links to nothing among it', () => {
    const directory = mkdtempSync(join(top, 'remove-'));
    symlinkSync('nothing', join(directory, 'link'));
    writeFileSync(join(directory, 'a'), '');
    run(`remove "$1/none" "$1"/no*thing; remove "$1/none" "$1/link" "$1/a"`, directory);
    expect(readdirSync(directory)).toEqual([]);
  });

  const head = ['Keytab name: FILE:/etc/krb5.keytab', 'KVNO Principal', '---- -----------'];
  test.each([
    { title: 'no key', principals: [], name: '', domain: '' },
    {
      title: "a machine's keys",
      principals: ['WEB1$@CORP.EXAMPLE.TEST', 'HOST/web1@CORP.EXAMPLE.TEST', 'host/WEB1$@CORP.EXAMPLE.TEST'],
      name: 'WEB1',
      domain: 'corp.example.test',
    },
    {
      title: 'keys of services',
      principals: ['HTTP/web@CORP.EXAMPLE.TEST'],
      name: '',
      domain: 'corp.example.test (keys of services)',
    },
    {
      title: "another realm's keys beside a machine's",
      principals: ['WEB1$@CORP.EXAMPLE.TEST', 'HTTP/*@OTHER.TEST'],
      name: 'WEB1',
      domain: 'other.test',
    },
    {
      title: 'two machines, of which the first counts',
      principals: ['A$@CORP.EXAMPLE.TEST', 'B$@CORP.EXAMPLE.TEST'],
      name: 'A',
      domain: 'corp.example.test',
    },
  ])('a keytab with $title is read as it is', ({ principals, name, domain }) => {
    const keytab = join(top, 'keytab');
    writeFileSync(keytab, [...head, ...principals.map((principal) => `   2 ${principal}`), ''].join('\n'));
    const script = [
      'keytab=$1 sssd_conf=$1.none domain=corp.example.test',
      'klist() { cat "$2"; }',
      'samba_domains() { :; }',
      'read_membership',
      // What follows splits words, and has patterns, as before.
      'set -- a/b "c d"; for word in $1 $2 /et[c]; do set -- "$@" "$word"; done',
      `printf '%s|%s|%s' "$member_name" "$member_domain" "$*"`,
    ];
    expect(run(script.join('\n'), keytab)).toBe(`${name}|${domain}|a/b c d a/b c d /etc`);
  });

  test.each([
    ['no file', undefined, ''],
    ['nothing in it', '', ''],
    ['no domain', '[sssd]\nservices = nss\n', ''],
    [
      'one domain, as adjoin writes it',
      '[domain/corp.test]\nid_provider = ad\nad_domain = corp.test\n',
      'corp.test',
    ],
    ['no end to its last line', '[domain/corp.test]\nid_provider = ad', 'corp.test'],
    ['lines that end as those of Windows', '[domain/Corp.test]\r\nid_provider = ad\r\n', 'Corp.test'],
    ['blanks around everything', '\t[domain/corp.test ] \n \tid_provider\t=\tad \n', 'corp.test'],
    ['another provider', '[domain/corp.test]\nid_provider = ldap\n', 'corp.test (ldap)'],
    ['no provider', '[domain/corp.test]\n[nss]\nid_provider = ad\n', 'corp.test (no provider)'],
    [
      'a provider that is commented out',
      '[domain/corp.test]\n#id_provider = ad\n',
      'corp.test (no provider)',
    ],
    [
      'two domains, the first of which has keys of others',
      '[domain/a.test]\nauth_provider = krb5\nid_provider = ldap\n[domain/b.test]\nid_provider = ad\n[pam]\n',
      'a.test (ldap)\nb.test',
    ],
    ['a domain without a name', '[domain/]\nid_provider = ad\n', ''],
    ['patterns and what a shell would run', '[domain/*$(id)`id`]\nid_provider = ad\n', '*$(id)`id`'],
  ])('of an sssd.conf with %s, the domains are read', (_, text, domains) => {
    const file = join(top, 'sssd.conf');
    rmSync(file, { force: true });
    if (text !== undefined) writeFileSync(file, text);
    expect(run(`sssd_conf=$1; read_sssd_domains; printf '%s' "$sssd_domains"`, file)).toBe(
      domains === '' ? '' : `${domains}\n`,
    );
  });

  test('what waits long looks less often', () => {
    const script = `sleep() { printf '%s ' "$1"; }; waited=0; while [ "$waited" -lt 100 ]; do doze; done; printf '= %s' "$waited"`;
    const [sleeps = '', waited] = run(script).split('= ');
    const tenths = sleeps
      .trim()
      .split(' ')
      .map((seconds) => Math.round(Number(seconds) * 10));
    expect(tenths.slice(0, 10)).toEqual([1, 1, 1, 1, 1, 1, 1, 1, 2, 2]);
    expect(Math.max(...tenths)).toBe(9);
    expect(tenths.reduce((sum, each) => sum + each, 0)).toBe(Number(waited));
    expect(tenths.length).toBeLessThan(30);
  });
});
