/**
 * The log-in set-up of each family, by the script that runs there. The tools of RPM systems can't be had here: stubs record how
 * they are called, which is compared with what their documentation says, and change files as they do.
 */
import { afterAll, beforeEach, describe, expect, test } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { chmodSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sample } from '../support/slice.ts';

const documents = join(import.meta.dirname, '../../documents');
const shared = (name: string) => readFileSync(join(documents, 'shared', name), 'utf8');

const top = mkdtempSync(join(tmpdir(), 'adjoin-log-in-'));
afterAll(() => rmSync(top, { recursive: true }));

/** The machine's files; the stubs' own state is in it, as it is on a machine. */
const machine = join(top, 'machine');
const bin = join(top, 'bin');
const calls = join(top, 'calls');

/** Each call is noted; the one that is numbered CRASH_AT kills the script before it does anything, or after. */
const stub = (body: string) => `#!/bin/sh
cd ${machine} || exit 9
printf '%s\\n' "\${0##*/} $*" >>${calls}
crash() {
  if [ "$(grep -c . ${calls})" = "\${CRASH_AT-}" ] && [ "$CRASH_WHEN" = "$1" ]; then kill -9 "$SCRIPT"; fi
}
crash before
${body}
code=$?
crash after
exit $code
`;

/** As authselect(8), authconfig(8), pam-config(8), pam-auth-update(8) and systemctl(1) have it. */
const tools: Readonly<Record<string, string>> = {
  authselect: `case $1 in
current) [ -e profile ] && cat profile ;;
select)
  shift
  case " $* " in *' --force '*) ;; *) [ -e profile ] ;; esac || exit 4
  case " $* " in *' --backup=adjoin '*)
    [ ! -e backups/adjoin ] && mkdir -p backups/adjoin && cp -rp etc backups/adjoin || exit 17
    [ ! -e profile ] || cp profile backups/adjoin ;;
  esac
  printf '%s' "$1 $2" >profile
  printf 'passwd: files sss\\ngroup: files sss\\nshadow: files sss\\n' >etc/nsswitch.conf
  printf 'auth sufficient pam_sss.so\\nsession optional pam_oddjob_mkhomedir.so\\n' >etc/pam.d/system-auth ;;
enable-feature) printf ' %s' "$2" >>profile ;;
disable-feature) sed -i "s/ $2//" profile ;;
backup-restore) rm -rf etc profile && cp -rp "backups/$2/etc" . && { [ ! -e "backups/$2/profile" ] || cp "backups/$2/profile" .; } ;;
*) exit 2 ;;
esac`,
  authconfig: `case $1 in
--savebackup=adjoin) mkdir -p backup-adjoin && cp -rp etc backup-adjoin ;;
--restorebackup=adjoin) rm -rf etc && cp -rp backup-adjoin/etc . ;;
--update)
  printf 'passwd: files sss\\ngroup: files sss\\nshadow: files sss\\n' >etc/nsswitch.conf
  printf 'auth sufficient pam_sss.so\\nsession optional pam_oddjob_mkhomedir.so\\n' >etc/pam.d/system-auth ;;
*) exit 2 ;;
esac`,
  'pam-config': `mode=$1
shift
for option in "$@"; do
  case $option in --sss) file=common-auth ;; --mkhomedir) file=common-session ;; *) exit 2 ;; esac
  sed -i "/^[a-z].*pam_\${option#--}.so/d" etc/pam.d/$file
  [ "$mode" != --add ] || echo "required pam_\${option#--}.so" >>etc/pam.d/$file
done`,
  'pam-auth-update': `[ "$DEBIAN_FRONTEND" = noninteractive ] || exit 5
sed -i '/^[a-z].*pam_mkhomedir.so/d' etc/pam.d/common-session
sed -i '/mkhomedir/d' profiles/session
[ "$1" = --disable ] || echo 'optional pam_mkhomedir.so' >>etc/pam.d/common-session
[ "$1" = --disable ] || printf 'Module: mkhomedir\\noptional\\t\\t\\tpam_mkhomedir.so\\n' >>profiles/session`,
  systemctl: `[ "$1" != --no-ask-password ] || shift
case "$1 $2 $3" in
'is-enabled --quiet oddjobd') [ -e oddjobd ] ;;
'enable --now oddjobd') : >oddjobd ;;
'disable --now oddjobd') rm -f oddjobd ;;
'try-restart nscd ') ;;
*) exit 2 ;;
esac`,
};

beforeEach(() => {
  for (const path of [machine, bin, calls]) rmSync(path, { recursive: true, force: true });
  mkdirSync(join(machine, 'etc', 'pam.d'), { recursive: true });
  mkdirSync(join(machine, 'profiles'));
  mkdirSync(bin);
  put('profiles/session', 'Module: unix\nrequired\tpam_unix.so\n');
  put(
    'etc/nsswitch.conf',
    '# as it came\npasswd:     compat systemd\ngroup:\tcompat\nshadow: compat\nhosts: files dns\n',
  );
  for (const name of ['system-auth', 'common-auth', 'common-session'])
    put(`etc/pam.d/${name}`, 'required pam_unix.so\n# pam_sss.so pam_mkhomedir.so pam_oddjob_mkhomedir.so\n');
  for (const [name, body] of Object.entries(tools)) {
    writeFileSync(join(bin, name), stub(body));
    chmodSync(join(bin, name), 0o755);
  }
});

const put = (path: string, text: string) => writeFileSync(join(machine, path), text);
const read = (path: string) => readFileSync(join(machine, path), 'utf8');

type Crash = readonly [when: 'before' | 'after', call: number];

/** Runs one of the functions, as a join or a leave does. @returns its exit code, and the calls that it made */
function run(tool: string, what: 'set_up_log_in' | 'restore_log_in', crash?: Crash) {
  rmSync(calls, { force: true });
  const script = [
    shared('base.sh'),
    shared('membership.sh'),
    shared('log-in.sh'),
    `PATH=${bin}:$PATH`,
    `log_in_tool=${tool} log_in_notes=${machine}/notes authselect_backups=${machine}/backups`,
    `authconfig_backup=${machine}/backup-adjoin nsswitch=${machine}/etc/nsswitch.conf pam=${machine}/etc/pam.d`,
    `pam_profiles=${machine}/profiles pam_kept=${machine}/kept`,
    'TIME_LIMIT=300 SCRIPT=$$',
    'export SCRIPT',
    'has_systemd() { true; }',
    // Without its own lock, which is on descriptor 9 on a machine.
    'exec 9>/dev/null',
    what,
  ].join('\n');
  const { status, signal, stderr } = spawnSync('sh', ['-c', script], {
    encoding: 'utf8',
    env: { ...process.env, CRASH_WHEN: crash?.[0] ?? '', CRASH_AT: String(crash?.[1] ?? '') },
  });
  const made = existsSync(calls) ? readFileSync(calls, 'utf8').trimEnd().split('\n') : [];
  return { status: status ?? signal, stderr, calls: made };
}

/** Every file of the machine, with its text and mode. */
function snapshot(): Record<string, string> {
  const files = readdirSync(machine, { recursive: true, encoding: 'utf8' }).toSorted();
  return Object.fromEntries(
    files.map((path) => {
      const { mode } = statSync(join(machine, path));
      const isFile = (mode & 0o170_000) === 0o100_000;
      return [path, `${(mode & 0o777).toString(8)} ${isFile ? read(path) : ''}`];
    }),
  );
}

const oddjobd = ['systemctl is-enabled --quiet oddjobd', 'systemctl --no-ask-password enable --now oddjobd'];
const noOddjobd = 'systemctl --no-ask-password disable --now oddjobd';

/** What the documentation of each tool says, for a system as it comes. */
const families = [
  {
    tool: 'authselect',
    // authselect(8): select; profiles/sssd/REQUIREMENTS: "systemctl enable --now oddjobd.service".
    joins: [
      'authselect current --raw',
      'authselect select sssd with-mkhomedir --force --backup=adjoin',
      ...oddjobd,
    ],
    again: ['authselect current --raw', 'systemctl is-enabled --quiet oddjobd'],
    leaves: [noOddjobd, 'authselect backup-restore adjoin'],
  },
  {
    tool: 'authconfig',
    // authconfig(8): --savebackup, --update, --nostart, --restorebackup.
    joins: [
      'authconfig --savebackup=adjoin',
      'authconfig --update --enablesssd --enablesssdauth --enablemkhomedir --nostart',
      ...oddjobd,
    ],
    again: ['systemctl is-enabled --quiet oddjobd'],
    leaves: [noOddjobd, 'authconfig --restorebackup=adjoin'],
  },
  {
    tool: 'pam-config',
    // pam-config(8): --add, --delete, --sss, --mkhomedir. It leaves nsswitch.conf alone.
    joins: ['pam-config --add --sss --mkhomedir', 'systemctl --no-ask-password try-restart nscd'],
    again: ['systemctl --no-ask-password try-restart nscd'],
    leaves: [
      'pam-config --delete --sss',
      'pam-config --delete --mkhomedir',
      'systemctl --no-ask-password try-restart nscd',
    ],
  },
  {
    tool: 'pam-auth-update',
    joins: ['pam-auth-update --enable mkhomedir'],
    again: [],
    // The tool itself is called only where its files are others since; see below.
    leaves: [],
  },
] as const;

/** Before each call, when it is noted already, and after the last one. */
const crashes = (made: readonly string[]): Crash[] =>
  made.flatMap((_, index): Crash[] =>
    index + 1 < made.length
      ? [['before', index + 1]]
      : [
          ['before', index + 1],
          ['after', index + 1],
        ],
  );

/** The machine of each tool after a join, for the tests that follow the first one. */
const joined = new Map<string, Record<string, string>>();
const keptOf = (tool: string): string => join(top, tool);

describe.each(families)('with $tool', ({ tool, joins, again, leaves }) => {
  test('users are let in as its documentation says, once, and a leave takes it back', () => {
    const before = snapshot();
    expect(run(tool, 'set_up_log_in')).toEqual({ status: 0, stderr: '', calls: joins });
    const after = snapshot();
    expect(after).not.toEqual(before);
    joined.set(tool, after);
    cpSync(machine, keptOf(tool), { recursive: true });
    expect(run(tool, 'set_up_log_in')).toEqual({ status: 0, stderr: '', calls: again });
    expect(snapshot()).toEqual(after);
    expect(run(tool, 'restore_log_in')).toEqual({ status: 0, stderr: '', calls: leaves });
    const { backups: _backups, ...restored } = snapshot();
    expect(restored).toEqual(before);
    expect(run(tool, 'restore_log_in')).toEqual({ status: 0, stderr: '', calls: [] });
  });

  test.each(sample(crashes(joins), 3))(
    'a join that is killed %s its call %i ends the same when it runs again',
    (...crash) => {
      const before = snapshot();
      expect(run(tool, 'set_up_log_in', crash).status).toBe('SIGKILL');
      expect(run(tool, 'set_up_log_in')).toMatchObject({ status: 0, stderr: '' });
      expect(snapshot()).toEqual(joined.get(tool));
      expect(run(tool, 'restore_log_in')).toMatchObject({ status: 0, stderr: '' });
      const { backups: _backups, ...restored } = snapshot();
      expect(restored).toEqual(before);
    },
  );
});

/** Those whose leaves call a tool: a leave from Debian is below. */
describe.each(families.filter(({ leaves }) => leaves.length > 0))('with $tool', ({ tool, leaves }) => {
  test.each(sample(crashes(leaves), 3))(
    'a leave that is killed %s its call %i ends the same when it runs again',
    (...crash) => {
      const before = snapshot();
      rmSync(machine, { recursive: true });
      cpSync(keptOf(tool), machine, { recursive: true });
      expect(snapshot()).toEqual(joined.get(tool));
      expect(run(tool, 'restore_log_in', crash).status).toBe('SIGKILL');
      expect(run(tool, 'restore_log_in')).toMatchObject({ status: 0, stderr: '' });
      const { backups: _backups, ...restored } = snapshot();
      expect(restored).toEqual(before);
    },
  );
});

const namesOf = (made: readonly string[]): string[] => made.map((call) => call.split(' ')[0] ?? '');

describe('a leave from Debian', () => {
  const disable = ['pam-auth-update --disable mkhomedir'];
  const joinDebian = () => expect(run('pam-auth-update', 'set_up_log_in').status).toBe(0);

  test('leaves a module that was put into PAM after the join to the tool', () => {
    joinDebian();
    put('etc/pam.d/common-session', `${read('etc/pam.d/common-session')}optional pam_new.so\n`);
    expect(run('pam-auth-update', 'restore_log_in')).toEqual({ status: 0, stderr: '', calls: disable });
    expect(read('etc/pam.d/common-session')).toContain('\noptional pam_new.so\n');
    expect(read('etc/pam.d/common-session')).not.toContain('\noptional pam_mkhomedir.so\n');
  });

  test('leaves all to the tool whose own record is another one since', () => {
    joinDebian();
    put('profiles/session', `${read('profiles/session')}Module: new\n`);
    expect(run('pam-auth-update', 'restore_log_in').calls).toEqual(disable);
  });

  test('leaves all to the tool after the join of an earlier release', () => {
    const before = snapshot();
    joinDebian();
    rmSync(join(machine, 'kept'), { recursive: true });
    expect(run('pam-auth-update', 'restore_log_in').calls).toEqual(disable);
    expect(snapshot()).toEqual(before);
  });

  describe('that is killed, after a join that was', () => {
    /** What else starts a process and changes a file. */
    const programs = ['mkdir', 'cp', 'mv', 'rm'];
    const watch = (): void => {
      for (const name of programs) {
        writeFileSync(join(bin, name), stub(`/bin/${name} "$@"`));
        chmodSync(join(bin, name), 0o755);
      }
    };

    test('they start no other programs than are killed below', () => {
      watch();
      const joins = run('pam-auth-update', 'set_up_log_in').calls;
      expect(namesOf(joins)).toEqual(['mkdir', 'cp', 'pam-auth-update']);
      expect(namesOf(run('pam-auth-update', 'restore_log_in').calls)).toEqual(['mv', 'mv', 'rm']);
    });

    test.each(crashes(['mkdir', 'cp', 'pam-auth-update']))('%s call %i of the join', (...crash) => {
      watch();
      const before = snapshot();
      expect(run('pam-auth-update', 'set_up_log_in', crash).status).toBe('SIGKILL');
      joinDebian();
      expect(read('etc/pam.d/common-session')).toContain('\noptional pam_mkhomedir.so\n');
      expect(run('pam-auth-update', 'restore_log_in')).toMatchObject({ status: 0, stderr: '' });
      expect(snapshot()).toEqual(before);
    });

    test.each(crashes(['mv', 'mv', 'rm']))('%s call %i of the leave', (...crash) => {
      watch();
      const before = snapshot();
      joinDebian();
      expect(run('pam-auth-update', 'restore_log_in', crash).status).toBe('SIGKILL');
      expect(run('pam-auth-update', 'restore_log_in')).toMatchObject({ status: 0, stderr: '' });
      expect(snapshot()).toEqual(before);
    });
  });
});

describe('what an image has set up itself', () => {
  test.each([
    ['sssd with-sudo with-fingerprint', 'sssd with-sudo with-fingerprint with-mkhomedir'],
    ['custom/hardened with-faillock', 'custom/hardened with-faillock with-mkhomedir'],
  ])('authselect %s keeps its profile and its features', (profile, becomes) => {
    put('profile', profile);
    expect(run('authselect', 'set_up_log_in').calls).toContain('authselect enable-feature with-mkhomedir');
    expect(read('profile')).toBe(becomes);
    expect(run('authselect', 'restore_log_in')).toMatchObject({ status: 0, stderr: '' });
    expect(read('profile')).toBe(profile);
  });

  test('oddjobd that runs goes on after a leave', () => {
    put('oddjobd', '');
    expect(run('authselect', 'set_up_log_in').status).toBe(0);
    expect(run('authselect', 'restore_log_in').calls).toEqual(['authselect backup-restore adjoin']);
  });

  test('a SUSE system that asks sssd already is not changed', () => {
    put('etc/nsswitch.conf', 'passwd: files sss\ngroup: files sss systemd\nshadow: files sss\n');
    put('etc/pam.d/common-auth', 'required pam_sss.so\n');
    put('etc/pam.d/common-session', 'required pam_mkhomedir.so\n');
    const before = snapshot();
    expect(run('pam-config', 'set_up_log_in').status).toBe(0);
    expect(run('pam-config', 'restore_log_in')).toMatchObject({ status: 0, calls: [] });
    expect(snapshot()).toEqual(before);
  });

  test('nsswitch.conf of SUSE asks sssd after what it asked before, and keeps everything else', () => {
    expect(run('pam-config', 'set_up_log_in').status).toBe(0);
    expect(read('etc/nsswitch.conf')).toBe(
      '# as it came\npasswd:     compat systemd sss\ngroup:\tcompat sss\nshadow: compat sss\nhosts: files dns\n',
    );
  });
});

test('a tool that fails is a set-up that failed', () => {
  writeFileSync(join(bin, 'authselect'), '#!/bin/sh\nexit 1\n');
  expect(run('authselect', 'set_up_log_in').status).not.toBe(0);
  cpSync(join(bin, 'authselect'), join(bin, 'pam-config'));
  expect(run('pam-config', 'set_up_log_in').status).not.toBe(0);
});
