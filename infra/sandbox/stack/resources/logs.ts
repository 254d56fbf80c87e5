import { asBefore, optionalText, type ResourceTypes } from '../resource-type.ts';

export const logs: ResourceTypes = {
  'AWS::Logs::LogGroup': {
    applied: ['LogGroupName'],
    // Nothing is encrypted here, and a sandbox lives for an hour.
    inert: ['DeletionProtectionEnabled', 'KmsKeyId', 'LogGroupClass', 'RetentionInDays', 'Tags'],
    fixed: ['LogGroupName'],
    create(wanted, { cloud }) {
      const name = optionalText(wanted, 'LogGroupName') ?? wanted.madeUpName;
      cloud.logGroups.create(name);
      return { ref: name, attributes: { Arn: `${cloud.logGroups.arnOf(name)}:*` } };
    },
    update: asBefore,
    delete({ ref }, { cloud }) {
      cloud.logGroups.delete(ref);
    },
  },
};
