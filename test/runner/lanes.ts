/**
 * Runs test files inside the outer namespace, in lanes: each file in a namespace of its own within it, with its own
 * network, processes and `.sandbox`, so that bridges, addresses, sockets and names do not collide.
 *
 *     lanes.ts RESULTS_DIRECTORY FILE… -- [JEST OPTION…]
 */
import { mkdir, readdir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { jest } from './jest.ts';
import { capture, passSignals, run } from './process.ts';

/**
 * With three lanes on two processors, beside the plain tests, domain controllers took minutes to start and ran into limits
 * that are there to find what hangs.
 */
const laneCount = 1;
/** The long ones, so that no lane begins with one when the others have nothing left. */
const longestFirst = [
  'crash-points',
  'chaos',
  'documents',
  'two-controllers',
  'sweep',
  'directory',
  'trouble',
];

/** A directory of its own beside the lock: `tests-` and the file's name. */
const directoryOf = (file: string): string => join('.sandbox', `tests-${nameOf(file)}`);
const nameOf = (file: string): string => basename(file, '.test.ts');

function rank(file: string): number {
  const place = longestFirst.indexOf(nameOf(file));
  return place < 0 ? longestFirst.length : place;
}

async function runFile(
  results: string,
  file: string,
  options: readonly string[],
  alone: boolean,
): Promise<number> {
  const directory = directoryOf(file);
  await mkdir(directory, { recursive: true });
  const outputFile = join(results, `${file.replaceAll('/', '_')}.json`);
  const command = [
    'unshare',
    '--mount',
    '--net',
    '--pid',
    '--fork',
    '--kill-child',
    '--mount-proc',
    '--propagation=private',
    'sh',
    join(import.meta.dirname, 'lane.sh'),
    directory,
    ...jest,
    '--runInBand',
    '--json',
    `--outputFile=${outputFile}`,
    ...options,
    '--runTestsByPath',
    file,
  ];
  const code = alone ? await run(command) : await captured(file, command);
  await keepLogs(directory, code === 0);
  return code;
}

/** What files say side by side is shown file by file. */
async function captured(file: string, command: readonly string[]): Promise<number> {
  console.error(`── ${file} begins`);
  const { code, output } = await capture(command);
  console.error(output.trimEnd());
  return code;
}

/** Of a file that failed, what its agents said stays for people. */
async function keepLogs(directory: string, passed: boolean): Promise<void> {
  if (passed) return rm(directory, { recursive: true, force: true });
  for (const name of await readdir(directory)) {
    if (!/^agent.*\.log$/.test(name)) await rm(join(directory, name), { recursive: true, force: true });
  }
}

const [results = '', ...rest] = process.argv.slice(2);
const end = rest.indexOf('--');
const options = rest.slice(end + 1);
const waiting = rest.slice(0, end).toSorted((one, other) => rank(one) - rank(other));
const alone = waiting.length === 1;

passSignals();
const codes: number[] = [];
const lane = async (): Promise<void> => {
  for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
    codes.push(await runFile(results, file, options, alone));
  }
};
await Promise.all(Array.from({ length: laneCount }, lane));
process.exitCode = codes.every((code) => code === 0) ? 0 : 1;
