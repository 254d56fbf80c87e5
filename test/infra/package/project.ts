/** An empty project of a stranger, into which the packed package is installed; all of it outside the clone. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const root = join(import.meta.dirname, '../../..');
/** Milliseconds: three times what a busy machine takes. */
const timeout = 180_000;

export interface Packed {
  readonly filename: string;
  readonly size: number;
  readonly unpackedSize: number;
  readonly files: readonly { readonly path: string }[];
}

export interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Project {
  readonly folder: string;
  readonly packed: Packed;
  /** Writes a file of the project. */
  write(path: string, text: string): void;
  read(path: string): string;
  node(args: readonly string[], environment?: NodeJS.ProcessEnv): Ran;
  npm(args: readonly string[]): Ran;
  /** Runs the compiler. @throws Error with what it found */
  compile(options: object, files: readonly string[]): void;
  remove(): void;
}

interface Manifest {
  readonly version: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly bundleDependencies?: readonly string[];
}

const manifestOf = (name: string): Manifest =>
  JSON.parse(readFileSync(join(root, 'node_modules', name, 'package.json'), 'utf8'));

/** Those that a package does not bring along. */
function dependenciesOf(name: string): string[] {
  const { dependencies = {}, bundleDependencies = [] } = manifestOf(name);
  return Object.keys(dependencies).filter((each) => !bundleDependencies.includes(each));
}

/** @throws Error when one of the steps fails */
export function emptyProject(): Project {
  const work = mkdtempSync(join(tmpdir(), 'adjoin-project-'));
  const folder = join(work, 'app');
  mkdirSync(join(folder, 'node_modules'), { recursive: true });
  const run = (
    command: string,
    args: readonly string[],
    cwd: string,
    environment: NodeJS.ProcessEnv = {},
  ): Ran =>
    spawnSync(command, args, {
      cwd,
      encoding: 'utf8',
      timeout,
      maxBuffer: 16 * 1024 * 1024,
      env: { PATH: process.env['PATH'], HOME: work, NO_UPDATE_NOTIFIER: '1', ...environment },
    });
  const must = (
    command: string,
    args: readonly string[],
    cwd: string,
    environment: NodeJS.ProcessEnv = {},
  ): string => {
    const { status, stdout, stderr } = run(command, args, cwd, environment);
    if (status !== 0)
      throw new Error(`${command} ${args.join(' ')} ended with ${status}: ${stdout}${stderr}`);
    return stdout;
  };
  const copy = (from: string, to: string): void => {
    // Links where the file system allows it: the construct library has 160 MB.
    if (run('cp', ['-al', from, to], root).status !== 0) must('cp', ['-a', from, to], root);
  };

  // Without the construct library's own validator, which takes most of the time (stack/synth.test.ts has it on).
  const unvalidated = { CDK_VALIDATION: 'false' };
  must(process.execPath, ['scripts/package.ts', '--output', join(work, 'package')], root, unvalidated);
  const [packed]: Packed[] = JSON.parse(
    must('npm', ['pack', './package', '--json', '--pack-destination', work], work),
  );
  if (!packed) throw new Error('npm pack made nothing');
  // The construct library is there already, as it is in an app, with what it depends on. All the rest is npm's, without a network.
  const libraries = ['aws-cdk-lib', 'constructs'];
  for (const name of [...libraries, ...dependenciesOf('aws-cdk-lib')]) {
    mkdirSync(dirname(join(folder, 'node_modules', name)), { recursive: true });
    copy(join(root, 'node_modules', name), join(folder, 'node_modules', name));
  }
  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify({
      name: 'app',
      private: true,
      dependencies: Object.fromEntries(libraries.map((name) => [name, manifestOf(name).version])),
    }),
  );
  const quiet = ['--offline', '--no-audit', '--no-fund'];
  must('npm', ['install', ...quiet, join(work, packed.filename)], folder);
  // An app that has a copy of the library beside the one that the package finds.
  mkdirSync(join(folder, 'other'));
  copy(join(root, 'node_modules/aws-cdk-lib'), join(folder, 'other/aws-cdk-lib'));

  return {
    folder,
    packed,
    write: (path, text) => writeFileSync(join(folder, path), text),
    read: (path) => readFileSync(join(folder, path), 'utf8'),
    node: (args, environment) => run(process.execPath, args, folder, environment),
    npm: (args) => run('npm', args, folder),
    compile(options, files) {
      const compilerOptions = {
        target: 'es2022',
        strict: true,
        outDir: 'compiled',
        types: ['node'],
        typeRoots: [join(root, 'node_modules/@types')],
        ...options,
      };
      writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }));
      must(process.execPath, [join(root, 'node_modules/typescript/bin/tsc')], folder);
    },
    remove: () => rmSync(work, { recursive: true, force: true }),
  };
}
