import type { Keys } from '../kms/keys.ts';
import type { Place } from '../place.ts';
import type { Authorize } from '../seams.ts';
import type { Requirement } from '../service.ts';
import type { Topics } from '../sns/topics.ts';
import type { Queues } from '../sqs/queues.ts';
import type { Rule, Target } from './bus.ts';

const events = { name: 'events', arn: 'events.amazonaws.com', accessKeyId: '' };

/** Delivers what rules match, as the service that EventBridge is: topics and queues must let it in. */
export class RuleTargets {
  readonly #place: Place;
  readonly #authorize: Authorize;
  readonly #topics: Topics;
  readonly #queues: Queues;
  readonly #keys: Keys;

  constructor(parts: { place: Place; authorize: Authorize; topics: Topics; queues: Queues; keys: Keys }) {
    this.#place = parts.place;
    this.#authorize = parts.authorize;
    this.#topics = parts.topics;
    this.#queues = parts.queues;
    this.#keys = parts.keys;
  }

  /** A delivery that is refused is dropped, as EventBridge drops it; only its own metrics tell. */
  async deliver(target: Target, body: string, rule: Rule): Promise<void> {
    const topic = this.#topics.find(target.arn);
    const queue = this.#queues.withArn(target.arn);
    if (topic) {
      const uses = this.#keys.uses('write', topic.kmsKey, 'sns', { 'aws:sns:topicArn': topic.arn });
      if (await this.#may('sns:Publish', topic.arn, uses, rule)) topic.messages.push(body);
    } else if (queue) {
      const key = queue.settings.get('KmsMasterKeyId');
      const uses = this.#keys.uses('write', key, 'sqs', { 'aws:sqs:arn': queue.arn });
      if (await this.#may('sqs:SendMessage', queue.arn, uses, rule))
        queue.send(body, { senderId: events.arn });
    }
  }

  async #may(
    action: string,
    resourceArn: string,
    uses: readonly Requirement[],
    rule: Rule,
  ): Promise<boolean> {
    const wanted: Requirement[] = [{ action, resources: [{ arn: resourceArn }] }, ...uses];
    for (const need of wanted) {
      for (const resource of need.resources) {
        const decision = await this.#authorize({
          principal: events,
          action: need.action,
          resource,
          context: {
            'aws:SourceArn': rule.arn,
            'aws:SourceAccount': this.#place.accountId,
            'aws:SecureTransport': 'true',
            ...need.context,
          },
        });
        if (!decision.allowed) return false;
      }
    }
    return true;
  }
}
