/**
 * `npm run bench`: goal and figure side by side. What is counted, or passes in virtual time, is the same on each machine, and such a
 * goal that is missed fails the command.
 */
import { accessSync, constants, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { Command } from 'commander';
import { parseCommand, UsageError } from '../../infra/sandbox/command-line/parse.ts';
import { burstFigures } from './burst.ts';
import { callFigures } from './calls.ts';
import { directoryFigures } from './directory.ts';
import { engineFigures } from './engine.ts';
import { fairnessFigures } from './fairness.ts';
import { isFailure, isMissed, tableOf, withTable, type Figure } from './figures.ts';
import { growthFigures } from './growth.ts';
import { unavailable } from './on-domain.ts';
import { measureOverhead, overheadFigures, overheadPicture } from './overhead.ts';
import { startFigures } from './start.ts';
import { sweepFigures } from './sweep.ts';

/** Instances of the section `overhead`: one, and as many as `npm start` has. Forty take a quarter of an hour on two cores. */
const USUAL_SIZES = '1,6';
/** As many as the emulated group takes. */
const MOST = 250;

interface Options {
  readonly only?: string;
  readonly instances: string;
  readonly json?: string;
  readonly markdown?: string;
  readonly picture?: string;
}

const values = optionsOf(process.argv.slice(2));

function optionsOf(argv: readonly string[]): Options {
  const command = new Command('npm run bench --')
    .description('Measures what adjoin costs, each figure beside its goal.')
    .option('--only <sections>', 'some of the sections, with commas between them')
    .option('--instances <sizes>', 'sizes of the section overhead', USUAL_SIZES)
    .option('--json <file>', 'writes all figures as JSON')
    .option('--markdown <file>', 'writes the figures that have a goal into the table of a page')
    .option('--picture <file>', 'draws the section overhead, as SVG');
  try {
    return parseCommand<Options>(command, argv, 'npm run bench -- --help');
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    error.print();
    process.exit(error.exitCode);
  }
}

function refuse(complaint: string): never {
  console.error(complaint);
  process.exit(2);
}

const sizes = values.instances.split(',').map(Number);
if (sizes.some((size) => !Number.isInteger(size) || size < 1 || size > MOST))
  refuse(`--instances takes whole numbers from 1 to ${MOST}, such as ${USUAL_SIZES},24.`);

async function overhead(): Promise<Figure[]> {
  const costs = await measureOverhead(sizes);
  if (values.picture !== undefined) writeFileSync(values.picture, overheadPicture(costs));
  return overheadFigures(costs);
}

interface Section {
  readonly measure: () => Promise<Figure[]>;
  /** Whether it needs a real domain, and so root. */
  readonly onDomain?: boolean;
}

const sections: Readonly<Record<string, Section>> = {
  overhead: { measure: overhead, onDomain: true },
  calls: { measure: () => callFigures([1, 50, 1_000]) },
  engine: { measure: () => engineFigures([100, 1_000, 15_000]) },
  burst: {
    // As many slots in all, however many workers have them.
    measure: () =>
      burstFigures([1, 2, 4].map((workers) => ({ launches: 10_000, workers, slots: 1_000 / workers }))),
  },
  fairness: {
    measure: () =>
      fairnessFigures([
        { stuck: 128, broken: 0 },
        { stuck: 4_000, broken: 1_000 },
      ]),
  },
  growth: { measure: () => growthFigures([100, 1_000, 10_000]) },
  sweep: {
    measure: () =>
      sweepFigures([
        { accounts: 500, records: 3_000 },
        { accounts: 5_000, records: 30_000 },
        { accounts: 50_000, records: 300_000 },
      ]),
  },
  directory: { measure: directoryFigures, onDomain: true },
  start: { measure: () => startFigures() },
};

const only = values.only?.split(',');
if (only?.some((name) => !Object.hasOwn(sections, name)))
  refuse(`--only takes some of ${Object.keys(sections).join(',')}.`);
const wanted = Object.entries(sections).filter(([name]) => only?.includes(name) ?? true);
if (values.picture !== undefined && !wanted.some(([name]) => name === 'overhead'))
  refuse('--picture draws the section overhead, which --only leaves out.');

/** Before anything is measured, which takes minutes. @param path the file, or the folder in which it will be */
function demand(option: string, path: string): void {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
  } catch (error) {
    refuse(`${option} can’t be written: ${error instanceof Error ? error.message : path}`);
  }
}
if (values.markdown !== undefined) demand('--markdown', values.markdown);
if (values.json !== undefined) demand('--json', dirname(values.json));
if (values.picture !== undefined) demand('--picture', dirname(values.picture));

const figures: Figure[] = [];
const leftOut: string[] = [];
for (const [name, { measure, onDomain }] of wanted) {
  if (onDomain === true && unavailable !== undefined) {
    leftOut.push(name);
    continue;
  }
  const found = await measure();
  figures.push(...found);
  console.log(tableOf(found).join('\n'));
}
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(figures, undefined, 2)}\n`);
if (values.markdown !== undefined)
  writeFileSync(values.markdown, withTable(readFileSync(values.markdown, 'utf8'), figures));
for (const name of leftOut) console.log(`\nLeft out: ${name} needs a real domain. ${unavailable}`);
const missed = figures.filter(isMissed);
const all = leftOut.length === 0 ? 'Every goal is met.' : 'Every goal that was measured is met.';
const count = missed.length === 1 ? '1 goal is missed.' : `${missed.length} goals are missed.`;
console.log(`\n${missed.length === 0 ? all : count}`);
// Someone who asked for that section alone has got nothing.
process.exitCode = missed.some(isFailure) || figures.length === 0 ? 1 : 0;
