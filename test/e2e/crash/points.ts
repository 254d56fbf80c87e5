/** Every point at which the agent may die: each call of an action, right before it and right after it. */
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
