/** The faults by kind, as a table of at most 80 columns. */
import { tableLines } from '../table.ts';
import type { Fault } from './plan.ts';

/** A fault that was injected, or that never met anything. */
export interface Tally {
  readonly fault: Fault;
  readonly injected: boolean;
}

/** The faults by kind. @param lost how many messages, actions and accounts are missing: what contradicts the audit's claims */
export function faultTable(tallies: readonly Tally[], lost: number): string[] {
  const kinds = Map.groupBy(tallies, ({ fault }) => fault.kind);
  const rows = [...kinds].map(([kind, of]) => [kind, of.length, injectedOf(of)] as const);
  return tableLines(
    [30, 9, 10],
    [
      ['fault', 'planned', 'injected'],
      ...rows.toSorted(byName),
      ['in all', tallies.length, injectedOf(tallies)],
      ['lost by it', '', lost],
    ],
  );
}

function injectedOf(tallies: readonly Tally[]): number {
  return tallies.filter(({ injected }) => injected).length;
}

const callKinds = ['call-throttled', 'call-failed', 'answer-lost', 'call-delayed'] as const;

/** AWS operations and what happened to their calls, each column a kind. */
export function callTable(tallies: readonly Tally[]): string[] {
  const calls = tallies.flatMap(({ fault, injected }) => ('operation' in fault && injected ? [fault] : []));
  const rows = [...Map.groupBy(calls, ({ operation }) => operation)].map(
    ([operation, of]) =>
      [operation, ...callKinds.map((kind) => of.filter((fault) => fault.kind === kind).length)] as const,
  );
  return tableLines(
    [44, 8, 8, 8, 8],
    [['calls spoilt', 'throttle', '5xx', 'lost', 'late'], ...rows.toSorted(byName)],
  );
}

function byName([a]: readonly [string, ...unknown[]], [b]: readonly [string, ...unknown[]]): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
