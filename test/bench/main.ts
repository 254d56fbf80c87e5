/**
 * `npm run bench`: goal and figure side by side. What is counted, or passes in virtual time, is the same on each machine, and such a
 * goal that is missed fails the command.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { burstFigures } from './burst.ts';
import { callFigures } from './calls.ts';
import { engineFigures } from './engine.ts';
import { fairnessFigures } from './fairness.ts';
import { isFailure, isMissed, tableOf, withTable, type Figure } from './figures.ts';
import { growthFigures } from './growth.ts';
import { startFigures } from './start.ts';
import { sweepFigures } from './sweep.ts';

const { values } = parseArgs({
  options: { json: { type: 'string' }, markdown: { type: 'string' }, only: { type: 'string' } },
});

const sections: Readonly<Record<string, () => Promise<Figure[]>>> = {
  calls: () => callFigures([1, 50, 1_000]),
  engine: () => engineFigures([100, 1_000, 15_000]),
  burst: () => burstFigures([1, 2, 4].map((workers) => ({ launches: 10_000, workers, slots: 1_000 }))),
  fairness: () =>
    fairnessFigures([
      { stuck: 128, broken: 0 },
      { stuck: 4_000, broken: 1_000 },
    ]),
  growth: () => growthFigures([100, 1_000, 10_000]),
  start: () => startFigures(),
  sweep: () =>
    sweepFigures([
      { accounts: 500, records: 3_000 },
      { accounts: 5_000, records: 30_000 },
      { accounts: 50_000, records: 300_000 },
    ]),
};

const wanted = Object.entries(sections).filter(([name]) => (values.only ?? name) === name);
if (wanted.length === 0) {
  console.error(`--only takes one of ${Object.keys(sections).join(', ')}.`);
  process.exit(2);
}
const figures: Figure[] = [];
for (const [, measure] of wanted) {
  const found = await measure();
  figures.push(...found);
  console.log(tableOf(found).join('\n'));
}
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(figures, undefined, 2)}\n`);
if (values.markdown !== undefined)
  writeFileSync(values.markdown, withTable(readFileSync(values.markdown, 'utf8'), figures));
const missed = figures.filter(isMissed);
console.log(missed.length === 0 ? '\nEvery goal is met.' : `\n${missed.length} goals are missed.`);
process.exitCode = missed.some(isFailure) ? 1 : 0;
