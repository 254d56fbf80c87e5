/**
 * Runs test files inside the outer namespace: each file in a namespace of its own within it, with its own network, processes
 * and `.sandbox`, so that bridges, addresses, sockets and names do not collide. Most of them wait for daemons most of the
 * time: a further one begins whenever the processors have room.
 *
 *     lanes.ts RESULTS_DIRECTORY FILE… -- [JEST OPTION…]
 */
import { mkdir, readdir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { jest } from './jest.ts';
import { capture, passSignals, run } from './process.ts';
import { spareShare, used } from './spare.ts';

/** Those that keep two processors busy by themselves: each runs alone, and first. */
const alone: readonly string[] = ['crash-points', 'chaos', 'documents'];
/** The long ones of the others, so that none of them is what all wait for at the end. */
const longestFirst = ['two-controllers', 'trouble', 'credential', 'directory', 'domain'];
/** How many at once at most: each has a domain controller or two, and some hundred megabytes. */
const mostLanes = 5;
/** The share of the processors that must be to be had before another one begins. */
const roomForAnother = 0.35;
/** Milliseconds between two looks: a sandbox that starts keeps a processor busy for longer than that, so it is seen. */
const lookEveryMs = 6_000;

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
for (const file of heavy) codes.push(await runFile(results, file, options, files.length === 1));

const lanes: Promise<number>[] = [];
const running = new Set<Promise<number>>();
function begin(file: string): void {
  const lane = runFile(results, file, options, files.length === 1);
  lanes.push(lane);
  running.add(lane);
  const ended = (): boolean => running.delete(lane);
  lane.then(ended, ended);
}

let before = used();
for (let next = waiting.shift(); next !== undefined;) {
  const now = used();
  const room = spareShare(before, now) >= roomForAnother && running.size < mostLanes;
  before = now;
  if (room || running.size === 0) {
    begin(next);
    next = waiting.shift();
  }
  await Promise.race([wait(lookEveryMs), ...(running.size === 1 ? running : [])]);
}
codes.push(...(await Promise.all(lanes)));
process.exitCode = codes.every((code) => code === 0) ? 0 : 1;
