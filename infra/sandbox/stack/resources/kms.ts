import { asBefore, text, type ResourceTypes } from '../resource-type.ts';

export const kms: ResourceTypes = {
  'AWS::KMS::Key': {
    // Its policy is what counts, and the authorizer reads that. Nothing is encrypted here.
    applied: ['KeyPolicy'],
    inert: ['Description', 'EnableKeyRotation', 'PendingWindowInDays', 'Tags'],
    update: asBefore,
    create(_wanted, { cloud }) {
      const { id, arn } = cloud.keys.create();
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
