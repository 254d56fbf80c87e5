import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { cli } from '../../../agent/cli/cli.ts';

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
      documents: { probe: document, join: document, leave: document },
    }),
  );
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

async function run(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = '';
  let err = '';
  const code = await cli(argv, { out: (text) => void (out += text), err: (text) => void (err += text) });
  return { code, out, err };
}

describe('the command line', () => {
  test.each([
    ['an unknown command', ['fly'], 'there is no command "fly"'],
    ['a command of the language, not of ours', ['constructor'], 'there is no command "constructor"'],
    ['no configuration', [], '--config is missing'],
    ['an unknown option', ['--colour'], "Unknown option '--colour'"],
    ['a sweep without a configuration', ['sweep'], '--config is missing'],
    ['a sweep with more', ['sweep', 'now', '--config', 'x'], "Unexpected argument 'now'"],
    ['no verb', ['dead-letters'], 'say one of list, replay, discard'],
    ['no queue', ['dead-letters', 'list', '--config', 'x'], '--queue is missing'],
    [
      'discarding everything',
      ['dead-letters', 'discard', '--config', 'x', '--queue', 'q', '--yes'],
      '--message',
    ],
    [
      'discarding without confirmation',
      ['dead-letters', 'discard', '--config', 'x', '--queue', 'q', '--message', 'm'],
      'confirm with --yes',
    ],
  ])('refuses %s, and shows how it is used', async (_what, argv, reason) => {
    const { code, out, err } = await run(...argv);
    expect(code).toBe(64);
    expect(out).toBe('');
    expect(err).toContain(reason);
    expect(err).toContain('usage: adjoin [run] --config FILE');
  });

  test('shows how it is used when it is asked', async () => {
    for (const argv of [['help'], ['--help'], ['sweep', '--help']]) {
      const { code, out } = await run(...argv);
      expect(code).toBe(0);
      expect(out).toContain('adjoin sweep [--dry-run] --config FILE');
      for (const line of out.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
    }
  });

  test.each([
    ['sweep', ['sweep', '--dry-run']],
    ['dead-letters', ['dead-letters', 'list', '--queue', 'https://sqs/q']],
  ])('of %s names every problem of the configuration', async (_name, argv) => {
    const { code, err } = await run(...argv, '--config', bad);
    expect(code).toBe(78);
    expect(err).toContain('- region: is not the name of an AWS Region');
    expect(err).toContain('- accountId:');
  });

  test("keeps its hands off the main queue's messages", async () => {
    const { code, err } = await run('dead-letters', 'list', '--config', good, '--queue', queueUrl);
    expect(code).toBe(64);
    expect(err).toContain('--queue names the main queue');
  });
});
