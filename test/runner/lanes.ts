/**
 * Runs test files inside the outer namespace: each file in a namespace of its own within it, with its own network, processes
 * and `.sandbox`, so that bridges, addresses, sockets and names do not collide. Most of them wait for daemons most of the
 * time: a further one begins whenever the processors have room (order.ts says which).
 *
 *     lanes.ts RESULTS_DIRECTORY FILE… -- [JEST OPTION…]
 */
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { jest } from './jest.ts';
import { inOrder, nameOf, take } from './order.ts';
import { capture, passSignals, run } from './process.ts';
import { spareShare, used } from './spare.ts';

/** How many at once at most: each has a domain controller or two, and some hundred megabytes. */
const mostLanes = 5;
/** The share of the processors that must be to be had before another one begins. */
const roomForAnother = 0.35;
/** Milliseconds between two looks: a sandbox that starts keeps a processor busy for longer than that, so it is seen. */
const lookEveryMs = 6_000;

/** A directory of its own beside the lock: `tests-` and the file's name. */
const directoryOf = (file: string): string => join('.sandbox', `tests-${nameOf(file)}`);
async function runFile(
  results: string,
  file: string,
  options: readonly string[],
  isOnlyOne: boolean,
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
  const code = isOnlyOne ? await run(command) : await captured(file, command);
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
const waiting = inOrder(rest.slice(0, end));
const isOnlyOne = waiting.length === 1;

passSignals();
const lanes: Promise<number>[] = [];
const running = new Map<string, Promise<number>>();
function begin(file: string): void {
  const lane = runFile(results, file, options, isOnlyOne);
  lanes.push(lane);
  running.set(file, lane);
  const ended = (): boolean => running.delete(file);
  lane.then(ended, ended);
}

let before = used();
while (waiting.length > 0) {
  const now = used();
  const room = spareShare(before, now) >= roomForAnother && running.size < mostLanes;
  before = now;
  if (room || running.size === 0) {
    const next = take(waiting, [...running.keys()]);
    if (next !== undefined) begin(next);
  }
  await Promise.race([wait(lookEveryMs), ...(running.size === 1 ? running.values() : [])]);
}
const codes = await Promise.all(lanes);
process.exitCode = codes.every((code) => code === 0) ? 0 : 1;
