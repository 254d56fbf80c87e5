/** Bursts of launches beside their goals, each in a process of its own. */
import type { Burst, BurstCost } from './burst-run.ts';
import { answerOf, inBundle } from './bundled.ts';
import type { Figure } from './figures.ts';

/** Goals: times the floor, hooks, and megabytes. */
const GOAL_RATIO = 1.1;
const GOAL_TIMED_OUT = 0;
const GOAL_PEAK = 200;

export function burstFigures(bursts: readonly Burst[]): Promise<Figure[]> {
  return inBundle('test/bench/burst-process.ts', async (program) => {
    const figures: Figure[] = [];
    for (const { launches, workers, slots } of bursts) {
      const given = [launches, workers, slots].map(String);
      const cost: BurstCost = JSON.parse(await answerOf(program, given));
      const section = `Burst under quotas: ${launches} launches, ${workers} × ${slots} slots`;
      // JSON writes what is infinite as null.
      const makespanMs = cost.inService < launches ? Infinity : cost.makespanMs;
      figures.push(
        { section, name: 'by the quotas alone', value: cost.floorMs / 1000, unit: 's' },
        { section, name: 'until the last is in service', value: makespanMs / 1000, unit: 's' },
        {
          section,
          name: 'as a ratio',
          value: makespanMs / cost.floorMs,
          unit: '×',
          goal: GOAL_RATIO,
        },
        { section, name: 'hooks timed out', value: cost.timedOut, unit: '', goal: GOAL_TIMED_OUT },
        { section, name: 'in service', value: cost.inService, unit: '', least: launches },
        { section, name: 'requests refused', value: cost.refused, unit: '' },
        {
          section,
          name: 'peak memory, the simulated AWS included',
          value: Math.round(cost.peakBytes / 2 ** 20),
          unit: 'MB',
          goal: GOAL_PEAK,
          onMachine: true,
        },
      );
    }
    return figures;
  });
}
