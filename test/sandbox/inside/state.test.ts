import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { commandsToTry } from '../../../infra/sandbox/inside/commands.ts';
import { type State, stateFile } from '../../../infra/sandbox/inside/state.ts';

const state: State = {
  endpoint: 'http://127.0.0.1:4566',
  vpcEndpoint: 'http://127.0.0.1:4567',
  region: 'eu-central-1',
  accountId: '123456789012',
  autoScalingGroup: 'fleet',
  queueUrl: 'http://127.0.0.1:4566/123456789012/adjoin-lifecycle',
  deadLetterQueueUrl: 'http://127.0.0.1:4566/123456789012/adjoin-lifecycle-dead-letters',
  table: 'adjoin-memberships',
  secretId: 'adjoin/service-account',
  agentPid: null,
  agentPids: [],
  directory: {
    domain: 'corp.example.test',
    url: 'ldaps://127.0.0.1:6360',
    address: '10.77.0.10',
    caFile: '.sandbox/ca.pem',
    organizationalUnit: 'OU=Fleet,DC=corp,DC=example,DC=test',
    auditUser: 'auditor@corp.example.test',
    auditPassword: 'the-auditor-password',
  },
  documents: {
    probe: 'adjoin-probe-1',
    joinLinux: 'adjoin-join-linux-1',
    joinWindows: 'adjoin-join-windows-1',
    leave: 'adjoin-leave-1',
  },
  credentials: {
    operator: { accessKeyId: 'AKIAOPERATOR', secretAccessKey: 'the-operator-secret' },
    developer: { accessKeyId: 'AKIAOPERATOR', secretAccessKey: 'the-operator-secret' },
    administrator: {
      accessKeyId: 'ASIAADMINISTRATOR',
      secretAccessKey: 'the-administrator-secret',
      sessionToken: 'the-administrator-token',
    },
    worker: {
      accessKeyId: 'ASIAWORKER',
      secretAccessKey: 'the-worker-secret',
      sessionToken: 'the-worker-token',
    },
  },
};

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'adjoin-state-'));
});
afterEach(() => rm(directory, { recursive: true }));

describe('the state file', () => {
  test('only its owner may read it, whatever the umask', async () => {
    const umask = process.umask(0);
    await stateFile(join(directory, 'state.json'), state).update({});
    process.umask(umask);
    expect((await stat(join(directory, 'state.json'))).mode & 0o777).toBe(0o600);
  });

  test('under sudo, its owner is whoever called: the commands to try read it', async () => {
    const owner = process.getuid?.() === 0 ? 12_345 : Number(process.getuid?.());
    process.env['SUDO_UID'] = String(owner);
    process.env['SUDO_GID'] = String(process.getgid?.());
    await stateFile(join(directory, 'state.json'), state).update({});
    delete process.env['SUDO_UID'];
    delete process.env['SUDO_GID'];
    expect((await stat(join(directory, 'state.json'))).uid).toBe(owner);
  });

  test('of changes in a quick row the last one stands, and no draft is left', async () => {
    const file = stateFile(join(directory, 'state.json'), state);
    await Promise.all([1, 2, 3].map((agentPid) => file.update({ agentPid })));
    expect(JSON.parse(await readFile(join(directory, 'state.json'), 'utf8'))).toEqual({
      ...state,
      agentPid: 3,
    });
    expect(await readdir(directory)).toEqual(['state.json']);
  });
});

const inside = {
  hostPid: 4711,
  environmentFile: '.sandbox/agent.env',
  configFile: '.sandbox/agent.json',
  sudo: false,
};
const printed = commandsToTry(state, inside);

test('no secret is printed with the commands to try', () => {
  expect(printed.join('\n').match(/the-\w+-(password|secret|token)/g)).toBeNull();
});

/** Prints its arguments. What enters notes where to, and runs the command. */
const says = (program: string) =>
  /nsenter|sudo/.test(program)
    ? '#!/bin/sh\necho "$(basename "$0") $*" >>entered\nwhile [ "${1#--}" != "$1" ]; do case $1 in --target) shift;; esac; shift; done\nexec "$@"\n'
    : `#!/bin/sh\necho "${program} $* [$AWS_ENDPOINT_URL $AWS_ACCESS_KEY_ID]"\n`;

/** What the printed lines up to this one would run, with every program replaced by one that prints its arguments. */
function run(lines: readonly string[], programs: readonly string[], line?: string): string[] {
  const typed = lines.filter((each) => !each.startsWith('In another terminal'));
  const end = line === undefined ? typed.length : typed.lastIndexOf(line) + 1;
  for (const program of programs) {
    mkdirSync(dirname(join(directory, program)), { recursive: true });
    writeFileSync(join(directory, program), says(program), { mode: 0o755 });
  }
  mkdirSync(join(directory, '.sandbox'));
  writeFileSync(join(directory, '.sandbox/agent.env'), 'AWS_ENDPOINT_URL=inside\nAWS_ACCESS_KEY_ID=worker\n');
  const { stdout, stderr } = spawnSync('bash', ['-euo', 'pipefail'], {
    cwd: directory,
    input: typed.slice(0, end).join('\n'),
    encoding: 'utf8',
    env: { PATH: `${join(directory, 'bin')}:${process.env['PATH']}` },
  });
  expect(stderr).toBe('');
  return stdout.trim().split('\n');
}

describe('the commands to try', () => {
  const outside = ['bin/aws', 'bin/ldapsearch', 'bin/node', 'bin/nsenter', 'node_modules/.bin/node'];
  const sweep = 'inside node_modules/.bin/node agent/main.ts sweep --dry-run --config .sandbox/agent.json';
  const entered = () => readFile(join(directory, 'entered'), 'utf8');

  test('sweep inside, as the worker', async () => {
    expect(run(printed, outside, sweep).at(-1)).toBe(`${sweep.replace('inside ', '')} [inside worker]`);
    expect(await entered()).toMatch(`nsenter --target 4711 --mount --net --pid --wd=${directory} bash -c `);
  });

  test('enter by sudo when the person came by it, and then the environment is still the worker’s', async () => {
    const lines = commandsToTry(state, { ...inside, sudo: true });
    const last = run(lines, [...outside, 'bin/sudo'], sweep).at(-1);
    expect(last).toBe(`${sweep.replace('inside ', '')} [inside worker]`);
    expect(await entered()).toMatch(/^sudo nsenter --target 4711 /);
  });

  test('list dead letters from outside, as the person whom no policy binds, also after a visit inside', () => {
    expect(run(printed, outside, 'dead_letters list').at(-1)).toMatch(
      /^node_modules\/\.bin\/node agent\/main\.ts dead-letters list --config \S+ --queue \S+-dead-letters \[http:\/\/127\.0\.0\.1:4566 bin\/node /,
    );
  });

  test('run from the first line to the last', () => {
    expect(run(printed, outside).at(-1)).toMatch(/set-desired-capacity .* --desired-capacity 0/);
  });

  test('no instance is ended twice: an ID that is gone shows nothing', () => {
    const ended = printed.flatMap(
      (line) => /terminate-instance.* --instance-ids? (\S+)/.exec(line)?.[1] ?? [],
    );
    expect(ended).toEqual(['$ID', '$OTHER']);
  });
});
