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
 * A message that can't be parsed comes back each second, so it reaches any limit soon. A message that can be parsed uses up one
 * receive whenever a worker dies while it works on it, is stopped, or finds that another worker has the lease. It must not
 * become a dead letter while its action waits: a second message of a launch that waits for 30 minutes comes back 15 times.
 */
export const defaultReceives = 20;
/** SQS takes no more. */
export const mostReceives = 1000;
/** Visibility time-out for readers that ask for none, in seconds; the agent asks for its own when it receives. */
const visibilityTimeout = 120;
/** Lifecycle actions last 48 hours at most, so older messages are of no use; SQS's own default is 4 days. */
const retentionSeconds = 4 * 24 * 3600;
/** The longest that SQS allows: a dead letter should still be there after a holiday. */
const deadLetterRetentionSeconds = 14 * 24 * 3600;
/** How long SQS reuses a data key, in seconds: at 300, it calls KMS 12 times an hour, which is far below KMS's limits. */
const kmsDataKeyReusePeriodSeconds = 300;

/** The queue that lifecycle hooks send to and the worker receives from, with its dead-letter queue. */
export class LifecycleQueue extends Construct {
  readonly queue: CfnQueue;
  readonly deadLetterQueue: CfnQueue;
  /** Sending to the queue is refused until this policy exists, so every sender depends on it. */
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
