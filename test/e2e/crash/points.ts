/** Every point at which the agent may die: each call of an action, right before it and right after it. */
import { createHash } from 'node:crypto';
import type { Side, Trap, Watch } from './journal.ts';

export interface Point extends Trap {
  readonly action: Action;
  /** In which the call is made. */
  readonly world: World;
}

export type Action = 'join' | 'unjoin';

/** What is unusual about the world; mostly nothing is. */
export interface World extends Pick<Watch, 'slow'> {
  /** The agent is a new one: it looks up what it will remember. */
  readonly fresh?: true;
}

export function pointsOf(action: Action, call: string, world: World): Point[] {
  const sides: readonly Side[] = ['before', 'after'];
  return sides.map((side) => ({ action, call, side, world }));
}

/**
 * The points that one of several machines plays: `2/3` is the share of the second of three, and undefined all of them. A
 * point's name decides, not its place: each machine learns the calls from a run of its own, and these may differ.
 * @throws Error when the text does not name a share
 */
export function shareOf(points: readonly Point[], share: string | undefined): Point[] {
  if (share === undefined) return [...points];
  const [, index, count] = /^([1-9]\d?)\/([1-9]\d?)$/.exec(share) ?? [];
  if (index === undefined || Number(index) > Number(count))
    throw new Error(`"${share}" is no share, such as 2/3.`);
  const numberOf = ({ action, call, side }: Point): number =>
    createHash('sha256').update(`${action} ${side} ${call}`).digest().readUInt32BE() % Number(count);
  return points.filter((point) => numberOf(point) === Number(index) - 1);
}

export interface Result {
  readonly point: Point;
  /** From the kill to the end state. */
  readonly seconds: number;
  /** What was not as it must be. */
  readonly problems: readonly string[];
}

const cell = (result: Result | undefined): string =>
  result === undefined
    ? ''
    : `${result.problems.length === 0 ? '✔' : '✘'} ${result.seconds.toFixed(1).padStart(5)} s`;

/** Columns for a call's name: with both results a line has 80. */
const mostName = 56;

const cut = (name: string): string => (name.length <= mostName ? name : `${name.slice(0, mostName - 1)}…`);

/** One line for each call of each action, in order, and what was wrong. */
export function tableOf(results: readonly Result[]): string[] {
  const width = Math.min(mostName, Math.max(...results.map(({ point }) => point.call.length)));
  const actions: readonly Action[] = ['join', 'unjoin'];
  return actions.flatMap((action) => {
    const own = results.filter(({ point }) => point.action === action);
    const find = (call: string, side: Side) =>
      own.find(({ point }) => point.call === call && point.side === side);
    const calls = [...new Set(own.map(({ point }) => point.call))];
    return [
      '',
      `${`${action}: killed at`.padEnd(width)}   before      after`,
      ...calls.map((call) =>
        `${cut(call).padEnd(width)}   ${cell(find(call, 'before')).padEnd(9)}   ${cell(find(call, 'after'))}`.trimEnd(),
      ),
      ...own.flatMap(({ point, problems }) =>
        problems.map((problem) => `✘ ${action}, ${point.side} ${point.call}: ${problem}`),
      ),
    ];
  });
}
