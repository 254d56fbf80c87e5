/** The layers of tests: what each needs, and which of them an argument of `npm test` means. */
import { globSync } from 'node:fs';
import { readFile } from 'node:fs/promises';

/**
 * Where a layer's tests run:
 *
 *   plain      anywhere: Jest, no root, no machine image
 *   namespace  inside an outer namespace, on a real kernel, domain and machines
 *   host       on the host as root, looking at outer namespaces from outside
 */
export type Ground = 'plain' | 'namespace' | 'host';

export interface Layer {
  readonly name: string;
  readonly ground: Ground;
}

/** Each is the folder of its name below test/, in the order in which the table at the end shows them. */
export const layers = [
  { name: 'unit', ground: 'plain' },
  { name: 'property', ground: 'plain' },
  { name: 'infra', ground: 'plain' },
  { name: 'sandbox', ground: 'plain' },
  { name: 'linux', ground: 'plain' },
  { name: 'windows', ground: 'plain' },
  { name: 'integration', ground: 'namespace' },
  { name: 'e2e', ground: 'namespace' },
  { name: 'chaos', ground: 'namespace' },
  { name: 'host', ground: 'host' },
] as const satisfies readonly Layer[];

export interface Picked extends Layer {
  /** Relative to the clone. */
  readonly files: readonly string[];
}

/** What was asked for that is not there, or can't be understood. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Every test file of the clone, which must be the current directory. */
export function testFiles(): string[] {
  return globSync('test/**/*.test.ts').toSorted();
}

/**
 * Files that a run of everything leaves to their layer and to the deep run, with what stands for their promise meanwhile:
 * each has a domain of its own to start, or looks at the sandbox and not at the product.
 */
export const leftOut: Readonly<Record<string, readonly string[]>> = {
  'test/integration/sandbox/domain.test.ts': ['test/integration/directory/directory.test.ts'],
  'test/integration/directory/tombstones.test.ts': [
    'test/unit/directory/dns-records.test.ts',
    'test/integration/directory/directory.test.ts',
  ],
  'test/e2e/chapters.test.ts': [
    'test/e2e/life.test.ts',
    'test/unit/repository/chapters.test.ts',
    'test/sandbox/stack/cloudformation.test.ts',
  ],
  'test/e2e/boot.test.ts': [
    'test/sandbox/stack/waiting.test.ts',
    'test/integration/sandbox/machine.test.ts',
    'test/infra/stack/set-up.test.ts',
  ],
  'test/e2e/adversary/commands.test.ts': [
    'test/unit/lifecycle/join.test.ts',
    'test/unit/nodes/poller.test.ts',
  ],
  'test/e2e/dead-letters.test.ts': [
    'test/integration/sweep/sweep.test.ts',
    'test/sandbox/stack/prerequisites.test.ts',
  ],
  'test/e2e/own-scripts.test.ts': ['test/unit/lifecycle/own-documents.test.ts'],
  'test/e2e/standalone.test.ts': ['test/unit/lifecycle/standalone.test.ts'],
  'test/e2e/unjoin-only.test.ts': [
    'test/unit/lifecycle/match.test.ts',
    'test/integration/documents/proof.test.ts',
  ],
  'test/e2e/adversary/nodes.test.ts': ['test/e2e/adversary/node.test.ts', 'test/unit/nodes/contract.test.ts'],
};

/** What a run of everything plays. */
export function ofEverything(files: readonly string[]): string[] {
  return files.filter((file) => !Object.hasOwn(leftOut, file));
}

/** What says in a test file that it leaves cases out when everything is run: the import of `slice.ts`, or one of the variables. */
const leavesOut = /support\/(slice|schedule-check)\.ts'|CRASH_SHARE|CHAOS_MINUTES/;

/** The files that play more when there is time: `test:deep`. Their helpers, such as those of fuzzing, are not looked into. */
export async function searching(files: readonly string[]): Promise<string[]> {
  const texts = await Promise.all(files.map((file) => readFile(file, 'utf8')));
  return files.filter(
    (file, index) =>
      layerOf(file).name === 'property' || Object.hasOwn(leftOut, file) || leavesOut.test(texts[index] ?? ''),
  );
}

/** @throws UsageError for a file that no layer has: it would never run */
export function layerOf(file: string): Layer {
  const layer = layers.find(({ name }) => file.startsWith(`test/${name}/`));
  if (layer === undefined)
    throw new UsageError(`${file} is in no layer (${layers.map(({ name }) => name).join(', ')}).`);
  return layer;
}

export interface Arguments {
  /** The layer named by `--layer NAME`. */
  readonly layer?: string;
  readonly patterns: readonly string[];
  /** Options for Jest, as they were typed. */
  readonly options: readonly string[];
}

/** Jest's options that take the next argument as their value, unless it is joined with `=`. */
const withValue = new Set([
  '-t',
  '--testNamePattern',
  '-w',
  '--maxWorkers',
  '--testTimeout',
  '--seed',
  '--shard',
  '--reporters',
  '--coverageReporters',
  '--coverageDirectory',
  '--collectCoverageFrom',
]);

/** Tells patterns from Jest's options. @throws UsageError */
export function parseArguments(argv: readonly string[]): Arguments {
  const patterns: string[] = [];
  const options: string[] = [];
  let layer: string | undefined;
  for (let index = 0; index < argv.length; index += 1) {
    const argument = argv[index] ?? '';
    const value = (): string => {
      index += 1;
      const next = argv[index];
      if (next === undefined) throw new UsageError(`${argument} needs a value.`);
      return next;
    };
    if (argument === '--layer') layer = value();
    else if (argument === '--testPathPatterns') patterns.push(value());
    else if (withValue.has(argument)) options.push(argument, value());
    else if (argument.startsWith('-')) options.push(argument);
    else patterns.push(argument);
  }
  return { ...(layer !== undefined && { layer }), patterns, options };
}

/**
 * The layers that have a file which is meant, with those files. A pattern is a regular expression that is looked for in the
 * path, as Jest does; several mean any of them.
 * @throws UsageError when there is none
 */
export function pick(
  files: readonly string[],
  { layer, patterns }: Pick<Arguments, 'layer' | 'patterns'>,
): Picked[] {
  if (layer !== undefined && !layers.some(({ name }) => name === layer)) {
    throw new UsageError(
      `There is no layer "${layer}". The layers are ${layers.map(({ name }) => name).join(', ')}.`,
    );
  }
  const expressions = patterns.map(expression);
  const meant = files.filter(
    (file) =>
      (layer === undefined || layerOf(file).name === layer) &&
      (expressions.length === 0 || expressions.some((each) => each.test(file))),
  );
  if (meant.length === 0) {
    const where = layer === undefined ? '' : ` in the layer "${layer}"`;
    throw new UsageError(`No test file${where} matches ${patterns.join(' or ') || 'nothing'}.`);
  }
  return layers
    .map((each) => ({ ...each, files: meant.filter((file) => layerOf(file).name === each.name) }))
    .filter((each) => each.files.length > 0);
}

function expression(pattern: string): RegExp {
  try {
    // A file may be named as the shell or an editor does.
    return new RegExp(pattern.replace(`${process.cwd()}/`, '').replace(/^\.\//, ''), 'i');
  } catch {
    throw new UsageError(`"${pattern}" is not a regular expression.`);
  }
}
