/** What services and log groups measure, as CloudWatch keeps it: values at times, of which an alarm reads statistics over periods. */

export interface Metric {
  /** Such as `AWS/SQS`. */
  readonly namespace: string;
  readonly name: string;
  /** Values by the names of the dimensions. Other dimensions are another metric. */
  readonly dimensions: Readonly<Record<string, string>>;
}

interface Sample {
  readonly at: number;
  readonly value: number;
}

const statistics: Readonly<Record<string, (values: readonly number[]) => number>> = {
  Sum: sum,
  Minimum: (values) => Math.min(...values),
  Maximum: (values) => Math.max(...values),
  Average: (values) => sum(values) / values.length,
  SampleCount: (values) => values.length,
};

/** Whether it can be read here: percentiles can't. */
export const isStatistic = (name: string): boolean => name in statistics;

/** A day, in milliseconds: an alarm on periods of minutes evaluates no more (PutMetricAlarm, CloudWatch API Reference). */
const keptMs = 86_400_000;

export class Metrics {
  readonly #samples = new Map<string, Sample[]>();

  /** @param at milliseconds since the Unix epoch */
  put(metric: Metric, value: number, at: number): void {
    const samples = this.#samples.get(keyOf(metric)) ?? [];
    samples.push({ at, value });
    while ((samples[0]?.at ?? at) < at - keptMs) samples.shift();
    this.#samples.set(keyOf(metric), samples);
  }

  /** Over the time from `from` until before `to`; undefined where nothing was measured. */
  statistic(metric: Metric, name: string, from: number, to: number): number | undefined {
    const samples = this.#samples.get(keyOf(metric)) ?? [];
    const values = samples.filter(({ at }) => at >= from && at < to).map(({ value }) => value);
    return values.length === 0 ? undefined : statistics[name]?.(values);
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function keyOf({ namespace, name, dimensions }: Metric): string {
  const named = Object.entries(dimensions).map((each) => JSON.stringify(each));
  return JSON.stringify([namespace, name, named.toSorted()]);
}
