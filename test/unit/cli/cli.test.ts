import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { cli } from '../../../agent/cli/cli.ts';
import { VERSION } from '../../../agent/version.ts';
import { recordTerminal, type RecordedTerminal } from '../../support/terminal.ts';

let folder: string;
let bad: string;
let good: string;
const queueUrl = 'https://sqs.eu-central-1.amazonaws.com/123456789012/adjoin';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'adjoin-cli-'));
  bad = join(folder, 'bad.json');
  good = join(folder, 'good.json');
  const document = { name: 'adjoin-probe', version: '1', hash: '0'.repeat(64) };
  writeFileSync(bad, '{"region":"here"}');
  writeFileSync(
    good,
    JSON.stringify({
      region: 'eu-central-1',
      accountId: '123456789012',
      queueUrl,
      table: 'adjoin',
      secretId: 'adjoin',
      documents: { probe: document, joinLinux: document, joinWindows: document, leave: document },
      sweep: { enabled: false },
    }),
  );
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

async function run(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  const terminal = recordTerminal();
  const code = await cli(argv, terminal);
  return { code, ...terminal.written };
}

describe('the command line', () => {
  test.each([
    ['an unknown command', ['fly'], "unknown command 'fly'", 'adjoin'],
    ['a misspelt command', ['swep'], '(Did you mean sweep?)', 'adjoin'],
    ['a command of the language, not of ours', ['constructor'], "unknown command 'constructor'", 'adjoin'],
    ['no configuration', [], "required option '--config <file>' not specified", 'adjoin run'],
    ['an unknown option', ['--colour', '--config', 'x'], "unknown option '--colour'", 'adjoin run'],
    [
      'a misspelt option',
      ['sweep', '--dryrun', '--config', 'x'],
      '(Did you mean --dry-run?)',
      'adjoin sweep',
    ],
    ['a sweep without a configuration', ['sweep'], "'--config <file>' not specified", 'adjoin sweep'],
    ['a sweep with more', ['sweep', 'now', '--config', 'x'], 'too many arguments', 'adjoin sweep'],
    ['no verb', ['dead-letters'], 'Commands:\n  list', 'adjoin dead-letters'],
    ['an unknown verb', ['dead-letters', 'reply'], '(Did you mean replay?)', 'adjoin dead-letters'],
    [
      'no queue',
      ['dead-letters', 'list', '--config', 'x'],
      "'--queue <url>' not specified",
      'adjoin dead-letters list',
    ],
    [
      'discarding everything',
      ['dead-letters', 'discard', '--config', 'x', '--queue', 'q', '--yes'],
      "'--message <id>' not specified",
      'adjoin dead-letters discard',
    ],
    [
      'discarding without confirmation',
      ['dead-letters', 'discard', '--config', 'x', '--queue', 'q', '--message', 'm'],
      'confirm with --yes',
      'adjoin dead-letters discard',
    ],
  ])('refuses %s, and shows how it is used', async (_what, argv, reason, usage) => {
    const { code, out, err } = await run(...argv);
    expect(code).toBe(64);
    expect(out).toBe('');
    expect(err).toContain(reason);
    expect(err).toContain(`Usage: ${usage} [options]`);
    for (const line of err.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  });

  test.each([
    ['adjoin', [['help'], ['--help'], ['-h']], 'sweep .+dead-letters'],
    [
      'adjoin run',
      [
        ['run', '--help'],
        ['run', '-h'],
        ['help', 'run'],
      ],
      '--config <file>',
    ],
    [
      'adjoin sweep',
      [
        ['sweep', '--help'],
        ['help', 'sweep'],
      ],
      '--dry-run',
    ],
    [
      'adjoin dead-letters',
      [
        ['dead-letters', '--help'],
        ['dead-letters', 'help'],
      ],
      'discard',
    ],
    ['adjoin dead-letters discard', [['dead-letters', 'discard', '-h']], '--yes'],
  ])('shows how %s is used when it is asked', async (usage, asked, option) => {
    for (const argv of asked) {
      const { code, out, err } = await run(...argv);
      expect([code, err]).toEqual([0, '']);
      expect(out).toContain(`Usage: ${usage} [options]`);
      expect(out).toMatch(new RegExp(option, 's'));
      for (const line of out.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
    }
  });

  test('tells its version, which is that of the package', async () => {
    const manifest: unknown = JSON.parse(
      readFileSync(join(import.meta.dirname, '../../../package.json'), 'utf8'),
    );
    expect(manifest).toMatchObject({ version: VERSION });
    for (const option of ['--version', '-V']) {
      await expect(run(option)).resolves.toEqual({ code: 0, out: `${VERSION}\n`, err: '' });
    }
  });

  test.each([
    ['the agent', ['run']],
    ['the agent, which is what no command means', []],
    ['sweep', ['sweep', '--dry-run']],
    ['dead-letters', ['dead-letters', 'list', '--queue', 'https://sqs/q']],
  ])('of %s names every problem of the configuration', async (_name, argv) => {
    const { code, err } = await run(...argv, '--config', bad);
    expect(code).toBe(78);
    expect(err).toContain('- region: is not the name of an AWS Region');
    expect(err).toContain('- accountId:');
  });

  test("does not touch the main queue's messages", async () => {
    for (const verb of ['list', 'replay']) {
      const { code, err } = await run('dead-letters', verb, '--config', good, '--queue', queueUrl);
      expect(code).toBe(64);
      expect(err).toContain('--queue names the main queue');
    }
  });

  test('names the error of a command and what to do about it', async () => {
    // The credentials of a profile that is in no file.
    const before = process.env;
    const nowhere = join(folder, 'nowhere');
    process.env = {
      AWS_PROFILE: 'nobody',
      AWS_CONFIG_FILE: nowhere,
      AWS_SHARED_CREDENTIALS_FILE: nowhere,
      AWS_EC2_METADATA_DISABLED: 'true',
    };
    try {
      const argv = ['dead-letters', 'list', '--config', good, '--queue', `${queueUrl}-dead-letters`];
      const { code, out, err } = await run(...argv);
      expect([code, out]).toEqual([70, '']);
      expect(err).toMatch(/^aws-unauthenticated: sqs:ReceiveMessage: CredentialsProviderError: .+\n.+\n$/);
    } finally {
      process.env = before;
    }
  });
});

describe('the agent', () => {
  /** What answers every call with nothing, as an empty queue does. */
  const emptyCloud = async (): Promise<{ endpoint: string; close(): Promise<void> }> => {
    const server = createServer((request, response) => {
      request.resume();
      response.writeHead(200, { 'content-type': 'application/x-amz-json-1.0' });
      response.end('{}');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    return {
      endpoint: `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`,
      async close() {
        server.closeAllConnections();
        server.close();
        await once(server, 'close');
      },
    };
  };

  test.each([
    ['a signal', () => void process.emit('SIGTERM'), 0],
    ['the end of its log', (terminal: RecordedTerminal) => terminal.close(), 70],
  ])('writes its log to the terminal that it was given, and ends with %s', async (_what, stop, code) => {
    const before = process.env;
    const cloud = await emptyCloud();
    process.env = {
      ...before,
      AWS_ENDPOINT_URL: cloud.endpoint,
      AWS_ACCESS_KEY_ID: 'AKIAEXAMPLE',
      AWS_SECRET_ACCESS_KEY: 'example',
    };
    const signals = ['SIGTERM', 'SIGINT'].map((signal) => process.listenerCount(signal));
    try {
      const terminal = recordTerminal((line) => {
        if (line.includes('"agent started"')) setImmediate(() => stop(terminal));
      });
      await expect(cli(['--config', good], terminal)).resolves.toBe(code);
      const messages = terminal.written.out
        .trim()
        .split('\n')
        .map((line): unknown => JSON.parse(line));
      expect(messages[0]).toMatchObject({ event: 'agent started', queueUrl });
      expect(messages.at(-1)).toMatchObject({ event: 'agent stopped' });
      expect(terminal.written.err).toBe('');
      expect(['SIGTERM', 'SIGINT'].map((signal) => process.listenerCount(signal))).toEqual(signals);
    } finally {
      process.env = before;
      await cloud.close();
    }
  });
});
