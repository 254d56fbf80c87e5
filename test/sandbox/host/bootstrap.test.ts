import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../../..');

test('sudo keeps what the seeded tests are told by their environment', () => {
  const bootstrap = readFileSync(join(root, 'infra/sandbox/bootstrap.mjs'), 'utf8');
  const list = /\nconst kept = \[([^\]]+)\]/.exec(bootstrap)?.[1] ?? '';
  const kept = [...list.matchAll(/'(\w+)'/g)].map(([, name]) => name);
  const told = ['test/support', 'test/property', 'test/chaos'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .flatMap((name) => [
        ...readFileSync(join(root, folder, name), 'utf8').matchAll(
          /process\.env\['(\w+_(?:SEED|RUNS|FACTOR|MINUTES))'\]/g,
        ),
      ])
      .map(([, name]) => name),
  );
  expect(told.length).toBeGreaterThanOrEqual(5);
  expect(kept).toEqual(expect.arrayContaining(told));
});

describe('a command line that starts nothing', () => {
  let clone: string;

  /** A clone with the packages that the command line needs: nothing else is loaded before it is read. */
  beforeAll(() => {
    clone = mkdtempSync(join(tmpdir(), 'adjoin-clone-'));
    cpSync(join(root, 'infra/sandbox'), join(clone, 'infra/sandbox'), { recursive: true });
    cpSync(join(root, 'package.json'), join(clone, 'package.json'));
    writeFileSync(join(clone, 'package-lock.json'), '{}');
    mkdirSync(join(clone, 'node_modules/.bin'), { recursive: true });
    symlinkSync(process.execPath, join(clone, 'node_modules/.bin/node'));
    symlinkSync(join(root, 'node_modules/commander'), join(clone, 'node_modules/commander'));
    const lock = createHash('sha256').update('{}').digest('hex');
    const stamp = `${lock} ${process.platform}-${process.arch}\n`;
    writeFileSync(join(clone, 'node_modules/.adjoin-lock-sha256'), stamp);
  });
  afterAll(() => rmSync(clone, { recursive: true, force: true }));

  const run = (...argv: string[]) => {
    // Jest's own variables are of no concern to what a person starts.
    const env = { PATH: process.env['PATH'] ?? '', NO_COLOR: '1' };
    const bootstrap = join(clone, 'infra/sandbox/bootstrap.mjs');
    const { status, stdout, stderr } = spawnSync(process.execPath, [bootstrap, ...argv], {
      encoding: 'utf8',
      env,
    });
    return { status, stdout, stderr };
  };

  test.each(['start', 'sandbox', 'chaos'])('%s --help is answered without an image or a lock', (verb) => {
    expect(run(verb, '--help')).toEqual({
      status: 0,
      stdout: expect.stringContaining('Usage: npm '),
      stderr: '',
    });
    expect([existsSync(join(clone, '.sandbox')), existsSync(join(clone, '.cache'))]).toEqual([false, false]);
  });

  test('a misspelt option is refused with the near one', () => {
    expect(run('chaos', '--minute', '1')).toEqual({
      status: 2,
      stdout: '',
      stderr: expect.stringContaining('Did you mean --minutes?'),
    });
    expect(existsSync(join(clone, '.sandbox'))).toBe(false);
  });

  test('a verb that is not there, and help for the verbs', () => {
    expect(run('stop')).toMatchObject({ status: 2, stdout: '', stderr: expect.stringContaining('start|') });
    expect(run('--help')).toMatchObject({ status: 0, stdout: expect.stringContaining('start|'), stderr: '' });
  });
});
