import type { Keys } from '../kms/keys.ts';
import { serviceMay } from '../on-behalf.ts';
import type { Place } from '../place.ts';
import type { Authorize } from '../seams.ts';
import type { Requirement } from '../service.ts';
import type { Topics } from '../sns/topics.ts';
import type { Queues } from '../sqs/queues.ts';
import type { Rule, Target } from './bus.ts';

export interface RuleTargetsParts {
  readonly place: Place;
  readonly authorize: Authorize;
  readonly topics: Topics;
  readonly queues: Queues;
  readonly keys: Keys;
  /** Told of each delivery that is refused. */
  readonly failed: (rule: Rule) => void;
}

/** Delivers what rules match, as the service that EventBridge is: topics and queues must let it in. */
export class RuleTargets {
  readonly #parts: RuleTargetsParts;

  constructor(parts: RuleTargetsParts) {
    this.#parts = parts;
  }

  /** A delivery that is refused is dropped, as EventBridge drops it; only its own metrics tell. */
  async deliver(target: Target, body: string, rule: Rule): Promise<void> {
    const { topics, queues, keys } = this.#parts;
    const topic = topics.find(target.arn);
    const queue = queues.withArn(target.arn);
    if (topic) {
      const uses = keys.uses('write', topic.kmsKey, 'sns', { 'aws:sns:topicArn': topic.arn });
      if (await this.#may('sns:Publish', topic.arn, uses, rule)) topic.messages.push(body);
    } else if (queue) {
      const key = queue.settings.get('KmsMasterKeyId');
      const uses = keys.uses('write', key, 'sqs', { 'aws:sqs:arn': queue.arn });
      if (await this.#may('sqs:SendMessage', queue.arn, uses, rule))
        queue.send(body, { senderId: 'events.amazonaws.com' });
    } else this.#parts.failed(rule);
  }

  async #may(
    action: string,
    resourceArn: string,
    uses: readonly Requirement[],
    rule: Rule,
  ): Promise<boolean> {
    const wanted: Requirement[] = [{ action, resources: [{ arn: resourceArn }] }, ...uses];
    const may = await serviceMay(this.#parts, 'events', rule.arn, wanted);
    if (!may) this.#parts.failed(rule);
    return may;
  }
}
