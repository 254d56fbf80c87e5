/**
 * Bundles the agent into one file that needs nothing but Node.
 *
 *     node scripts/bundle.ts FILE
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { build, type Plugin } from 'esbuild';

const root = join(import.meta.dirname, '..');

const SCHEMAS = /@aws-sdk[/\\](?:client-|nested-clients).*[/\\]dist-es[/\\].*schemas_\d+\.js$/;

/**
 * The SDK's schemas without names of keys that are computed: `{ [_xN]: … }` becomes `{ ["xmlName"]: … }`, with the constant's own text.
 * A computed key might do anything, so that esbuild keeps all 700 operations of EC2 for the two that the agent asks for.
 */
export function literalKeys(source: string): string {
  const constants = new Map<string, string>();
  for (const [, name = '', text = ''] of source.matchAll(/^const (_\w+) = ("[^"\\]*");$/gm))
    constants.set(name, text);
  return source.replaceAll(/\[(_\w+)\]:/g, (key, name: string) => {
    const text = constants.get(name);
    return text === undefined ? key : `[${text}]:`;
  });
}

const unusedSchemas: Plugin = {
  name: 'unused schemas',
  setup(bundling) {
    bundling.onLoad({ filter: SCHEMAS }, async ({ path }) => ({
      contents: literalKeys(await readFile(path, 'utf8')),
      loader: 'js',
    }));
  },
};

/**
 * A source without characters above U+00FF: one such character, and V8 keeps two bytes for each of the whole text, for as long as the
 * process runs. esbuild has escaped them in strings and templates, so that they are in comments and regular expressions: an escape means
 * the same there.
 */
export const inLatin1 = (source: string): string =>
  source.replaceAll(/[\u0100-\uffff]/g, (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`);

/**
 * Writes the bundled agent. The same sources give the same bytes.
 * @param entry another program of this repository, to be bundled as the agent is
 */
export async function bundleAgent(outfile: string, entry = 'agent/main.ts'): Promise<void> {
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    outfile,
    bundle: true,
    write: false,
    platform: 'node',
    target: 'node22',
    // The agent awaits at the top level, so the bundle is a module; some of its dependencies still ask for `require`.
    format: 'esm',
    // Their ES modules, where packages have both: of those, what is not used stays out. A worker takes half the memory for it.
    mainFields: ['module', 'main'],
    plugins: [unusedSchemas],
    banner: {
      js: "import { createRequire } from 'node:module';\nconst require = createRequire(import.meta.url);",
    },
    minifySyntax: true,
    legalComments: 'inline',
    logLevel: 'warning',
  });
  await mkdir(dirname(outfile), { recursive: true });
  for (const { text } of outputFiles) await writeFile(outfile, inLatin1(text));
}

const [, , outfile] = process.argv;
if (import.meta.main) {
  if (outfile === undefined) throw new Error('usage: node scripts/bundle.ts FILE');
  await bundleAgent(outfile);
}
