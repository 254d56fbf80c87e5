/**
 * CloudWatch's alarms, on its own clock: once a minute each alarm looks at its last periods.
 *
 *   INSUFFICIENT_DATA ──enough is known──▶ OK, ALARM
 *   OK ──as many data points as the alarm wants are beyond the threshold──▶ ALARM
 *   ALARM ──they no longer are──▶ OK
 *
 * Each transition is taken here, and told to the topics that are the new state's actions.
 */
import type { Place } from '../place.ts';
import type { Timers } from '../timers.ts';
import { evaluate, lookedAt, type Verdict } from './evaluate.ts';
import type { Metrics } from './metrics.ts';
import { alarmArn, notice, type StateChange } from './notice.ts';
import { unevaluated, valueOf, type AlarmSettings, type AlarmState } from './settings.ts';

export interface Alarm {
  readonly settings: AlarmSettings;
  readonly state: AlarmState;
  readonly reason: string;
}

interface Entry {
  settings: AlarmSettings;
  configuredAt: Date;
  state: AlarmState;
  reason: string;
}

export interface AlarmsParts {
  readonly place: Place;
  readonly timers: Timers;
  readonly metrics: Metrics;
  /** Called once a minute, before alarms are evaluated: services tell what they have measured since. */
  readonly measure: (at: number) => void;
  /** Tells a topic, as the service that CloudWatch is. */
  readonly publish: (topicArn: string, body: string, alarmArn: string) => void;
}

/** Alarms on periods of a minute and longer are evaluated each minute. */
const minuteMs = 60_000;

export class Alarms {
  readonly #alarms = new Map<string, Entry>();
  readonly #parts: AlarmsParts;
  #stop: (() => void) | undefined;

  constructor(parts: AlarmsParts) {
    this.#parts = parts;
  }

  all(): Alarm[] {
    return [...this.#alarms.values()];
  }

  find(name: string): Alarm | undefined {
    return this.#alarms.get(name);
  }

  /** Those that stay INSUFFICIENT_DATA because the sandbox can't evaluate them, and why. */
  unevaluated(): ReadonlyMap<string, string> {
    return new Map(
      this.all().flatMap(({ settings }) => {
        const reason = unevaluated(settings);
        return reason === undefined ? [] : [[settings.name, reason] as const];
      }),
    );
  }

  /** A new alarm, or other settings for the one of this name, which keeps its state. */
  put(settings: AlarmSettings): void {
    const { state = 'INSUFFICIENT_DATA', reason } = this.#alarms.get(settings.name) ?? {};
    this.#alarms.set(settings.name, {
      settings,
      configuredAt: this.#parts.timers.date(),
      state,
      reason: reason ?? unevaluated(settings) ?? 'Unchecked: Initial alarm creation',
    });
    this.#stop ??= this.#nextMinute();
  }

  delete(name: string): void {
    this.#alarms.delete(name);
    if (this.#alarms.size > 0) return;
    this.#stop?.();
    this.#stop = undefined;
  }

  #nextMinute(): () => void {
    const { timers, measure } = this.#parts;
    const now = timers.now();
    return timers.after(minuteMs - (now % minuteMs), () => {
      const minute = timers.now() - (timers.now() % minuteMs);
      measure(minute);
      for (const entry of this.#alarms.values()) this.#look(entry, minute);
      this.#stop = this.#nextMinute();
    });
  }

  #look(entry: Entry, now: number): void {
    const { settings } = entry;
    if (unevaluated(settings) !== undefined) return;
    const period = 1_000 * Math.max(...settings.queries.map(({ of }) => ('period' in of ? of.period : 0)));
    const points = Array.from({ length: lookedAt(settings) }, (_, index) => {
      const at = now - (index + 1) * period;
      const value = valueOf(settings.queries, ({ of }) =>
        of.kind === 'statistic'
          ? this.#parts.metrics.statistic(of.metric, of.name, at, at + period)
          : undefined,
      );
      return { at, value };
    });
    const verdict = evaluate(settings, points);
    if (verdict !== undefined && verdict.state !== entry.state) this.#turn(entry, verdict);
  }

  #turn(entry: Entry, { state, reason }: Verdict): void {
    const { place, timers, publish } = this.#parts;
    const { settings, configuredAt } = entry;
    const change: StateChange = { from: entry.state, to: state, reason, at: timers.date(), configuredAt };
    Object.assign(entry, { state, reason });
    for (const action of settings.actions[state])
      // Nothing scales here: the action of a scaling policy is left out.
      if (action.startsWith('arn:aws:sns:'))
        publish(action, notice(place, settings, change), alarmArn(place, settings.name));
  }
}
