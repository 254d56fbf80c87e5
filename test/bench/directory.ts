/** Stages a second through the directory room, beside bare adds on one connection to the same controller. */
import type { Figure } from './figures.ts';
import { answerInside } from './on-domain.ts';

const GOAL_SHARE = 0.95;

export interface DirectoryCost {
  /** Accounts with all that keeps them from being made twice, or under a name that others hold. */
  readonly stagesPerSecond: number;
  /** With nothing but the request that adds it, by the better of one and eight under way. */
  readonly addsPerSecond: number;
  /** Of the rounds' shares the median: what both meet at the same time. */
  readonly share: number;
}

export async function directoryFigures(): Promise<Figure[]> {
  const cost: DirectoryCost = JSON.parse(await answerInside('test/bench/directory-process.ts', []));
  const section = 'Directory: accounts on a real domain controller';
  const rate = (name: string, value: number): Figure => ({
    section,
    name,
    value,
    unit: '/s',
    onMachine: true,
  });
  return [
    rate('bare adds on one connection', cost.addsPerSecond),
    rate('stages', cost.stagesPerSecond),
    {
      section,
      name: 'as a share',
      value: cost.share,
      unit: '×',
      least: GOAL_SHARE,
      onMachine: true,
    },
  ];
}
