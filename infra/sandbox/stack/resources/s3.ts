import { asBefore, optionalText, text, type ResourceTypes } from '../resource-type.ts';

export const s3: ResourceTypes = {
  'AWS::S3::Bucket': {
    // What it does with its objects later is left out: a sandbox lives for an hour.
    applied: ['BucketName'],
    inert: [
      'BucketEncryption',
      'LifecycleConfiguration',
      'LoggingConfiguration',
      'ObjectLockConfiguration',
      'ObjectLockEnabled',
      'OwnershipControls',
      'PublicAccessBlockConfiguration',
      'Tags',
      'VersioningConfiguration',
    ],
    fixed: ['BucketName'],
    create(wanted, { region, cloud }) {
      const name = optionalText(wanted, 'BucketName') ?? wanted.madeUpName.toLowerCase();
      cloud.buckets.create(name);
      return {
        ref: name,
        attributes: {
          Arn: `arn:aws:s3:::${name}`,
          DomainName: `${name}.s3.amazonaws.com`,
          RegionalDomainName: `${name}.s3.${region}.amazonaws.com`,
        },
      };
    },
    update: asBefore,
    delete({ ref }, { cloud }) {
      cloud.buckets.delete(ref);
    },
  },
  'AWS::S3::BucketPolicy': {
    // The authorizer reads it.
    applied: ['Bucket', 'PolicyDocument'],
    fixed: ['Bucket'],
    create: (wanted) => ({ ref: text(wanted, 'Bucket'), attributes: {} }),
    update: asBefore,
    delete: () => undefined,
  },
};
