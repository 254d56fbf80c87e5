import type { Created } from '../evaluate.ts';
import {
  asBefore,
  optionalText,
  text,
  type ResourceTypes,
  type Target,
  type Wanted,
} from '../resource-type.ts';
import { isMap, TemplateError } from '../template.ts';

const bucketOf = (name: string, region: string): Created => ({
  ref: name,
  attributes: {
    Arn: `arn:aws:s3:::${name}`,
    DomainName: `${name}.s3.amazonaws.com`,
    RegionalDomainName: `${name}.s3.${region}.amazonaws.com`,
  },
});

/** @throws TemplateError */
function keepVersions(wanted: Wanted, name: string, { cloud }: Target): void {
  const given = wanted.properties['VersioningConfiguration'];
  if (given === undefined) {
    // What has once been switched on can only be suspended.
    if (cloud.buckets.versioning(name)) cloud.buckets.setVersioning(name, 'Suspended');
    return;
  }
  const status = isMap(given) ? given['Status'] : undefined;
  if (status !== 'Enabled' && status !== 'Suspended')
    throw new TemplateError(
      `${wanted.logicalId}'s VersioningConfiguration has no Status, Enabled or Suspended.`,
    );
  cloud.buckets.setVersioning(name, status);
}

/** A bucket has one policy at most, whichever stack made it. */
const policyOf = (bucket: string) => `AWS::S3::BucketPolicy ${bucket}`;
const hasPolicy = (bucket: string, { remembered }: Target) => remembered.has(policyOf(bucket));

export const s3: ResourceTypes = {
  'AWS::S3::Bucket': {
    // What it does with its objects later is left out: a sandbox lives for an hour.
    applied: ['BucketName', 'VersioningConfiguration'],
    inert: [
      'BucketEncryption',
      'LifecycleConfiguration',
      'LoggingConfiguration',
      'ObjectLockConfiguration',
      'ObjectLockEnabled',
      'OwnershipControls',
      'PublicAccessBlockConfiguration',
      'Tags',
    ],
    fixed: ['BucketName'],
    create(wanted, target) {
      const name = optionalText(wanted, 'BucketName') ?? wanted.madeUpName.toLowerCase();
      target.cloud.buckets.create(name);
      keepVersions(wanted, name, target);
      return bucketOf(name, target.region);
    },
    import: {
      by: 'BucketName',
      find(name, { region, cloud }) {
        if (!cloud.buckets.names().includes(name)) throw new Error('The specified bucket does not exist');
        return bucketOf(name, region);
      },
    },
    update(made, wanted, target) {
      keepVersions(wanted, made.ref, target);
      return asBefore(made);
    },
    delete({ ref }, { cloud, remembered }) {
      cloud.buckets.delete(ref);
      remembered.delete(policyOf(ref));
    },
  },
  'AWS::S3::BucketPolicy': {
    // The authorizer reads it.
    applied: ['Bucket', 'PolicyDocument'],
    fixed: ['Bucket'],
    create(wanted, target) {
      const bucket = text(wanted, 'Bucket');
      // Seen in aws-solutions/distributed-load-testing-on-aws, issue 167.
      if (hasPolicy(bucket, target))
        throw new TemplateError(`The bucket policy already exists on bucket ${bucket}.`);
      target.remembered.add(policyOf(bucket));
      return { ref: bucket, attributes: {} };
    },
    import: {
      by: 'Bucket',
      find(bucket, target) {
        if (!hasPolicy(bucket, target)) throw new Error('The bucket policy does not exist');
        return { ref: bucket, attributes: {} };
      },
    },
    update: asBefore,
    delete({ ref }, { remembered }) {
      remembered.delete(policyOf(ref));
    },
  },
};
