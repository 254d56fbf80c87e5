/** The faults by kind, as a table of at most 80 columns. */
import type { Fault } from './plan.ts';

/** A fault that was injected, or that never met anything. */
export interface Tally {
  readonly fault: Fault;
  readonly injected: boolean;
}

const countRow = (name: string, planned: number | string, injected: number | string): string =>
  `${name.padEnd(30)}${String(planned).padStart(9)}${String(injected).padStart(10)}`;

const callRow = (name: string, cells: readonly (string | number)[]): string =>
  name.padEnd(44) + cells.map((cell) => String(cell).padStart(8)).join('');

/** The faults by kind. @param lost how many messages, actions and accounts are missing: what contradicts the audit's claims */
export function faultTable(tallies: readonly Tally[], lost: number): string[] {
  const kinds = Map.groupBy(tallies, ({ fault }) => fault.kind);
  const rows = [...kinds].map(([kind, of]) =>
    countRow(kind, of.length, of.filter((each) => each.injected).length),
  );
  const injected = tallies.filter((each) => each.injected).length;
  return [
    countRow('fault', 'planned', 'injected'),
    ...rows.toSorted(),
    countRow('in all', tallies.length, injected),
    countRow('lost by it', '', lost),
  ];
}

const columns = ['call-throttled', 'call-failed', 'answer-lost', 'call-delayed'] as const;

/** AWS operations and what befell their calls, each column a kind. */
export function callTable(tallies: readonly Tally[]): string[] {
  const calls = tallies.flatMap(({ fault, injected }) => ('operation' in fault && injected ? [fault] : []));
  const rows = [...Map.groupBy(calls, ({ operation }) => operation)].map(([operation, of]) =>
    callRow(
      operation,
      columns.map((kind) => of.filter((fault) => fault.kind === kind).length),
    ),
  );
  return [callRow('calls spoilt', ['throttle', '5xx', 'lost', 'late']), ...rows.toSorted()];
}
