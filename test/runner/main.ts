/**
 * Runs checks and tests, and says at the end what was run. The current directory is the clone.
 *
 *     main.ts                                        checks, and all tests
 *     main.ts [--layer NAME] [PATTERN…] [OPTION…]    the tests of a layer, or those whose path matches; options are Jest's
 *     main.ts --deep                                 the layers that search, with many more cases
 *     main.ts --check                                types, lint, format, imports, unused code
 *
 * A layer that needs root asks for it by itself (bootstrap.mjs); all others run as whoever started this. With
 * `SANDBOX_UNAVAILABLE` set those tests are reported as skipped, for that reason.
 */
import { mkdir, readdir, rm } from 'node:fs/promises';
import { findPowerShell } from '../../infra/sandbox/machine/windows/power-shell.ts';
import { runChecks } from './checks.ts';
import { jest, none, readReport, sum, type FileResult } from './jest.ts';
import {
  ofEverything,
  parseArguments,
  pick,
  searching,
  testFiles,
  UsageError,
  type Picked,
} from './layers.ts';
import { passSignals, run } from './process.ts';
import { closing, layerPart, type Part } from './table.ts';

/** A directory for each run: two may be under way in one clone. */
const allResults = '.cache/test-results';
const resultsDirectory = `${allResults}/${process.pid}`;
const bootstrap = [process.execPath, 'infra/sandbox/bootstrap.mjs'];
const usageCode = 2;
/** Processors of the smallest machine that the times are promised for. */
const workers = 2;
/**
 * How far the plain tests stand back behind the real-domain tests beside them: a third of the weight. At 19, the farthest,
 * they get a few thousandths of a busy processor, and miss limits that are there to find what hangs.
 */
const niceness = 5;
/** Milliseconds; for the same reason more than the configuration's. */
const testTimeoutBehind = 120_000;

/**
 * How much the searching layers do when everything is run, and when there is time for more, unless the environment says it
 * already. Each crash point takes its ten seconds: one in thirty-six stands for all, and the deep run plays the others. Likewise
 * for the cases of the documents, for schedules and fuzzed input, of which `npm run test:property` plays the number that they are promised for.
 */
const brief: Readonly<Record<string, string>> = {
  CRASH_SHARE: '1/36',
  THIN_SLICE: 'yes',
  SCHEDULE_RUNS: '500',
  FUZZ_FACTOR: '0.1',
};
const deep: Readonly<Record<string, string>> = {
  SCHEDULE_RUNS: '100000',
  FUZZ_FACTOR: '10',
  CHAOS_MINUTES: '5',
  CRASH_SHARE: '1/1',
};

const report = (line: string): void => console.error(line);
const unavailable = process.env['SANDBOX_UNAVAILABLE'];

interface How {
  /** Jest's options, as they were typed. */
  readonly options: readonly string[];
  /** Real-domain tests run at the same time and go first. */
  readonly behind: boolean;
}

async function main(argv: readonly string[]): Promise<number> {
  const [first, ...rest] = argv;
  await mkdir(resultsDirectory, { recursive: true });
  for (const name of await readdir(allResults)) {
    if (!isRunning(Number(name))) await rm(`${allResults}/${name}`, { recursive: true, force: true });
  }
  if (first === '--check' && rest.length === 0) return end(await runChecks(report), false);
  if (first === '--deep') {
    set(deep);
    const picked = pick(await searching(testFiles()), { patterns: [] });
    return end(await runLayers(picked, { options: rest, behind: false }), true);
  }
  if (first === undefined) return end(await runAll(), true);
  const { options, ...meant } = parseArguments(argv);
  const picked = pick(testFiles(), meant);
  preparePowerShell(picked);
  return end(await runLayers(picked, { options, behind: false }), true);
}

function set(variables: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(variables)) process.env[name] ??= value;
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Checks and plain tests use what the real-domain tests, which mostly wait for daemons, leave of the processors. */
async function runAll(): Promise<Part[]> {
  set(brief);
  const picked = pick(ofEverything(testFiles()), { patterns: [] });
  preparePowerShell(picked);
  const plain = picked.filter(({ ground }) => ground === 'plain');
  const real = picked.filter(({ ground }) => ground !== 'plain');
  const behind = unavailable === undefined;
  const checksAndPlain = async (): Promise<Part[]> => {
    const parts = await runChecks(report);
    return [...parts, ...(await runLayers(plain, { options: [], behind }))];
  };
  const [first, second] = await Promise.all([
    checksAndPlain(),
    runLayers(real, { options: [], behind: false }),
  ]);
  return [...first, ...second];
}

/** In a namespace there is no package feed: PowerShell is installed before. Why it can't be, the tests that need it say themselves. */
function preparePowerShell(picked: readonly Picked[]): void {
  if (picked.some(({ files }) => files.some((file) => file.includes('windows'))))
    findPowerShell(process.cwd());
}

/** All of them run even when one fails. */
async function runLayers(picked: readonly Picked[], how: How): Promise<Part[]> {
  const parts: Part[] = [];
  for (const layer of picked.filter(({ ground }) => ground === 'plain'))
    parts.push(await runPlain(layer, how));
  const inNamespace = picked.filter(({ ground }) => ground === 'namespace');
  if (inNamespace.length > 0) parts.push(...(await runInNamespace(inNamespace, how)));
  // They look at namespaces from outside, and need the lock that a run inside has.
  for (const layer of picked.filter(({ ground }) => ground === 'host'))
    parts.push(await runOnHost(layer, how));
  return parts;
}

async function runPlain({ name, files }: Picked, { options, behind }: How): Promise<Part> {
  const set = [
    // Also behind others: while the machine image is made, which mostly waits for the network, the processors are theirs.
    `--maxWorkers=${workers}`,
    ...(behind ? [`--testTimeout=${testTimeoutBehind}`] : []),
    ...options,
  ];
  return counted(name, files, set, behind ? runBehind : run);
}

async function runOnHost({ name, files }: Picked, { options }: How): Promise<Part> {
  return counted(name, files, ['--runInBand', ...options], (command) =>
    run(unavailable === undefined ? [...bootstrap, 'host', ...command] : command),
  );
}

/** Namespaces of their own, one for each test file; where there can be none, Jest reports the tests as skipped. */
async function runInNamespace(picked: readonly Picked[], { options }: How): Promise<Part[]> {
  if (unavailable !== undefined) {
    const parts: Part[] = [];
    for (const { name, files } of picked) parts.push(await counted(name, files, options, run));
    return parts;
  }
  const files = picked.flatMap((layer) => layer.files);
  const lanes = ['test/runner/lanes.ts', resultsDirectory, ...files, '--', ...options];
  const desk = files.some((file) => /chapters|boot/.test(file)) ? ['--desk'] : [];
  const code = await run([...bootstrap, 'inside', ...desk, process.execPath, ...lanes]);
  const results = await readAll(files);
  return picked.map(({ name, files: own }) => {
    const mine = results.filter(({ file }) => own.includes(file));
    const seconds = mine.reduce((total, each) => total + each.seconds, 0);
    // The lanes' exit code is about all layers: a layer is to blame for what its own files say, or do not say.
    const reported = mine.length === own.length;
    const isClean = sum(mine.map(({ count }) => count)).failed === 0;
    return layerPart(name, { passed: reported && (code === 0 || isClean), seconds, files: mine });
  });
}

const resultOf = (file: string): string => `${resultsDirectory}/${file.replaceAll('/', '_')}.json`;

async function readAll(files: readonly string[]): Promise<FileResult[]> {
  const found = await Promise.all(files.map((file) => readReport(resultOf(file))));
  return found.flat();
}

/** Runs Jest on files, and reads from its own report what they did. */
async function counted(
  title: string,
  files: readonly string[],
  options: readonly string[],
  work: (command: readonly string[]) => Promise<number>,
): Promise<Part> {
  report(`── ${title}`);
  const file = `${resultsDirectory}/${title}.json`;
  const started = performance.now();
  const code = await work([
    ...jest,
    '--json',
    `--outputFile=${file}`,
    ...options,
    '--runTestsByPath',
    ...files,
  ]);
  const seconds = (performance.now() - started) / 1000;
  return layerPart(title, { passed: code === 0, seconds, files: await readReport(file) });
}

/**
 * Runs a command behind the others: domain controllers and machines beside it go first. Where the kernel shares the
 * processor out among sessions before it looks at `nice` (autogroup), the daemons of the real-domain tests have sessions
 * of their own: so has the command, and its session gets the same niceness.
 */
async function runBehind(argv: readonly string[]): Promise<number> {
  const lower = `{ echo ${niceness} >/proc/self/autogroup; } 2>/dev/null; exec nice -n ${niceness} "$@"`;
  // The kernel takes it along when this process dies.
  return run(['setpriv', '--pdeathsig', 'KILL', 'setsid', '--wait', 'sh', '-c', lower, 'behind', ...argv]);
}

function end(parts: readonly Part[], tested: boolean): number {
  const lines = closing(parts, unavailable);
  for (const line of tested ? lines : lines.slice(0, -2)) report(line);
  return parts.every(({ passed }) => passed) ? 0 : 1;
}

passSignals();
try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  report(error.message);
  report(`tests: ${none.passed} passed, ${none.failed} failed, ${none.skipped} skipped`);
  process.exitCode = usageCode;
}
