import type { Place } from '../place.ts';
import { uuid, type Random } from '../random.ts';
import type { Timers } from '../timers.ts';
import { fits } from './pattern.ts';
import { transformed, type InputTransformer } from './transformer.ts';

export interface Target {
  readonly arn: string;
  readonly transformer?: InputTransformer;
}

export interface Rule {
  readonly name: string;
  readonly arn: string;
  readonly pattern: unknown;
  /**
   * Read-only calls in the audit trail reach a rule only with the last of these states, which AWS introduced because they
   * are so many.
   */
  readonly state: 'ENABLED' | 'DISABLED' | 'ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS';
  readonly targets: readonly Target[];
}

export interface BusEvent {
  /** Such as `aws.secretsmanager`. */
  readonly source: string;
  readonly detailType: string;
  /** ARNs of what it is about. Default: none. */
  readonly resources?: readonly string[];
  readonly detail: Readonly<Record<string, unknown>>;
}

/** Hands a body to a target as `rule`; the bus does not learn whether the target takes it. */
export type Deliver = (target: Target, body: string, rule: Rule) => void;

/** EventBridge's default bus. */
export class Bus {
  #rules: Rule[] = [];
  readonly #place: Place;
  readonly #timers: Timers;
  readonly #random: Random;
  readonly #deliver: Deliver;

  constructor(parts: { place: Place; timers: Timers; random: Random; deliver: Deliver }) {
    this.#place = parts.place;
    this.#timers = parts.timers;
    this.#random = parts.random;
    this.#deliver = parts.deliver;
  }

  /** @throws Error when the pattern can't be read */
  addRule(rule: Rule): void {
    fits(rule.pattern, {});
    this.#rules.push(rule);
  }

  /** The names of the rules. */
  rules(): string[] {
    return this.#rules.map(({ name }) => name);
  }

  removeRule(name: string): void {
    this.#rules = this.#rules.filter((each) => each.name !== name);
  }

  put(happened: BusEvent): void {
    const event = {
      version: '0',
      id: uuid(this.#random),
      'detail-type': happened.detailType,
      source: happened.source,
      account: this.#place.accountId,
      time: this.#timers
        .date()
        .toISOString()
        .replace(/\.\d+Z$/, 'Z'),
      region: this.#place.region,
      resources: happened.resources ?? [],
      detail: happened.detail,
    };
    for (const rule of this.#rules.filter((each) => hears(each, happened) && fits(each.pattern, event))) {
      for (const target of rule.targets)
        this.#deliver(target, transformed(target.transformer, event, rule), rule);
    }
  }
}

function hears(rule: Rule, event: BusEvent): boolean {
  if (rule.state === 'DISABLED') return false;
  const isRead = event.detailType.endsWith('via CloudTrail') && event.detail['readOnly'] === true;
  return !isRead || rule.state === 'ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS';
}
