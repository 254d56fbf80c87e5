/** What adjoin adds to what directory and network cost anyway: its run on a real domain beside a bare script's, on the same machines. */
import { drawPanels, type Bar, type Panel } from '../../infra/sandbox/story/picture.ts';
import type { Figure } from './figures.ts';
import type { FloorRun } from './floor.ts';
import { answerInside } from './on-domain.ts';

/** Times the floor. */
const GOAL = 1.15;

export interface Run {
  /** How many nodes joined at once: `concurrency`, or the script's own choice. */
  readonly atOnce: number;
  /** Milliseconds from the wish to the last instance in service, and from the next wish to the last one's end. */
  readonly outMs: number;
  readonly inMs: number;
  /** Milliseconds since the epoch. */
  readonly from: number;
  readonly bars: readonly Bar[];
}

interface Counted {
  /** Processor time of the machines, from their boot to their end. */
  readonly cpuSeconds: number;
}

export interface OverheadCost {
  readonly instances: number;
  /** Of machines that boot and end, and nothing more. */
  readonly idleCpuSeconds: number;
  /** With several numbers of nodes at once, of which the last is all of them. */
  readonly adjoin: readonly (Run & Counted)[];
  /** The bare script, likewise. */
  readonly floors: readonly (FloorRun & Counted)[];
  /** The same that sets up no log-in: users are resolved, and have no home directories. */
  readonly withoutLogIn: FloorRun & Counted;
}

const allMs = ({ outMs, inMs }: Run): number => outMs + inMs;

function fastest<T extends Run>(runs: readonly T[]): T {
  const [best] = runs.toSorted((one, other) => allMs(one) - allMs(other));
  if (!best) throw new Error('There was no run.');
  return best;
}

/** The fewest seconds that a node took with any number of nodes at once, beyond what it takes to boot and end. */
const leastSeconds = (runs: readonly Counted[], { idleCpuSeconds, instances }: OverheadCost): number =>
  (Math.min(...runs.map(({ cpuSeconds }) => cpuSeconds)) - idleCpuSeconds) / instances;

export async function measureOverhead(sizes: readonly number[]): Promise<OverheadCost[]> {
  return JSON.parse(await answerInside('test/bench/overhead-process.ts', sizes.map(String)));
}

export function overheadFigures(costs: readonly OverheadCost[]): Figure[] {
  return costs.flatMap((cost) => {
    const { instances, floors, withoutLogIn } = cost;
    const floor = fastest(floors);
    const adjoin = fastest(cost.adjoin);
    const byDefault = cost.adjoin.at(-1) ?? adjoin;
    const section = `Overhead on a real domain: ${instances} ${instances === 1 ? 'instance' : 'instances'} out and in`;
    const least = leastSeconds(floors, cost);
    const spent = leastSeconds(cost.adjoin, cost);
    const seconds = (name: string, ms: number): Figure => ({
      section,
      name,
      value: ms / 1000,
      unit: 's',
      onMachine: true,
    });
    const ratio = (name: string, value: number, goal?: number): Figure => ({
      section,
      name,
      value,
      unit: '×',
      onMachine: true,
      ...(goal !== undefined && { goal }),
    });
    return [
      seconds(`bare script, ${floor.atOnce} at once: until all can be used`, floor.outMs),
      seconds('  until all have joined, usable or not', floor.joinedMs),
      seconds('bare script: until all are gone', floor.inMs),
      seconds(`adjoin, ${adjoin.atOnce} at once: until all are in service`, adjoin.outMs),
      seconds('adjoin: until all are gone', adjoin.inMs),
      ratio('time, as a ratio', allMs(adjoin) / allMs(floor), GOAL),
      ratio('  out', adjoin.outMs / floor.outMs),
      ratio('  in', adjoin.inMs / floor.inMs),
      ratio('  all at once, as adjoin is set up by default', allMs(byDefault) / allMs(floor)),
      ratio('  against a script without home directories', allMs(adjoin) / allMs(withoutLogIn)),
      seconds('bare script: processor time of a node', least * 1000),
      seconds('adjoin: processor time of a node', spent * 1000),
      ratio('processor time of the nodes, as a ratio', spent / least, GOAL),
      ratio('  all at once, as adjoin is set up by default', leastSeconds([byDefault], cost) / least),
      ratio('  against a script without home directories', spent / leastSeconds([withoutLogIn], cost)),
    ];
  });
}

const said = ({ outMs, inMs }: Run): string =>
  `${(outMs / 1000).toFixed(1)} s out, ${(inMs / 1000).toFixed(1)} s in`;

/** Each run with its floor below it, all on one scale. */
export function overheadPicture(costs: readonly OverheadCost[]): string {
  const panels = costs.flatMap((cost): Panel[] => {
    const { instances } = cost;
    const floor = fastest(cost.floors);
    const adjoin = fastest(cost.adjoin);
    return [
      {
        title: `adjoin, ${instances}, ${adjoin.atOnce} at once: ${said(adjoin)}`,
        from: adjoin.from,
        bars: adjoin.bars,
      },
      {
        title: `a bare script, ${instances}, ${floor.atOnce} at once: ${said(floor)}`,
        from: floor.from,
        bars: floor.bars,
      },
    ];
  });
  return drawPanels('adjoin beside a bare script on the same domain and machines', panels);
}
