import {
  CreateQueueCommand,
  DeleteQueueCommand,
  GetQueueAttributesCommand,
  SetQueueAttributesCommand,
} from '@aws-sdk/client-sqs';
import {
  asBefore,
  optionalText,
  texts,
  type ResourceTypes,
  type Target,
  type Wanted,
} from '../resource-type.ts';
import { isMap, scalar } from '../template.ts';

/** Attributes of a queue that are properties of the same name. */
const attributes = [
  'DelaySeconds',
  'KmsDataKeyReusePeriodSeconds',
  'KmsMasterKeyId',
  'MaximumMessageSize',
  'MessageRetentionPeriod',
  'ReceiveMessageWaitTimeSeconds',
  'RedriveAllowPolicy',
  'RedrivePolicy',
  'SqsManagedSseEnabled',
  'VisibilityTimeout',
] as const;

export const sqs: ResourceTypes = {
  'AWS::SQS::Queue': {
    applied: ['QueueName', ...attributes],
    inert: ['Tags'],
    fixed: ['QueueName'],
    async create(wanted, { clients }) {
      const QueueName = optionalText(wanted, 'QueueName') ?? wanted.madeUpName;
      const { QueueUrl } = await clients.sqs.send(
        new CreateQueueCommand({ QueueName, Attributes: attributesOf(wanted) }),
      );
      const { Attributes } = await clients.sqs.send(
        new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['QueueArn'] }),
      );
      return {
        ref: QueueUrl ?? '',
        attributes: { Arn: Attributes?.['QueueArn'] ?? '', QueueName, QueueUrl: QueueUrl ?? '' },
      };
    },
    async update(made, wanted, { clients }) {
      await clients.sqs.send(
        new SetQueueAttributesCommand({ QueueUrl: made.ref, Attributes: attributesOf(wanted) }),
      );
      return asBefore(made);
    },
    delete: ({ ref }, { clients }) => clients.sqs.send(new DeleteQueueCommand({ QueueUrl: ref })),
  },
  'AWS::SQS::QueuePolicy': {
    applied: ['Queues', 'PolicyDocument'],
    fixed: ['Queues'],
    async create(wanted, target) {
      await putPolicy(wanted, target);
      return { ref: wanted.madeUpName, attributes: { Id: wanted.madeUpName } };
    },
    async update(made, wanted, target) {
      await putPolicy(wanted, target);
      return asBefore(made);
    },
    async delete(made, { clients }) {
      for (const QueueUrl of texts(made, 'Queues')) {
        await clients.sqs.send(new SetQueueAttributesCommand({ QueueUrl, Attributes: { Policy: '' } }));
      }
    },
  },
};

function attributesOf(wanted: Wanted): Record<string, string> {
  const given = attributes.flatMap((name): [string, string][] => {
    const value = wanted.properties[name];
    if (value === undefined) return [];
    return [[name, isMap(value) ? JSON.stringify(value) : scalar(value, name)]];
  });
  return Object.fromEntries(given);
}

async function putPolicy(wanted: Wanted, { clients }: Target): Promise<void> {
  const Policy = JSON.stringify(wanted.properties['PolicyDocument']);
  for (const QueueUrl of texts(wanted, 'Queues')) {
    await clients.sqs.send(new SetQueueAttributesCommand({ QueueUrl, Attributes: { Policy } }));
  }
}
