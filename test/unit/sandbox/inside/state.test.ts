import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { commandsToTry } from '../../../../infra/sandbox/inside/commands.ts';
import { type State, stateFile } from '../../../../infra/sandbox/inside/state.ts';

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
  documents: { probe: 'adjoin-probe-1', join: 'adjoin-join-1', leave: 'adjoin-leave-1' },
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

test('no secret is printed with the commands to try', () => {
  const text = commandsToTry(state).join('\n');
  expect(text.match(/the-\w+-(password|secret|token)/g)).toBeNull();
});
