import { arn, type Place } from '../place.ts';

export interface Topic {
  readonly arn: string;
  readonly kmsKey: string | undefined;
  /** The bodies of what was published, in order. */
  readonly messages: string[];
}

/** Topics keep what was published: there are no subscribers here; tests read it. */
export class Topics {
  readonly #topics = new Map<string, Topic>();
  readonly #place: Place;

  constructor(place: Place) {
    this.#place = place;
  }

  create(name: string, kmsKey: string | undefined): Topic {
    const topicArn = arn(this.#place, 'sns', name);
    const topic: Topic = { arn: topicArn, kmsKey, messages: [] };
    this.#topics.set(topicArn, topic);
    return topic;
  }

  delete(topicArn: string): void {
    this.#topics.delete(topicArn);
  }

  find(topicArn: string): Topic | undefined {
    return this.#topics.get(topicArn);
  }

  all(): Topic[] {
    return [...this.#topics.values()];
  }
}
