/** Buckets of AWS's own accounts that a worker needs, with policies that let them be used as they are. */
import { waitBucket } from '../cloud/wait/wait-handles.ts';
import { policy, type Policy } from '../iam/policies.ts';

/** Public: https://docs.aws.amazon.com/linux/al2023/ug/deterministic-upgrades-usage.html */
export const packagesBucket = (region: string): string => `al2023-repos-${region}-de612dc2`;

export function awsBuckets(region: string): ReadonlyMap<string, Policy> {
  return new Map([
    allow('PublicPackages', packagesBucket(region), 's3:GetObject'),
    // In AWS the one who signed the address is allowed, which is CloudFormation: a caller needs no right of his own.
    allow('SignedByCloudFormation', waitBucket(region), 's3:PutObject'),
  ]);
}

function allow(Sid: string, bucket: string, Action: string): [string, Policy] {
  const arn = `arn:aws:s3:::${bucket}`;
  const Statement = [{ Sid, Effect: 'Allow', Principal: '*', Action, Resource: `${arn}/*` }];
  return [arn, policy(bucket, { Version: '2012-10-17', Statement })];
}
