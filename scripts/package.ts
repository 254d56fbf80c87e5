/**
 * Writes the package that people install, into a folder of its own:
 *
 *     node scripts/package.ts [--output FOLDER]        (npm run build)
 *     npm pack ./dist
 *
 * It has a folder and a manifest of its own, since those of the clone are for its developers: workspaces, scripts, a Node for Linux and
 * overrides are of no use to others.
 *
 *     lib/           the construct, in one CommonJS file that ES modules import as well, and its declarations
 *     bin/           `adjoin`
 *     agent/         the bundled agent
 *     templates/     what is deployed without the CDK, and the service control policies
 *     documents/ policies/ config/ infra/      what the construct reads when it synthesizes
 */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { Command } from 'commander';
import { build, type Plugin } from 'esbuild';
import { bundleAgent } from './bundle.ts';
import { synthesize } from './synthesize.ts';

const root = join(import.meta.dirname, '..');

/** What the construct reads when it synthesizes; it lies where it does in the clone. */
const data = ['config/*.json', 'documents/*/*.{sh,ps1}', 'infra/worker/*', 'policies/*.json'];

interface Manifest {
  readonly version: string;
  readonly description: string;
  readonly license: string;
  readonly devDependencies: Readonly<Record<'aws-cdk-lib' | 'constructs', string>>;
}

/** Oldest releases that aws-cdk-lib itself takes; its own version is the one that the tests synthesize with. */
function manifest(): object {
  const clone: Manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const library: { readonly peerDependencies: { readonly constructs: string } } = JSON.parse(
    readFileSync(join(root, 'node_modules/aws-cdk-lib/package.json'), 'utf8'),
  );
  return {
    name: 'adjoin',
    version: clone.version,
    description: clone.description,
    license: clone.license,
    keywords: ['active-directory', 'auto-scaling', 'aws-cdk', 'domain-join', 'ec2'],
    engines: { node: '>=22' },
    bin: { adjoin: 'bin/adjoin.mjs' },
    // One implementation for `import` and `require`, so that an app never has two of the same class.
    main: './lib/index.js',
    types: './lib/infra/index.d.ts',
    exports: {
      '.': { types: './lib/infra/index.d.ts', default: './lib/index.js' },
      './templates/*': './templates/*',
      './package.json': './package.json',
    },
    files: ['agent', 'bin', 'config', 'documents', 'infra', 'lib', 'policies', 'templates'],
    peerDependencies: {
      'aws-cdk-lib': `^${clone.devDependencies['aws-cdk-lib']}`,
      constructs: library.peerDependencies.constructs,
    },
    // Who only wants the command `adjoin` needs no construct library.
    peerDependenciesMeta: { 'aws-cdk-lib': { optional: true }, constructs: { optional: true } },
  };
}

/** A source finds its files beside itself; in the bundle, where it would lie relative to the bundle. */
const places = (outfile: string, folder: string): Plugin => ({
  name: 'places',
  setup: (bundling) => {
    bundling.onLoad({ filter: /[/\\](infra|documents)[/\\][^/\\]+\.ts$/ }, ({ path }) => {
      const place = relative(dirname(outfile), join(folder, relative(root, dirname(path))));
      const segments = JSON.stringify(place.split(/[/\\]/));
      return {
        loader: 'ts',
        contents: readFileSync(path, 'utf8').replaceAll(
          'import.meta.dirname',
          `require('node:path').join(__dirname, ...${segments})`,
        ),
      };
    });
  },
});

async function bundleConstruct(folder: string): Promise<void> {
  const outfile = join(folder, 'lib/index.js');
  await build({
    absWorkingDir: root,
    entryPoints: ['infra/index.ts'],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node22',
    format: 'cjs',
    external: ['aws-cdk-lib', 'aws-cdk-lib/*', 'constructs'],
    plugins: [places(outfile, folder)],
    legalComments: 'inline',
    logLevel: 'warning',
  });
}

/** Declarations of what the entry reaches, with the names that the emitted files have. */
function declare(work: string, folder: string): void {
  const config = join(root, '.cache/package.tsconfig.json');
  mkdirSync(dirname(config), { recursive: true });
  const compilerOptions = {
    noEmit: false,
    declaration: true,
    emitDeclarationOnly: true,
    rootDir: root,
    outDir: join(work, 'types'),
  };
  writeFileSync(
    config,
    JSON.stringify({
      extends: '../tsconfig.json',
      compilerOptions,
      files: ['../infra/index.ts'],
      include: [],
    }),
  );
  const { status, stdout } = spawnSync(
    process.execPath,
    [join(root, 'node_modules/typescript/bin/tsc'), '--project', config],
    {
      encoding: 'utf8',
    },
  );
  if (status !== 0) throw new Error(stdout);
  const seen = new Set<string>();
  const take = (path: string): void => {
    if (seen.has(path)) return;
    seen.add(path);
    const text = readFileSync(join(work, 'types', path), 'utf8');
    const imports = /(from |import\()(["'])(\.{1,2}\/[^"']+)\.ts\2/g;
    for (const [, , , to = ''] of text.matchAll(imports)) take(join(dirname(path), `${to}.d.ts`));
    mkdirSync(dirname(join(folder, 'lib', path)), { recursive: true });
    writeFileSync(join(folder, 'lib', path), text.replaceAll(imports, '$1$2$3.js$2'));
  };
  take(join('infra', 'index.d.ts'));
}

/** Writes the package into a folder, ready for `npm pack`. What was in the folder is gone. */
async function makePackage(folder: string): Promise<void> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, 'bin'), { recursive: true });
  const work = mkdtempSync(join(tmpdir(), 'adjoin-package-'));
  try {
    for (const path of globSync(data, { cwd: root })) cpSync(join(root, path), join(folder, path));
    cpSync(join(root, 'LICENSE'), join(folder, 'LICENSE'));
    cpSync(join(root, 'docs/package.md'), join(folder, 'README.md'));
    await bundleConstruct(folder);
    declare(work, folder);
    const made = await synthesize(work, { deployment: 'adjoin', exempt: [] });
    cpSync(made.agentFile, join(folder, 'agent/agent.mjs'));
    const { template, attachTemplate, prepareImage, resourceControlPolicy, serviceControlPolicies } = made;
    for (const file of [
      template,
      attachTemplate,
      made.importTemplate,
      made.prerequisitesTemplate,
      made.iamEventsTemplate,
      prepareImage,
      resourceControlPolicy,
      ...serviceControlPolicies,
    ])
      cpSync(file, join(folder, 'templates', relative(work, file)));
    const command = join(folder, 'bin/adjoin.mjs');
    await bundleAgent(command, 'agent/operator/main.ts');
    writeFileSync(command, `#!/usr/bin/env node\n${readFileSync(command, 'utf8')}`);
    chmodSync(command, 0o755);
    writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest(), undefined, 2)}\n`);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

const { output } = new Command('npm run build --')
  .description('Writes the package that people install, for `npm pack ./dist`.')
  .option('--output <folder>', 'where to; what is there is removed', 'dist')
  .parse()
  .opts<{ readonly output: string }>();
await makePackage(resolve(output));
