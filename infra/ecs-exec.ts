import { type CfnCondition, Fn } from 'aws-cdk-lib';
import type { ExecuteCommandConfiguration } from 'aws-cdk-lib/aws-ecs';
import { ExecuteCommandLogging } from 'aws-cdk-lib/aws-ecs';
import { Key } from 'aws-cdk-lib/aws-kms';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';

/** Where sessions are recorded. */
export interface Records {
  readonly keyArn: string;
  readonly logGroupName: string;
  readonly bucketName: string;
  /** Whether records in the bucket are locked: the agent of ECS Exec sends no checksum, so S3 refuses its records there. */
  readonly locked: boolean | CfnCondition;
}

/** Records of tasks in the bucket, beside those of nodes. */
const s3KeyPrefix = 'ecs';

/**
 * How a cluster records ECS Exec. No policy can enforce it: what operators may do says who reaches a task, and the cluster alone
 * says what is recorded, and under which key.
 */
export class EcsExec extends Construct {
  /** For `executeCommandConfiguration` of a cluster. */
  readonly configuration: ExecuteCommandConfiguration;

  /** @param records their bucket's lock must be known when the template is made */
  constructor(scope: Construct, id: string, records: Records & { readonly locked: boolean }) {
    super(scope, id);
    this.configuration = {
      kmsKey: Key.fromKeyArn(this, 'Key', records.keyArn),
      logging: ExecuteCommandLogging.OVERRIDE,
      logConfiguration: {
        cloudWatchLogGroup: LogGroup.fromLogGroupName(this, 'LogGroup', records.logGroupName),
        cloudWatchEncryptionEnabled: true,
        ...(!records.locked && {
          s3Bucket: Bucket.fromBucketName(this, 'Records', records.bucketName),
          s3EncryptionEnabled: true,
          s3KeyPrefix,
        }),
      },
    };
  }
}

/** The same for `aws ecs update-cluster --configuration`, as JSON. */
export function ecsExecText({ keyArn, logGroupName, bucketName, locked }: Records): string {
  const log = `"cloudWatchLogGroupName":"${logGroupName}","cloudWatchEncryptionEnabled":true`;
  const bucket = `,"s3BucketName":"${bucketName}","s3EncryptionEnabled":true,"s3KeyPrefix":"${s3KeyPrefix}"`;
  const more =
    typeof locked === 'boolean'
      ? locked
        ? ''
        : bucket
      : Fn.conditionIf(locked.logicalId, '', bucket).toString();
  return `{"executeCommandConfiguration":{"kmsKeyId":"${keyArn}","logging":"OVERRIDE","logConfiguration":{${log}${more}}}}`;
}
