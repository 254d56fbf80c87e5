/** The pages of this repository, and what they point at. */
import { existsSync, globSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';

export const root = join(import.meta.dirname, '../../..');

/** Installed, built or made by a run: not this repository's own. */
const foreign: ReadonlySet<string> = new Set([
  'node_modules',
  '.cache',
  '.sandbox',
  'cdk.out',
  'coverage',
  'dist',
]);

/** Every file of these names, as paths from the root. A folder whose name begins with a dot is searched only if it is named. */
export const filesOf = (...patterns: readonly string[]): string[] =>
  globSync([...patterns], { cwd: root, exclude: (name) => foreign.has(name) })
    .filter((file) => statSync(join(root, file)).isFile())
    .toSorted();

export interface Page {
  /** From the root of the repository. */
  readonly file: string;
  readonly text: string;
}

export const pages: readonly Page[] = filesOf('**/*.md', '.github/**/*.md').map((file) => ({
  file,
  text: readFileSync(join(root, file), 'utf8'),
}));

const fence = /^(`{3,}|~{3,})[^\n]*\n[\s\S]*?^\1 *$/gm;

/** The text without code, in which brackets and number signs mean something else. */
const prose = (text: string): string => text.replaceAll(fence, '').replaceAll(/(`+)[^`][\s\S]*?\1/g, '');

/** An anchor as GitHub makes it: letters, digits, hyphens and underscores stay, and a space becomes a hyphen. */
const anchorOf = (heading: string): string =>
  heading
    .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .trim()
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{M}\p{N}\p{Pc} -]/gu, '')
    .replaceAll(' ', '-');

/** The anchors of a page. Of two headings with one text, the second one's ends in `-1`. */
export function anchorsOf(text: string): ReadonlySet<string> {
  const anchors = new Set<string>();
  for (const [, heading = ''] of text.replaceAll(fence, '').matchAll(/^#{1,6} +(.*?) *#* *$/gm)) {
    const anchor = anchorOf(heading);
    let unique = anchor;
    for (let count = 1; anchors.has(unique); count += 1) unique = `${anchor}-${count}`;
    anchors.add(unique);
  }
  return anchors;
}

/** Where the links and pictures of a page lead, as they are written: inline ones, and definitions of references. */
export const targetsOf = (text: string): string[] =>
  [...prose(text).matchAll(/(?:\]\(|^\[[^\]]+\]: +)(?:<([^>]+)>|([^)\s]+))/gm)].map(
    ([, bracketed, plain]) => bracketed ?? plain ?? '',
  );

const isElsewhere = (target: string): boolean => /^[a-z][a-z0-9+.-]*:/i.test(target);

/** What is wrong with a link of a page to this repository. Undefined: nothing. A link to elsewhere is not looked at. */
export function faultOf({ file, text }: Page, target: string): string | undefined {
  if (isElsewhere(target)) return undefined;
  const [path = '', anchor] = target.split('#');
  if (path === '')
    return anchor === undefined || anchorsOf(text).has(anchor) ? undefined : `${target} leads to no heading`;
  const to = join(dirname(file), decodeURIComponent(path));
  if (to.startsWith('..')) return `${target} leads out of the repository`;
  if (!existsSync(join(root, to))) return `${target} leads to no file`;
  if (anchor === undefined) return undefined;
  const there = readFileSync(join(root, to), 'utf8');
  return anchorsOf(there).has(anchor) ? undefined : `${target} leads to no heading`;
}

/** Paths that a page names in code, such as `agent/worker.ts` or `infra/sandbox/`. One with a wildcard or in capitals stands for others. */
export const pathsOf = (text: string): string[] =>
  [
    ...text
      .replaceAll(fence, '')
      .matchAll(
        /`((?:agent|config|docs|documents|infra|policies|scripts|test|\.github|\.ci)\/[^`\s*…{}:]*)`/g,
      ),
  ]
    .map(([, path = '']) => path)
    .filter((path) => !/[A-Z]{3,}(?!\.md)/.test(path));

/** The npm scripts that a page names, and the patterns that it gives to `npm test`. */
export function commandsOf(text: string): { readonly scripts: string[]; readonly patterns: string[] } {
  return {
    scripts: [...text.matchAll(/\bnpm run ([a-z][a-z0-9:-]*)/g)].map(([, name = '']) => name),
    patterns: [...text.matchAll(/\bnpm (?:test|run test:[a-z0-9]+) -- ([a-z][\w./-]*)/g)].map(
      ([, pattern = '']) => pattern,
    ),
  };
}
