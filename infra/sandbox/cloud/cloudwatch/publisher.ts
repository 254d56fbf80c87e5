import type { Keys } from '../kms/keys.ts';
import { serviceMay } from '../on-behalf.ts';
import type { Place } from '../place.ts';
import type { Authorize } from '../seams.ts';
import type { Topics } from '../sns/topics.ts';

export interface AlarmPublisherParts {
  readonly place: Place;
  readonly authorize: Authorize;
  readonly topics: Topics;
  readonly keys: Keys;
}

/**
 * Publishes as the service that CloudWatch is. A topic that is not there or does not let it in gets nothing: "CloudWatch doesn't test or
 * validate the actions that you specify".
 */
export async function publishAlarm(
  parts: AlarmPublisherParts,
  topicArn: string,
  body: string,
  alarmArn: string,
): Promise<void> {
  const topic = parts.topics.find(topicArn);
  if (topic === undefined) return;
  const wanted = [
    { action: 'sns:Publish', resources: [{ arn: topic.arn }] },
    ...parts.keys.uses('write', topic.kmsKey, 'sns', { 'aws:sns:topicArn': topic.arn }),
  ];
  if (await serviceMay(parts, 'cloudwatch', alarmArn, wanted)) topic.messages.push(body);
}
