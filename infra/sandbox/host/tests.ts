/** What `npm test` checks, part by part, and what it says at the end. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, rm } from 'node:fs/promises';

/** Runs a command in an outer namespace and resolves with its exit code. */
export type InNamespace = (argv: readonly string[], env: Record<string, string>) => Promise<number>;

/** How many tests did what. */
export interface Count {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

interface Part {
  readonly title: string;
  readonly seconds: number;
  readonly passed: boolean;
  readonly count?: Count;
}

const none: Count = { passed: 0, failed: 0, skipped: 0 };
const bin = (name: string): string => `node_modules/.bin/${name}`;
const jest = [
  process.execPath,
  '--experimental-vm-modules',
  '--disable-warning=ExperimentalWarning',
  'node_modules/jest/bin/jest.js',
];
/** What needs a real kernel, domain or machine; see test/support/sandbox.ts. */
const realTests = String.raw`/test/(integration|e2e)/`;
/** What looks at the outer namespace from the host. */
const hostTests = String.raw`/test/host/`;
const folders = ['agent', 'config', 'documents', 'infra', 'scripts', 'test'];
const resultsDirectory = '.cache/test-results';
/**
 * How far the unit tests stand back behind the real-domain tests: a third of the weight. At 19, the farthest, they get a
 * few thousandths of a busy processor, and miss limits that are there to find what hangs.
 */
const niceness = 5;
/** Milliseconds; for the same reason more than the configuration's. */
const testTimeoutBehind = 120_000;
/** What a person or a supervisor ends a run with. */
const stopSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

const checks: readonly { readonly title: string; readonly argv: readonly string[] }[] = [
  { title: 'types', argv: [bin('tsc')] },
  { title: 'lint', argv: [bin('oxlint'), '--type-aware', '--quiet', ...folders] },
  { title: 'format', argv: [bin('prettier'), '--check', '--log-level', 'warn', ...folders] },
  {
    title: 'imports',
    argv: [
      bin('depcruise'),
      '--config',
      '.dependency-cruiser.cjs',
      '--output-type',
      'err',
      'agent',
      'documents',
      'infra',
    ],
  },
  { title: 'unused', argv: [bin('knip'), '--no-progress'] },
];

/**
 * Checks types, lint, format, imports and unused code, then runs the tests; those on a real domain inside an outer
 * namespace, one file after another, since they share its bridge and addresses. All parts run even when one fails.
 * With arguments, only Jest runs, with them, inside.
 * @returns the exit code
 */
export async function runTests(rest: readonly string[], inNamespace: InNamespace): Promise<number> {
  const unavailable = process.env['SANDBOX_UNAVAILABLE'];
  const real = (argv: readonly string[]): Promise<number> => {
    const command = [...jest, '--runInBand', ...argv];
    return unavailable === undefined ? inNamespace(command, {}) : run(command);
  };
  if (rest.length > 0) return real(rest);

  await rm(resultsDirectory, { recursive: true, force: true });
  await mkdir(resultsDirectory, { recursive: true });
  const parts: Part[] = [];
  for (const { title, argv } of checks) parts.push(await timed(title, () => run(argv)));
  // The real-domain tests wait for daemons most of their time; the unit tests use what they leave of the processor.
  const [unit, domain] = await Promise.all([
    counted('unit tests', (options) => {
      const command = [...jest, ...options, '--maxWorkers=1', '--testTimeout', String(testTimeoutBehind)];
      const behind = unavailable === undefined ? runBehind : run;
      return behind([...command, '--testPathIgnorePatterns', realTests, hostTests]);
    }),
    counted('real-domain tests', (options) => real([...options, '--testPathPatterns', realTests])),
  ]);
  const host = await counted('host tests', (options) =>
    run([...jest, '--runInBand', ...options, '--testPathPatterns', hostTests]),
  );
  parts.push(unit, domain, host);
  for (const line of closing(parts, unavailable)) console.error(line);
  return parts.every((part) => part.passed) ? 0 : 1;
}

/** The closing table, and the line that counts all tests. */
export function closing(parts: readonly Part[], unavailable: string | undefined): string[] {
  const lines = parts.map((part) => {
    const { passed, failed, skipped } = part.count ?? none;
    const tests = part.count ? `${passed} passed, ${failed} failed, ${skipped} skipped` : '';
    return `${part.passed ? '✔' : '✘'} ${part.title.padEnd(18)}${part.seconds.toFixed(0).padStart(4)} s  ${tests}`.trimEnd();
  });
  const sum = (key: keyof Count): number =>
    parts.reduce((total, part) => total + (part.count ?? none)[key], 0);
  const skipped = sum('skipped');
  if (skipped > 0) lines.push('', `${skipped} tests skipped: ${unavailable ?? 'see above'}`);
  return ['', ...lines, '', `tests: ${sum('passed')} passed, ${sum('failed')} failed, ${skipped} skipped`];
}

async function timed(title: string, work: () => Promise<number>): Promise<Part> {
  console.error(`── ${title}`);
  const started = performance.now();
  const code = await work();
  return { title, passed: code === 0, seconds: (performance.now() - started) / 1000 };
}

/** Runs Jest and reads from its own report how many tests did what. */
async function counted(title: string, work: (options: string[]) => Promise<number>): Promise<Part> {
  const file = `${resultsDirectory}/${title.replaceAll(' ', '-')}.json`;
  const part = await timed(title, () => work(['--json', '--outputFile', file]));
  const count = await readCount(file);
  // A run that tested nothing has not passed.
  return { ...part, passed: part.passed && count.passed + count.skipped > 0, count };
}

async function readCount(file: string): Promise<Count> {
  try {
    const report: unknown = JSON.parse(await readFile(file, 'utf8'));
    const number = (name: string): number => {
      const value: unknown =
        typeof report === 'object' && report !== null ? Reflect.get(report, name) : undefined;
      return typeof value === 'number' ? value : 0;
    };
    return {
      passed: number('numPassedTests'),
      failed: number('numFailedTests'),
      skipped: number('numPendingTests'),
    };
  } catch {
    return none;
  }
}

async function run(argv: readonly string[]): Promise<number> {
  return ended(start(argv));
}

function start(argv: readonly string[]): ChildProcess {
  const [program = '', ...rest] = argv;
  return spawn(program, rest, { stdio: ['ignore', 'inherit', 'inherit'] });
}

async function ended(child: ChildProcess): Promise<number> {
  const [code] = await once(child, 'exit');
  return typeof code === 'number' ? code : 1;
}

/**
 * Runs a command behind the others: domain controllers and machines beside it go first. Where the kernel shares the
 * processor out among sessions before it looks at `nice` (autogroup), the daemons of the real-domain tests have sessions
 * of their own: so has the command, and its session gets the same niceness.
 */
async function runBehind(argv: readonly string[]): Promise<number> {
  const lower = `{ echo ${niceness} >/proc/self/autogroup; } 2>/dev/null; exec nice -n ${niceness} "$@"`;
  // The kernel takes it along when this process dies.
  const child = start(['setpriv', '--pdeathsig', 'KILL', 'setsid', 'sh', '-c', lower, 'behind', ...argv]);
  // A session of its own hears no Ctrl-C.
  const pass = (signal: NodeJS.Signals): void => {
    child.kill();
    if (process.listenerCount(signal) > 1) return;
    // Nobody else has taken it: it means what it would have meant without us.
    process.off(signal, pass);
    process.kill(process.pid, signal);
  };
  for (const signal of stopSignals) process.on(signal, pass);
  try {
    return await ended(child);
  } finally {
    for (const signal of stopSignals) process.off(signal, pass);
  }
}
