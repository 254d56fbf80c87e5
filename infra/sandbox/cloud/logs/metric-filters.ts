import type { Metric, Metrics } from '../cloudwatch/metrics.ts';
import type { Timers } from '../timers.ts';
import { fieldOf, filterPattern, parsed } from './filter-pattern.ts';

export interface MetricFilter {
  readonly group: string;
  readonly name: string;
  readonly pattern: string;
  readonly metric: Metric;
  /** A number, or the path of a field that has one. */
  readonly value: string;
  /** What a delivery in which no event fits counts. Absent: nothing. */
  readonly otherwise: number | undefined;
}

interface Entry extends MetricFilter {
  readonly fits: (message: string) => boolean;
}

/** Turn events of log groups into metrics, as they come in. */
export class MetricFilters {
  readonly #filters = new Map<string, Entry>();
  readonly #metrics: Metrics;
  readonly #timers: Timers;

  /** @param timers CloudWatch's own */
  constructor(metrics: Metrics, timers: Timers) {
    this.#metrics = metrics;
    this.#timers = timers;
  }

  /** @throws Error for a pattern that is not emulated */
  put(filter: MetricFilter): void {
    this.#filters.set(`${filter.group} ${filter.name}`, { ...filter, fits: filterPattern(filter.pattern) });
  }

  delete(group: string, name: string): void {
    this.#filters.delete(`${group} ${name}`);
  }

  /** Events that a group has got together. */
  came(group: string, messages: readonly string[]): void {
    const now = this.#timers.now();
    for (const filter of [...this.#filters.values()].filter((each) => each.group === group)) {
      const values = messages.filter(filter.fits).flatMap((message) => {
        const value = Number(
          filter.value.startsWith('$') ? fieldOf(parsed(message), filter.value) : filter.value,
        );
        // An event whose field is no number is left out.
        return Number.isFinite(value) ? [value] : [];
      });
      const counted = values.length === 0 && filter.otherwise !== undefined ? [filter.otherwise] : values;
      for (const value of counted) this.#metrics.put(filter.metric, value, now);
    }
  }
}
