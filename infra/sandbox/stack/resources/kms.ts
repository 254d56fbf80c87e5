import { asBefore, maps, text, type ResourceTypes } from '../resource-type.ts';
import { scalar } from '../template.ts';

export const kms: ResourceTypes = {
  'AWS::KMS::Key': {
    // Its policy is what counts, and the authorizer reads that. Nothing is encrypted here.
    applied: ['KeyPolicy', 'Tags'],
    inert: ['Description', 'EnableKeyRotation', 'PendingWindowInDays'],
    update: asBefore,
    create(wanted, { cloud }) {
      const tags = maps(wanted, 'Tags').map(({ Key, Value }): [string, string] => [
        scalar(Key, 'Key'),
        scalar(Value, 'Value'),
      ]);
      const { id, arn } = cloud.keys.create(new Map(tags));
      return { ref: id, attributes: { Arn: arn, KeyId: id } };
    },
    import: {
      by: 'KeyId',
      find(id, { cloud }) {
        const arn = cloud.keys.arnOf(id);
        if (arn === undefined) throw new Error(`Key '${id}' does not exist`);
        return { ref: id, attributes: { Arn: arn, KeyId: id } };
      },
    },
    delete({ ref }, { cloud }) {
      cloud.keys.scheduleDeletion(ref);
    },
  },
  'AWS::KMS::Alias': {
    applied: ['AliasName', 'TargetKeyId'],
    fixed: ['AliasName'],
    update(made, wanted, { cloud }) {
      cloud.keys.deleteAlias(made.ref);
      cloud.keys.alias(made.ref, text(wanted, 'TargetKeyId'));
      return asBefore(made);
    },
    create(wanted, { cloud }) {
      cloud.keys.alias(text(wanted, 'AliasName'), text(wanted, 'TargetKeyId'));
      return { ref: text(wanted, 'AliasName'), attributes: {} };
    },
    delete({ ref }, { cloud }) {
      cloud.keys.deleteAlias(ref);
    },
  },
};
