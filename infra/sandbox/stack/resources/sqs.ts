import {
  CreateQueueCommand,
  DeleteQueueCommand,
  GetQueueAttributesCommand,
  SetQueueAttributesCommand,
} from '@aws-sdk/client-sqs';
import { optionalText, texts, type ResourceTypes } from '../resource-type.ts';
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
    async create(wanted, { clients }) {
      const QueueName = optionalText(wanted, 'QueueName') ?? wanted.madeUpName;
      const given = attributes.flatMap((name): [string, string][] => {
        const value = wanted.properties[name];
        if (value === undefined) return [];
        return [[name, isMap(value) ? JSON.stringify(value) : scalar(value, name)]];
      });
      const { QueueUrl } = await clients.sqs.send(
        new CreateQueueCommand({ QueueName, Attributes: Object.fromEntries(given) }),
      );
      const { Attributes } = await clients.sqs.send(
        new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['QueueArn'] }),
      );
      return {
        ref: QueueUrl ?? '',
        attributes: { Arn: Attributes?.['QueueArn'] ?? '', QueueName, QueueUrl: QueueUrl ?? '' },
      };
    },
    delete: ({ ref }, { clients }) => clients.sqs.send(new DeleteQueueCommand({ QueueUrl: ref })),
  },
  'AWS::SQS::QueuePolicy': {
    applied: ['Queues', 'PolicyDocument'],
    async create(wanted, { clients }) {
      const Policy = JSON.stringify(wanted.properties['PolicyDocument']);
      for (const QueueUrl of texts(wanted, 'Queues')) {
        await clients.sqs.send(new SetQueueAttributesCommand({ QueueUrl, Attributes: { Policy } }));
      }
      return { ref: wanted.madeUpName, attributes: { Id: wanted.madeUpName } };
    },
    async delete(made, { clients }) {
      for (const QueueUrl of texts(made, 'Queues')) {
        await clients.sqs.send(new SetQueueAttributesCommand({ QueueUrl, Attributes: { Policy: '' } }));
      }
    },
  },
};
