import type { Created } from '../evaluate.ts';
import { asBefore, optionalText, type ResourceTypes, type Target } from '../resource-type.ts';

const groupOf = (name: string, { cloud }: Target): Created => ({
  ref: name,
  attributes: { Arn: `${cloud.logGroups.arnOf(name)}:*` },
});

export const logs: ResourceTypes = {
  'AWS::Logs::LogGroup': {
    applied: ['LogGroupName'],
    // Nothing is encrypted here, and a sandbox lives for an hour.
    inert: ['DeletionProtectionEnabled', 'KmsKeyId', 'LogGroupClass', 'RetentionInDays', 'Tags'],
    fixed: ['LogGroupName'],
    create(wanted, target) {
      const name = optionalText(wanted, 'LogGroupName') ?? wanted.madeUpName;
      target.cloud.logGroups.create(name);
      return groupOf(name, target);
    },
    import: {
      by: 'LogGroupName',
      find(name, target) {
        if (!target.cloud.logGroups.names().includes(name))
          throw new Error('The specified log group does not exist.');
        return groupOf(name, target);
      },
    },
    update: asBefore,
    delete({ ref }, { cloud }) {
      cloud.logGroups.delete(ref);
    },
  },
};
