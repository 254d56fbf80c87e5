/**
 * Runs test files inside the outer namespace: each file in a namespace of its own within it, with its own network, processes
 * and `.sandbox`, so that bridges, addresses, sockets and names do not collide. Once nothing else runs, two at a time.
 *
 *     lanes.ts RESULTS_DIRECTORY FILE… -- [JEST OPTION…]
 */
import { mkdir, readdir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { plainTestsEnded } from './beside.ts';
import { jest } from './jest.ts';
import { capture, passSignals, run } from './process.ts';

/** Those that keep two processors busy by themselves: each runs alone, and first. */
const alone: readonly string[] = ['crash-points', 'chaos'];
/** The long ones of the others, so that no lane begins with one when the other has nothing left. */
const longestFirst = ['two-controllers', 'documents', 'sweep', 'directory', 'trouble'];

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
const files = rest.slice(0, end).toSorted((one, other) => rank(one) - rank(other));
const heavy = files.filter((file) => alone.includes(nameOf(file)));
const waiting = files.filter((file) => !heavy.includes(file));

passSignals();
const codes: number[] = [];
async function lane(queue: string[]): Promise<void> {
  for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
    codes.push(await runFile(results, file, options, files.length === 1));
  }
}

/** On two processors, a second lane beside the plain tests has domain controllers run into limits that find what hangs. */
async function secondLane(): Promise<void> {
  await plainTestsEnded(results);
  await lane(waiting);
}

await lane(heavy);
await Promise.all([lane(waiting), secondLane()]);
process.exitCode = codes.every((code) => code === 0) ? 0 : 1;
