/**
 * Bundles the agent into one file that needs nothing but Node.
 *
 *     node scripts/bundle.ts FILE
 */
import { join } from 'node:path';
import { build } from 'esbuild';

const root = join(import.meta.dirname, '..');

/** Writes the bundled agent. The same sources give the same bytes. */
export async function bundleAgent(outfile: string): Promise<void> {
  await build({
    absWorkingDir: root,
    entryPoints: ['agent/main.ts'],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node22',
    // The agent awaits at the top level, so the bundle is a module; some of its dependencies still ask for `require`.
    format: 'esm',
    banner: {
      js: "import { createRequire } from 'node:module';\nconst require = createRequire(import.meta.url);",
    },
    minifySyntax: true,
    legalComments: 'inline',
    logLevel: 'warning',
  });
}

const [, , outfile] = process.argv;
if (import.meta.main) {
  if (outfile === undefined) throw new Error('usage: node scripts/bundle.ts FILE');
  await bundleAgent(outfile);
}
