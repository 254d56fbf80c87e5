import { ServiceFailure } from '../failure.ts';
import { arn, type Place } from '../place.ts';
import type { Timers } from '../timers.ts';
import type { MetricFilters } from './metric-filters.ts';

export interface LogEvent {
  readonly id: string;
  readonly stream: string;
  /** Milliseconds since 1970, as its writer says. */
  readonly timestamp: number;
  readonly ingestionTime: number;
  readonly message: string;
}

interface Group {
  readonly streams: Set<string>;
  readonly events: LogEvent[];
}

/** The log groups of this account. Nothing expires: a sandbox lives for an hour. */
export class LogGroups {
  readonly #groups = new Map<string, Group>();
  readonly #place: Place;
  readonly #timers: Timers;
  readonly #filters: MetricFilters;
  #events = 0;

  constructor(place: Place, timers: Timers, filters: MetricFilters) {
    this.#place = place;
    this.#timers = timers;
    this.#filters = filters;
  }

  names(): string[] {
    return [...this.#groups.keys()].toSorted();
  }

  /** As policies see it. */
  arnOf(name: string, stream?: string): string {
    const resource = `log-group:${name}`;
    return arn(this.#place, 'logs', stream === undefined ? resource : `${resource}:log-stream:${stream}`);
  }

  /** @throws ServiceFailure for a name that is there */
  create(name: string): void {
    if (this.#groups.has(name))
      throw new ServiceFailure('ResourceAlreadyExistsException', 'The specified log group already exists');
    this.#groups.set(name, { streams: new Set(), events: [] });
  }

  delete(name: string): void {
    this.#groups.delete(name);
  }

  /** @throws ServiceFailure for a name that is there, or in a group that is not */
  createStream(name: string, stream: string): void {
    const { streams } = this.#find(name);
    if (streams.has(stream))
      throw new ServiceFailure('ResourceAlreadyExistsException', 'The specified log stream already exists');
    streams.add(stream);
  }

  /** @throws ServiceFailure where there is no such group or stream */
  put(name: string, stream: string, events: readonly Pick<LogEvent, 'timestamp' | 'message'>[]): void {
    const group = this.#find(name);
    if (!group.streams.has(stream))
      throw new ServiceFailure('ResourceNotFoundException', 'The specified log stream does not exist.');
    for (const event of events) {
      this.#events += 1;
      const id = String(this.#events).padStart(56, '3');
      group.events.push({ ...event, id, stream, ingestionTime: this.#timers.now() });
    }
    this.#filters.came(
      name,
      events.map(({ message }) => message),
    );
  }

  /** In the order of their time; those of one time in the order in which they came. @throws ServiceFailure */
  events(name: string): LogEvent[] {
    return this.#find(name).events.toSorted((a, b) => a.timestamp - b.timestamp);
  }

  #find(name: string): Group {
    const found = this.#groups.get(name);
    if (found === undefined)
      throw new ServiceFailure('ResourceNotFoundException', 'The specified log group does not exist.');
    return found;
  }
}
