/** What holds for the source without running it. */
import { availableParallelism } from 'node:os';
import { capture } from './process.ts';
import type { Part } from './table.ts';

const folders = ['agent', 'config', 'documents', 'infra', 'scripts', 'test'];

interface Check {
  readonly title: string;
  readonly argv: readonly string[];
}

/** The longest first, for they run side by side. Format and types look only at what has changed since the last time. */
const checks: readonly Check[] = [
  {
    title: 'format',
    argv: [
      'prettier',
      '--check',
      '--log-level=warn',
      '--cache',
      '--cache-strategy=content',
      '--cache-location=.cache/prettier',
      ...folders,
    ],
  },
  { title: 'types', argv: ['tsc', '--incremental', '--tsBuildInfoFile', '.cache/types.tsbuildinfo'] },
  { title: 'lint', argv: ['oxlint', '--type-aware', '--quiet', ...folders] },
  { title: 'unused', argv: ['knip', '--no-progress'] },
  {
    title: 'imports',
    argv: [
      'depcruise',
      '--config',
      '.dependency-cruiser.cjs',
      '--output-type=err',
      'agent',
      'documents',
      'infra',
    ],
  },
];

/** Runs all of them, two at a time or as many as there are processors; says what a failed one said. */
export async function runChecks(report: (line: string) => void): Promise<Part[]> {
  const waiting = [...checks];
  const parts = new Map<Check, Part>();
  const lane = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const part = await check(next, report);
      parts.set(next, part);
    }
  };
  await Promise.all(Array.from({ length: Math.max(2, availableParallelism()) }, lane));
  return checks.flatMap((each) => parts.get(each) ?? []);
}

async function check({ title, argv }: Check, report: (line: string) => void): Promise<Part> {
  const [program = '', ...options] = argv;
  const started = performance.now();
  const { code, output } = await capture([`node_modules/.bin/${program}`, ...options]);
  const seconds = (performance.now() - started) / 1000;
  const passed = code === 0;
  report(`${passed ? '✔' : '✘'} ${title} (${seconds.toFixed(1)} s)`);
  if (!passed) report(output.trimEnd());
  return { title, passed, seconds };
}
