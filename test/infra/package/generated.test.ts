import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';

const root = join(import.meta.dirname, '../../..');

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'generated-'));
  file = join(folder, 'made.txt');
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** Runs a script that makes the file from this expression of its present text, `old`. */
function run(expression: string, ...args: string[]): { status: number | null; stderr: string } {
  const script = join(folder, 'script.mjs');
  writeFileSync(
    script,
    `import { generate } from ${JSON.stringify(join(root, 'scripts/generated.ts'))};
     process.exitCode = await generate(${JSON.stringify(file)}, (old) => ${expression}, 'node make');`,
  );
  const { status, stderr } = spawnSync(process.execPath, [script, ...args], { encoding: 'utf8' });
  return { status, stderr };
}

describe('a generated file', () => {
  test('is written, and then passes the check', () => {
    expect(run(`'new'`)).toMatchObject({ status: 0, stderr: '' });
    expect(readFileSync(file, 'utf8')).toBe('new');
    expect(run(`'new'`, '--check').status).toBe(0);
  });

  test('that has drifted, or is not there, fails the check and stays as it is', () => {
    expect(run(`'new'`, '--check').status).toBe(1);
    expect(() => readFileSync(file)).toThrow('ENOENT');
    writeFileSync(file, 'old');
    const { status, stderr } = run(`'new'`, '--check');
    expect(status).toBe(1);
    expect(stderr).toContain('is not what the code says. Run `node make`.');
    expect(readFileSync(file, 'utf8')).toBe('old');
  });

  test('that can not be made says why, and stays as it is', () => {
    writeFileSync(file, 'old');
    const { status, stderr } = run(`{ throw new Error('no markers'); }`);
    expect(status).toBe(1);
    expect(stderr).toMatch(/made\.txt: no markers\n$/);
    expect(readFileSync(file, 'utf8')).toBe('old');
  });
});

test.each([
  ['config/schema.json', 'schema.ts'],
  ['docs/troubleshooting.md', 'troubleshooting.ts'],
  ['docs/configuration.md', 'settings.ts'],
  ['docs/doctor.md', 'doctor.ts'],
])('%s has not drifted from the code (scripts/%s)', (_file, name) => {
  const script = join(root, 'scripts', name);
  expect(spawnSync(process.execPath, [script, '--check'], { encoding: 'utf8' })).toMatchObject({
    status: 0,
    stderr: '',
  });
});
