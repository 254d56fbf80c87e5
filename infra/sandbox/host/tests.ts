import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';

/** Runs a command in an outer namespace and resolves with its exit code. */
export type InNamespace = (argv: readonly string[], env: Record<string, string>) => Promise<number>;

const bin = (name: string) => `node_modules/.bin/${name}`;
const jest = [
  '--experimental-vm-modules',
  '--disable-warning=ExperimentalWarning',
  'node_modules/jest/bin/jest.js',
];
/** What needs a real kernel, domain or machine; see test/support/sandbox.ts. */
const realTests = String.raw`/test/(integration|e2e)/`;

/**
 * Everything that `npm test` checks: types, lint, format, then the tests; those on a real domain inside an outer
 * namespace, one file after another, since they share its bridge and addresses. With arguments, only Jest runs, with
 * them, inside. All parts run even when one fails.
 */
export async function runTests(rest: readonly string[], inNamespace: InNamespace): Promise<number> {
  const unavailable = process.env['SANDBOX_UNAVAILABLE'];
  const real = (argv: readonly string[]) => {
    const command = [process.execPath, ...jest, '--runInBand', ...argv];
    return unavailable === undefined ? inNamespace(command, {}) : run('tests on a real domain', command);
  };
  if (rest.length > 0) return real(rest);

  const failed: string[] = [];
  const part = async (title: string, result: Promise<number>) => {
    if ((await result) !== 0) failed.push(title);
  };
  await part('types', run('types', [bin('tsc')]));
  await part('lint', run('lint', [bin('oxlint'), '--type-aware']));
  await part(
    'format',
    run('format', [bin('prettier'), '--check', '--log-level', 'warn', ...sourceFolders()]),
  );
  await part(
    'unit tests',
    run('unit tests', [process.execPath, ...jest, '--testPathIgnorePatterns', realTests]),
  );
  await part('tests on a real domain', real(['--testPathPatterns', realTests]));
  if (failed.length === 0) return 0;
  console.error(`Failed: ${failed.join(', ')}.`);
  return 1;
}

function sourceFolders(): string[] {
  return ['agent', 'config', 'documents', 'infra', 'policies', 'scripts', 'test'].filter((name) =>
    existsSync(name),
  );
}

async function run(title: string, argv: readonly string[]): Promise<number> {
  console.error(`── ${title}`);
  const [program = '', ...rest] = argv;
  const child = spawn(program, rest, { stdio: ['ignore', 'inherit', 'inherit'] });
  const [code] = await once(child, 'exit');
  return typeof code === 'number' ? code : 1;
}
