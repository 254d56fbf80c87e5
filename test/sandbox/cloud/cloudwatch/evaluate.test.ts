import { expect, test } from '@jest/globals';
import { evaluate, lookedAt } from '../../../../infra/sandbox/cloud/cloudwatch/evaluate.ts';
import {
  unevaluated,
  valueOf,
  type AlarmSettings,
  type Missing,
  type Query,
} from '../../../../infra/sandbox/cloud/cloudwatch/settings.ts';

const settings = (
  least: number,
  most: number,
  missing: Missing,
  queries: readonly Query[] = [],
): AlarmSettings => ({
  name: 'alarm',
  description: undefined,
  queries,
  threshold: 3,
  comparison: 'GreaterThanOrEqualToThreshold',
  evaluationPeriods: most,
  datapointsToAlarm: least,
  missing,
  actions: { OK: [], ALARM: [], INSUFFICIENT_DATA: [] },
});

/** As the guide writes them: the oldest first, X beyond the threshold, 0 within it, - missing. */
const points = (text: string) =>
  text
    .split(' ')
    .map((each, index) => ({
      at: Date.UTC(2026, 10, 30, 16, 5 * index),
      value: each === '-' ? undefined : each === 'X' ? 4 : 0,
    }))
    .toReversed();

const kinds = ['missing', 'ignore', 'breaching', 'notBreaching'] as const;

/** "How alarm state is evaluated when data is missing", its two tables. `-` keeps the state. */
test.each([
  [3, '0 - X - X', 'OK OK OK OK'],
  [3, '0 - - - -', 'OK OK OK OK'],
  [3, '- - - - -', 'INSUFFICIENT_DATA - ALARM OK'],
  [3, '0 X X - X', 'ALARM ALARM ALARM ALARM'],
  [3, '- - - - X', 'INSUFFICIENT_DATA - ALARM OK'],
  [3, 'X - - - -', 'ALARM - ALARM OK'],
  [2, '0 - X - X', 'ALARM ALARM ALARM ALARM'],
  [2, '0 0 X 0 X', 'ALARM ALARM ALARM ALARM'],
  [2, '0 - X - -', 'OK OK ALARM OK'],
  [2, '- - - - 0', 'OK OK ALARM OK'],
  [2, '- - - - X', 'INSUFFICIENT_DATA - ALARM OK'],
])('%i of 3 data points, %s: the states of the user guide', (least, text, states) => {
  const seen = kinds.map((missing) => evaluate(settings(least, 3, missing), points(text))?.state ?? '-');
  expect(seen.join(' ')).toBe(states);
  expect(lookedAt(settings(least, 3, 'missing'))).toBe(5);
});

test('the reason counts the data points that decided, and those that were filled in', () => {
  expect(evaluate(settings(2, 3, 'notBreaching'), points('0 0 X 0 X'))?.reason).toBe(
    'Threshold Crossed: 2 out of the last 3 datapoints [4.0 (30/11/26 16:20:00), 4.0 (30/11/26 16:10:00)] were greater than or equal to the threshold (3.0) (minimum 2 datapoints for OK -> ALARM transition).',
  );
  expect(evaluate(settings(1, 1, 'notBreaching'), points('- - 0'))?.reason).toBe(
    'Threshold Crossed: 1 out of the last 1 datapoints [0.0 (30/11/26 16:10:00)] was not greater than or equal to the threshold (3.0) (minimum 1 datapoint for ALARM -> OK transition).',
  );
  expect(evaluate(settings(1, 1, 'notBreaching'), points('- - -'))?.reason).toBe(
    'Threshold Crossed: no datapoints were received for 1 period and 1 missing datapoint was treated as [NonBreaching].',
  );
});

const row = (id: string, stat = 'Sum'): Query => ({
  id,
  returnData: false,
  of: {
    kind: 'statistic',
    metric: { namespace: 'n', name: id, dimensions: {} },
    name: stat,
    period: 300,
  },
});
const expression = (text: string): Query => ({
  id: 'e',
  returnData: true,
  of: { kind: 'expression', text },
});

test.each([
  ['a - b', { a: 3, b: 1 }, 2],
  ['a + b', { a: 3 }, undefined],
  ['a / b', { a: 3, b: 0 }, undefined],
  ['SUM(METRICS())', { a: 3, b: 1 }, 4],
  ['SUM(METRICS())', { b: 1 }, 1],
  ['SUM(METRICS())', {}, undefined],
])('%s of %j is %s', (text, values: Readonly<Record<string, number>>, wanted) => {
  expect(valueOf([row('a'), row('b'), expression(text)], ({ id }) => values[id])).toBe(wanted);
});

test('what can not be evaluated here is said', () => {
  const of = (...queries: Query[]) => unevaluated(settings(1, 1, 'missing', queries));
  expect(of(row('a'), expression('a - b'))).toBeUndefined();
  expect(of(row('a'), expression('ANOMALY_DETECTION_BAND(a, 4)'))).toBe(
    'The expression ANOMALY_DETECTION_BAND(a, 4) is not emulated.',
  );
  expect(of(row('a', 'p50'))).toBe('The statistic p50 is not emulated.');
  expect(
    unevaluated({ ...settings(1, 1, 'missing', [row('a')]), comparison: 'GreaterThanUpperThreshold' }),
  ).toBe('The comparison GreaterThanUpperThreshold is not emulated.');
});
