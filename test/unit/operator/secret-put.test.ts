import { beforeEach, describe, expect, test } from '@jest/globals';
import { cli } from '../../../agent/cli/cli.ts';
import type { Finding } from '../../../agent/checks/check.ts';
import { AdjoinError } from '../../../agent/errors.ts';
import { addOperatorCommands } from '../../../agent/operator/commands.ts';
import type { Prompt } from '../../../agent/operator/prompt.ts';
import { putSecret, type PutOptions, type PutPorts } from '../../../agent/operator/secret/put.ts';
import { createRedactor } from '../../../agent/redact.ts';
import type { ServiceCredential } from '../../../agent/terms.ts';
import { recordTerminal, type RecordedTerminal } from '../../support/terminal.ts';
import { createVirtualClock, type VirtualClock } from '../../support/virtual-clock.ts';

const password = 'Correct-Horse-7';
const open = new AbortController().signal;

let answers: Record<string, string>;
let buffers: Buffer[];
let asked: string[];
let put: { versionId: string; text: string }[];
let tried: ServiceCredential[];
let refusal: AdjoinError | undefined;
let worker: (string | { versionId: string; logOn: Finding['state'] })[];
let prompt: Prompt;
let ports: PutPorts;
let terminal: RecordedTerminal;
let clock: VirtualClock;

const finding = (id: string, state: Finding['state'], text?: string): Finding => ({
  id,
  category: '',
  title: '',
  severity: 'fatal',
  state,
  ...(text !== undefined && { text }),
});

beforeEach(() => {
  answers = {
    'Domain, ': 'corp.example.test',
    'Service account, ': String.raw`CORP\svc-adjoin`,
    'Organizational unit, ': 'OU=Fleet,DC=corp,DC=example,DC=test',
    'Password: ': password,
    'Password again: ': password,
  };
  buffers = [];
  asked = [];
  put = [];
  tried = [];
  refusal = undefined;
  worker = [];
  terminal = recordTerminal();
  clock = createVirtualClock();
  const answer = (question: string): string => {
    asked.push(question);
    return Object.entries(answers).find(([start]) => question.startsWith(start))?.[1] ?? '';
  };
  prompt = {
    isAttended: true,
    ask: async (question) => answer(question),
    async askSecret(question) {
      const bytes = Buffer.from(answer(question));
      buffers.push(bytes);
      return bytes;
    },
  };
  ports = {
    look: async () => undefined,
    async tryLogOn(credential) {
      tried.push(credential);
      if (refusal) throw refusal;
    },
    async put(versionId, text) {
      put.push({ versionId, text });
    },
    async askWorker() {
      const next = worker.shift() ?? 'no worker answered';
      if (typeof next === 'string') return next;
      return {
        worker: 'w1',
        at: 0,
        findings: [
          finding('secret-readable', 'passed', `version ${next.versionId}`),
          finding('log-on', next.logOn, next.logOn === 'failed' ? 'credential-refused' : undefined),
        ],
      };
    },
    newId: () => 'version-1',
  };
});

const run = (options: Partial<PutOptions> = {}): Promise<number> =>
  clock.until(
    putSecret(
      { waitMs: 0, ...options },
      ports,
      { prompt, terminal, clock, redactor: createRedactor() },
      open,
    ),
  );
const shown = (): string => terminal.written.out + terminal.written.err;

describe('what is right', () => {
  test('is tried once, put once, and shown nowhere', async () => {
    expect(await run()).toBe(0);
    expect(tried).toEqual([expect.objectContaining({ user: String.raw`CORP\svc-adjoin`, password })]);
    expect(put).toEqual([{ versionId: 'version-1', text: expect.any(String) }]);
    expect(JSON.parse(put[0]?.text ?? '')).toEqual({
      domain_name: 'corp.example.test',
      domain_user: String.raw`CORP\svc-adjoin`,
      directory_ou: 'OU=Fleet,DC=corp,DC=example,DC=test',
      domain_password: password,
    });
    expect(asked.filter((question) => question.startsWith('Password'))).toEqual(['Password: ']);
    expect(shown()).toContain('version-1');
    expect(shown()).not.toContain(password);
    expect(buffers.every((bytes) => bytes.every((byte) => byte === 0))).toBe(true);
  });

  test('is asked for only where it was not given', async () => {
    expect(
      await run({
        domain: 'corp.example.test',
        user: 'svc-adjoin',
        unit: 'OU=Fleet,DC=corp,DC=example,DC=test',
      }),
    ).toBe(0);
    expect(asked).toEqual(['Password: ']);
  });
});

describe('nothing is put', () => {
  test('when the values have the wrong form; then it costs no logon', async () => {
    answers['Domain, '] = 'corp';
    await expect(run()).rejects.toThrow('domain_name is not the DNS name of a domain');
    expect([tried, put]).toEqual([[], []]);
    expect(buffers.every((bytes) => bytes.every((byte) => byte === 0))).toBe(true);
  });

  test.each([
    'credential-refused',
    'credential-locked',
    'organizational-unit-missing',
    'directory-denied',
  ] as const)('when the directory says %s', async (code) => {
    refusal = new AdjoinError(code, 'said by dc1');
    await expect(run()).rejects.toThrow('said by dc1');
    expect([tried.length, put]).toEqual([1, []]);
  });

  test('when the caller may not: that is said before the password is typed', async () => {
    ports = { ...ports, look: async () => Promise.reject(new AdjoinError('aws-denied', 'not you')) };
    await expect(run()).rejects.toThrow('not you');
    expect(asked).toEqual([]);
  });

  test('when there is no terminal', async () => {
    prompt = { ...prompt, isAttended: false };
    expect(await run()).toBe(64);
    expect([asked, put]).toEqual([[], []]);
    expect(terminal.written.err).toMatch(/no argument,\s+environment variable, pipe or file/);
  });
});

describe('where no controller can be reached', () => {
  test.each(['directory-unavailable', 'directory-untrusted'] as const)(
    'that is said (%s), and the password is typed twice',
    async (code) => {
      refusal = new AdjoinError(code, 'no way to dc1');
      expect(await run()).toBe(0);
      expect(terminal.written.err).toContain('The logon was not tried from here');
      expect(asked.slice(-2)).toEqual(['Password: ', 'Password again: ']);
      expect(put).toHaveLength(1);
    },
  );

  test('and the two differ, nothing is put', async () => {
    refusal = new AdjoinError('directory-unavailable', 'no way to dc1');
    answers['Password again: '] = 'Correct-Horse-8';
    expect(await run()).toBe(70);
    expect(put).toEqual([]);
    expect(buffers.every((bytes) => bytes.every((byte) => byte === 0))).toBe(true);
  });
});

describe('a worker', () => {
  test('is asked until it has this version and logs on with it', async () => {
    worker = [
      'nobody yet',
      { versionId: 'old', logOn: 'passed' },
      { versionId: 'version-1', logOn: 'passed' },
    ];
    expect(await run({ waitMs: 60_000 })).toBe(0);
    expect(terminal.written.out).toContain('The worker w1 logs on with it');
    expect(worker).toEqual([]);
  });

  test('that can’t log on with it ends the wait with what it said', async () => {
    worker = [{ versionId: 'version-1', logOn: 'failed' }];
    expect(await run({ waitMs: 60_000 })).toBe(70);
    expect(terminal.written.err).toContain('credential-refused');
  });

  test('that says nothing of it in time is not done yet, and no failure', async () => {
    expect(await run({ waitMs: 12_000 })).toBe(75);
    expect(terminal.written.err).toMatch(/no\s+worker answered/i);
  });
});

test.each([['--password=Correct-Horse-7'], ['Correct-Horse-7'], ['--password', 'Correct-Horse-7']])(
  'a password in the arguments (%s) is refused, and not repeated',
  async (...extra) => {
    const code = await cli(['secret', 'put', '--config', 'none.json', ...extra], terminal, (extension) =>
      addOperatorCommands(extension, prompt),
    );
    expect(code).toBe(64);
    expect(shown()).toContain('change it');
    expect(shown()).not.toContain(password);
  },
);
