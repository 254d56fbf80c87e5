/** The summary at the end of the story: a line an instance with the seconds of each step, within 80 columns. */
import { tableLines } from '../table.ts';
import { durations, launchSteps, median, type Membership, terminateSteps } from './memberships.ts';
import { joinParts, type GroupJoins } from './time-to-join.ts';
import type { Watched } from './watch.ts';

/** How often an operation was called. */
export interface CallCount {
  /** Such as `ssm:SendCommand`. */
  readonly operation: string;
  readonly count: number;
  /** How many of the calls were answered with an error. */
  readonly errors: number;
}

const headings: Readonly<Record<string, string>> = { node: 'wait', complete: 'compl.' };
const headingOf = (step: string): string => headings[step] ?? step;
const nameWidth = 19 + 1 + 15;

/** At most five characters up to 9,999 s, so that a column of six keeps its gap. */
const cell = (value: number | undefined): string =>
  value === undefined ? '–' : value.toFixed(value < 99.995 ? 2 : value < 999.95 ? 1 : 0);

const stepWidths = (columns: readonly string[]): number[] => [
  nameWidth,
  ...columns.map((text) => Math.max(6, text.length + 1)),
];

interface Row {
  readonly label: string;
  readonly seconds: readonly (number | undefined)[];
}

const sum = (values: Iterable<number>): number => [...values].reduce((total, value) => total + value, 0);

function rowsOf(instances: readonly Watched[], action: 'launch' | 'terminate'): Row[] {
  const steps: readonly string[] = action === 'launch' ? launchSteps : terminateSteps;
  return instances.flatMap((watched) => {
    const seconds = durations(watched.membership?.[action], steps);
    if (seconds.size === 0) return [];
    const label = `${watched.instanceId} ${watched.membership?.computerName ?? '–'}`;
    return [{ label, seconds: [...steps.map((step) => seconds.get(step)), sum(seconds.values())] }];
  });
}

function table(title: string, steps: readonly string[], rows: readonly Row[]): string[] {
  const columns = [...steps.map(headingOf), 'total'];
  const over = (label: string, reduce: (values: number[]) => number | undefined): string[] => {
    const cells = columns.map((_, column) =>
      cell(reduce(rows.flatMap((row) => (row.seconds[column] === undefined ? [] : [row.seconds[column]])))),
    );
    return [label, ...cells];
  };
  return tableLines(stepWidths(columns), [
    [title, ...columns],
    ...rows.map((row) => [row.label, ...row.seconds.map(cell)]),
    over('median', median),
    over('longest', (values) => (values.length === 0 ? undefined : Math.max(...values))),
  ]);
}

/** Both tables, the unjoins below the joins. Times are seconds. */
export function summaryLines(instances: readonly Watched[]): string[] {
  const joins = rowsOf(instances, 'launch');
  const unjoins = rowsOf(instances, 'terminate');
  return [
    ...(joins.length === 0 ? [] : table('join (seconds)', launchSteps, joins)),
    ...(unjoins.length === 0 ? [] : ['', ...table('unjoin (seconds)', terminateSteps, unjoins)]),
  ];
}

/** What users of the instances wait for, by step; one pair of lines a group. */
export function timeToJoinLines(groups: readonly GroupJoins[]): string[] {
  if (groups.length === 0) return [];
  const columns = joinParts.map((part) => (part === 'total' ? part : headingOf(part)));
  const rows = groups.flatMap(({ group, joins, ...percentiles }) =>
    (['p50', 'p99'] as const).map((name) => [
      groups.length === 1 ? `${name} of ${joins}` : `${name} of ${joins}: ${group}`,
      ...joinParts.map((part) => cell(percentiles[name].get(part))),
    ]),
  );
  return [
    '',
    ...tableLines(stepWidths(columns), [['agent online to CONTINUE (seconds)', ...columns], ...rows]),
  ];
}

/** How many nodes of each system came and went; nothing where there is only one. */
export function systemLines(instances: readonly Watched[], systems: ReadonlyMap<string, string>): string[] {
  const names = [...new Set(systems.values())];
  if (names.length < 2) return [];
  const rows = names.map((name) => {
    const memberships = instances.flatMap(({ instanceId, membership }) =>
      systems.get(instanceId) === name && membership ? [membership] : [],
    );
    const count = (is: (membership: Membership) => boolean): number => memberships.filter(is).length;
    return [
      name,
      count(({ launch }) => launch?.['verify'] !== undefined),
      count(({ state }) => state === 'removed'),
    ];
  });
  return ['', ...tableLines([nameWidth, 8, 9], [['nodes by system', 'joined', 'removed'], ...rows])];
}

/** The calls by operation, the most frequent first. */
export function callLines(calls: readonly CallCount[]): string[] {
  const sorted = calls.toSorted((a, b) => b.count - a.count || a.operation.localeCompare(b.operation));
  const rows = sorted.map(({ operation, count, errors }) => {
    const refused = errors === 0 ? '' : `, ${errors} refused`;
    return `${String(count).padStart(6)} ${operation}${refused}`;
  });
  return [`AWS calls made by the worker: ${sum(sorted.map(({ count }) => count))}`, ...rows];
}
