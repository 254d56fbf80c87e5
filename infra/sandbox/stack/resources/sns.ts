import { asBefore, optionalText, type ResourceTypes } from '../resource-type.ts';

export const sns: ResourceTypes = {
  'AWS::SNS::Topic': {
    applied: ['TopicName', 'KmsMasterKeyId'],
    inert: ['DisplayName', 'Tags'],
    fixed: ['TopicName', 'KmsMasterKeyId'],
    create(wanted, { cloud }) {
      const name = optionalText(wanted, 'TopicName') ?? wanted.madeUpName;
      const topic = cloud.topics.create(name, optionalText(wanted, 'KmsMasterKeyId'));
      return { ref: topic.arn, attributes: { TopicArn: topic.arn, TopicName: name } };
    },
    update: asBefore,
    delete({ ref }, { cloud }) {
      cloud.topics.delete(ref);
    },
  },
};
