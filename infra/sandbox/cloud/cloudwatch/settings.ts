import { isStatistic, type Metric } from './metrics.ts';

export type AlarmState = 'OK' | 'ALARM' | 'INSUFFICIENT_DATA';

/** One row of an alarm's `Metrics`: a statistic of a metric, or an expression over other rows. */
export interface Query {
  readonly id: string;
  readonly label?: string | undefined;
  /** Of one row, the alarm looks at the values. */
  readonly returnData: boolean;
  readonly of:
    | {
        readonly kind: 'statistic';
        readonly metric: Metric;
        readonly name: string;
        /** Seconds. */
        readonly period: number;
      }
    | { readonly kind: 'expression'; readonly text: string };
}

/** How a value and a threshold are compared: the words of a state's reason, and the comparison. */
export const comparisons: Readonly<
  Record<string, { readonly words: string; readonly beyond: (value: number, threshold: number) => boolean }>
> = {
  GreaterThanOrEqualToThreshold: {
    words: 'greater than or equal to',
    beyond: (value, threshold) => value >= threshold,
  },
  GreaterThanThreshold: { words: 'greater than', beyond: (value, threshold) => value > threshold },
  LessThanThreshold: { words: 'less than', beyond: (value, threshold) => value < threshold },
  LessThanOrEqualToThreshold: {
    words: 'less than or equal to',
    beyond: (value, threshold) => value <= threshold,
  },
};

export type Missing = 'missing' | 'ignore' | 'breaching' | 'notBreaching';

export interface AlarmSettings {
  readonly name: string;
  readonly description: string | undefined;
  readonly queries: readonly Query[];
  /** Absent where a band is the threshold. */
  readonly threshold: number | undefined;
  readonly comparison: string;
  readonly evaluationPeriods: number;
  readonly datapointsToAlarm: number;
  readonly missing: Missing;
  /** ARNs of what is told when this state begins. */
  readonly actions: Readonly<Record<AlarmState, readonly string[]>>;
}

/** `a + b`, of two rows. */
const binary = /^(?<left>\w+) (?<operator>[-+*/]) (?<right>\w+)$/;
/** Of all rows that are metrics. */
const total = 'SUM(METRICS())';

/** Why the sandbox can't evaluate an alarm; undefined where it can. */
export function unevaluated({ queries, threshold, comparison }: AlarmSettings): string | undefined {
  for (const { of } of queries) {
    if (of.kind === 'statistic' && !isStatistic(of.name)) return `The statistic ${of.name} is not emulated.`;
    if (of.kind === 'expression' && of.text !== total && !binary.test(of.text))
      return `The expression ${of.text} is not emulated.`;
  }
  if (threshold === undefined || !(comparison in comparisons))
    return `The comparison ${comparison} is not emulated.`;
  return undefined;
}

/**
 * The value that an alarm looks at. As in metric math, an operator has a value where both sides have one, and a sum where any row has.
 * @param read the statistic of a row that is a metric; undefined where nothing was measured
 */
export function valueOf(
  queries: readonly Query[],
  read: (query: Query) => number | undefined,
): number | undefined {
  const value = (query: Query | undefined): number | undefined => {
    if (query === undefined) return undefined;
    if (query.of.kind === 'statistic') return read(query);
    if (query.of.text === total) {
      const there = queries.flatMap((each) => (each.of.kind === 'statistic' ? (read(each) ?? []) : []));
      return there.length === 0 ? undefined : there.reduce((sum, each) => sum + each, 0);
    }
    const { left, operator, right } = binary.exec(query.of.text)?.groups ?? {};
    const row = (id: string | undefined) => queries.find((each) => each.id === id);
    const [a, b] = [value(row(left)), value(row(right))];
    if (a === undefined || b === undefined) return undefined;
    // "If the divisor is 0, there is no data point."
    if (operator === '/') return b === 0 ? undefined : a / b;
    if (operator === '*') return a * b;
    return operator === '-' ? a - b : a + b;
  };
  return value(queries.find(({ returnData }) => returnData));
}
