/**
 * The set-up of a worker up to where it would change the machine, in a real shell: programs that would are notes of how they are
 * called. `test/e2e/boot.test.ts` boots one.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';

const variables = {
  AGENT_BUCKET: 'bucket',
  AGENT_KEY: 'adjoin/agent.mjs',
  AGENT_SHA256: '0'.repeat(64),
  AWS_REGION: 'eu-central-1',
  URL_SUFFIX: 'amazonaws.com',
  SECRETS_MANAGER_URL: 'https://vpce-1.secretsmanager.eu-central-1.vpce.amazonaws.com',
  LOG_GROUP: '/adjoin/adjoin/worker',
  CA_BASE64: 'QUJD',
  AGENT_CONFIG: '{}',
  SHELL_ALLOWED: 'false',
  SIGNAL_URL: 'https://signal.example.test/handle?Signature=x',
  UNIT: '[Unit]',
};

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'set-up-'));
  for (const name of ['swapoff', 'rm', 'sleep', 'aws', 'useradd', 'install']) program(name, '');
  program('curl', 'case "$*" in *--data-binary*) cat >"$FOLDER/signal" ;; esac');
  // As of a service that does not run.
  program('systemctl', 'case $1 in is-active) exit 3 ;; esac');
  program('seq', 'echo 1; echo 2');
  // Nothing after it may run.
  program('dnf', 'exit 1');
});
afterEach(() => rmSync(folder, { recursive: true }));

/** One that notes how it is called, and then does what the text says. */
function program(name: string, text: string): void {
  const lines = ['#!/bin/sh', `echo "${name} $*" >>"$FOLDER/calls"`, text, ''];
  writeFileSync(join(folder, name), lines.join('\n'), { mode: 0o755 });
}

function setUp(more: Readonly<Record<string, string>> = {}) {
  const { status, stderr } = spawnSync('bash', ['infra/worker/setup.sh'], {
    env: { PATH: `${folder}:/usr/bin:/bin`, FOLDER: folder, HOSTNAME: 'ip-10-0-0-1', ...variables, ...more },
    encoding: 'utf8',
  });
  const read = (name: string): string => {
    try {
      return readFileSync(join(folder, name), 'utf8');
    } catch {
      return '';
    }
  };
  const signal = read('signal');
  const told: unknown = signal === '' ? undefined : JSON.parse(signal);
  return { status, stderr, calls: read('calls').trim().split('\n'), told };
}

test('a failed step is told to the stack with the worker’s name, and the instance powers itself off', () => {
  const { status, calls, told } = setUp();
  expect(told).toEqual({
    Status: 'FAILURE',
    Reason: 'worker ip-10-0-0-1: installing packages failed',
    UniqueId: 'ip-10-0-0-1',
    Data: '-',
  });
  expect(status).not.toBe(0);
  expect(calls.at(-1)).toBe('systemctl poweroff');
  // Ten minutes, for endpoints that are not ready yet.
  expect(calls).toContain('seq 1 40');
  expect(calls).toContain('sleep 15');
  expect(calls.filter((call) => call.startsWith('dnf install'))).toHaveLength(2);
  expect(calls.some((call) => /^(useradd|aws)/.test(call))).toBe(false);
});

test('every endpoint that can not be reached is named, and nothing is installed', () => {
  program('curl', 'case "$*" in *--data-binary*) cat >"$FOLDER/signal" ;; *//sqs.*|*vpce-1*) exit 6 ;; esac');
  const { calls, told } = setUp();
  expect(told).toMatchObject({
    Status: 'FAILURE',
    Reason:
      'worker ip-10-0-0-1: reaching the VPC endpoints (name resolution, port 443, TLS) of sqs secretsmanager failed',
  });
  expect(calls.filter((call) => call.startsWith('dnf'))).toEqual([]);
});

test('an address of the stack that does not answer keeps the instance from nothing', () => {
  program('curl', 'case "$*" in *--data-binary*) exit 28 ;; esac');
  expect(setUp().calls.at(-1)).toBe('systemctl poweroff');
});

test('the SSM agent is off for good, wherever its unit is, and where there is none', () => {
  const off = [
    'systemctl disable --now amazon-ssm-agent',
    'rm -f /etc/systemd/system/amazon-ssm-agent.service',
    'systemctl mask amazon-ssm-agent',
    'systemctl is-active --quiet amazon-ssm-agent',
  ];
  expect(setUp().calls.slice(0, 4)).toEqual(off);
  rmSync(join(folder, 'calls'), { force: true });
  program('systemctl', 'case $1 in disable) exit 1 ;; is-active) exit 3 ;; esac');
  const without = setUp();
  expect(without.calls.slice(0, 4)).toEqual(off);
  expect(without.told).toMatchObject({ Reason: expect.stringContaining('installing packages') });
});

test('one that goes on running fails the set-up', () => {
  program('systemctl', '');
  expect(setUp().told).toMatchObject({
    Reason: 'worker ip-10-0-0-1: switching the SSM agent off failed',
  });
});

test('with WorkerShell it is left alone', () => {
  expect(setUp({ SHELL_ALLOWED: 'true' }).calls.join('\n')).not.toContain('amazon-ssm-agent');
});

/** What a program runs that writes the agent's file. */
const put = (text: string): string => `printf %s '${text}' >"$FOLDER/agent.mjs"`;
const get = (version: string): string =>
  `aws s3api get-object --region eu-central-1 --bucket bucket --key adjoin/agent.mjs --version-id ${version} /opt/adjoin/agent.mjs`;

describe('the agent’s file', () => {
  const sha256 = createHash('sha256').update('reviewed').digest('hex');
  const file = 's3://bucket/adjoin/agent.mjs';

  /** @param versions of the key, the newest first: what is in them */
  function fetching(current: string | undefined, versions: Readonly<Record<string, string>>) {
    program('dnf', '');
    // The machine's own places are not for a test: the file is in the folder.
    program('sha256sum', 'sed "s# /opt/adjoin/# $FOLDER/#" | /usr/bin/sha256sum "$@"');
    // Nothing after it may run.
    program('chmod', 'exit 1');
    program(
      'aws',
      [
        'case "$*" in',
        `*" cp "*) ${current === undefined ? 'exit 1' : put(current)} ;;`,
        `*list-object-versions*) echo '${Object.keys(versions).join('\t')}' ;;`,
        ...Object.entries(versions).map(([version, text]) => `*"--version-id ${version} "*) ${put(text)} ;;`),
        '*) exit 254 ;;',
        'esac',
      ].join('\n'),
    );
    const { calls, told, stderr } = setUp({ AGENT_SHA256: sha256 });
    const isTaken = calls.includes('chmod 0644 /opt/adjoin/agent.mjs');
    return { isTaken, told, stderr, calls: calls.filter((call) => call.startsWith('aws')) };
  }

  test('is fetched, and nothing else is asked for where it is as reviewed', () => {
    const { calls, isTaken } = fetching('reviewed', {});
    expect(isTaken).toBe(true);
    expect(calls).toEqual([
      `aws s3 cp --only-show-errors --region eu-central-1 ${file} /opt/adjoin/agent.mjs`,
    ]);
  });

  test.each([
    ['is gone', undefined],
    ['is another', 'overwritten'],
  ])('%s: the newest version with the reviewed hash is taken, and the log says so', (_, current) => {
    const { calls, isTaken, stderr } = fetching(current, {
      v3: 'overwritten',
      v2: 'reviewed',
      v1: 'reviewed',
    });
    expect(isTaken).toBe(true);
    expect(calls.slice(1)).toEqual([
      'aws s3api list-object-versions --region eu-central-1 --bucket bucket --prefix adjoin/agent.mjs --query Versions[].VersionId --output text',
      get('v3'),
      get('v2'),
    ]);
    expect(stderr).toContain(`${file} is not the template's: took its version v2`);
  });

  test('is gone, and no version is as reviewed: that is said after ten minutes of trying', () => {
    const { calls, isTaken, told } = fetching(undefined, { v1: 'overwritten' });
    expect(isTaken).toBe(false);
    expect(told).toMatchObject({ Reason: `worker ip-10-0-0-1: fetching ${file} failed` });
    expect(calls.filter((call) => call.includes(' cp '))).toHaveLength(2);
  });

  test('is another, and no version is as reviewed: that is said at once', () => {
    const { calls, isTaken, told } = fetching('overwritten', { None: 'overwritten' });
    expect(isTaken).toBe(false);
    expect(told).toMatchObject({
      Reason: `worker ip-10-0-0-1: comparing the hash of ${file} with the template's failed`,
    });
    expect(calls.filter((call) => call.includes(' cp '))).toHaveLength(1);
  });
});
