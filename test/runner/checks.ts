/** What holds for the source without running it. */
import { availableParallelism } from 'node:os';
import { capture } from './process.ts';
import type { Part } from './table.ts';

const folders = ['agent', 'config', 'documents', 'infra', 'scripts', 'test'];

interface Check {
  readonly title: string;
  readonly argv: readonly string[];
}

/**
 * The longest first, for they run side by side. Lint needs all types, so it says what the compiler says of them as well:
 * one program in place of two.
 */
const checks: readonly Check[] = [
  { title: 'types, lint', argv: ['oxlint', '--type-aware', '--type-check', '--quiet', ...folders] },
  { title: 'format', argv: ['oxfmt', '--check', ...folders, 'policies', 'CHANGELOG.md'] },
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
