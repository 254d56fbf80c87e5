import { CfnQueue, CfnQueuePolicy } from 'aws-cdk-lib/aws-sqs';
import type { CfnKey } from 'aws-cdk-lib/aws-kms';
import { Construct } from 'constructs';
import { fillPolicy } from './policy-file.ts';
import type { Site } from './site.ts';

export interface LifecycleQueueProps {
  readonly site: Site;
  readonly key: CfnKey;
  /**
   * Receives before a message moves to the dead-letter queue.
   * @default - `defaultReceives`
   */
  readonly maxReceiveCount?: number;
}

/**
 * A message that a worker can't read comes back each second and is there soon, however many these are. One that it can
 * read uses one up whenever a worker dies over it, is stopped, or finds the action in another's hands, and must not get
 * there while its action waits: the second message of a launch that is held for 30 minutes comes back 15 times.
 */
export const defaultReceives = 20;
/** The agent asks for its own visibility when it receives; this is what a reader without one gets. Seconds. */
const visibilityTimeout = 120;
/** Lifecycle actions last 48 hours at most, so anything older is a rumour of the past; SQS's own default is 4 days. */
const retentionSeconds = 4 * 24 * 3600;
/** The most that SQS keeps: a dead letter should outlive a holiday. */
const deadLetterRetentionSeconds = 14 * 24 * 3600;
/** How long SQS reuses a data key, in seconds: at 300, KMS is asked 12 times an hour and is no bottleneck. */
const kmsDataKeyReusePeriodSeconds = 300;

/** Where lifecycle hooks send, and what the worker reads. */
export class LifecycleQueue extends Construct {
  readonly queue: CfnQueue;
  readonly deadLetterQueue: CfnQueue;
  /** To send to a queue whose policy is not there yet is refused, so whatever sends depends on it. */
  readonly policy: CfnQueuePolicy;

  constructor(scope: Construct, id: string, props: LifecycleQueueProps) {
    super(scope, id);
    const { site, key } = props;
    const name = `${site.deployment}-lifecycle`;
    const encryption = { kmsMasterKeyId: key.attrKeyId, kmsDataKeyReusePeriodSeconds };
    this.deadLetterQueue = new CfnQueue(this, 'DeadLetters', {
      queueName: `${name}-dead-letters`,
      messageRetentionPeriod: deadLetterRetentionSeconds,
      ...encryption,
    });
    this.queue = new CfnQueue(this, 'Queue', {
      queueName: name,
      visibilityTimeout,
      messageRetentionPeriod: retentionSeconds,
      redrivePolicy: {
        deadLetterTargetArn: this.deadLetterQueue.attrArn,
        maxReceiveCount: props.maxReceiveCount ?? defaultReceives,
      },
      ...encryption,
    });
    this.policy = new CfnQueuePolicy(this, 'Policy', {
      queues: [this.queue.ref],
      policyDocument: fillPolicy('queue', { ...site.policyValues, QueueArn: this.queue.attrArn }),
    });
    new CfnQueuePolicy(this, 'DeadLettersPolicy', {
      queues: [this.deadLetterQueue.ref],
      policyDocument: fillPolicy('dead-letter-queue', {
        ...site.policyValues,
        DeadLetterQueueArn: this.deadLetterQueue.attrArn,
      }),
    });
  }
}
