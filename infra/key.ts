import { RemovalPolicy } from 'aws-cdk-lib';
import { CfnAlias, CfnKey } from 'aws-cdk-lib/aws-kms';
import type { Construct } from 'constructs';
import { fillPolicy } from './policy-file.ts';
import type { Site } from './site.ts';

/** The longest that KMS waits: a key deleted by mistake takes everything it sealed with it. */
const pendingWindowInDays = 30;

/** A rotating key whose policy is a file of its own: what it does not allow, no IAM policy can. */
export function key(scope: Construct, id: string, site: Site, file: string, description: string): CfnKey {
  const made = new CfnKey(scope, id, {
    description,
    enableKeyRotation: true,
    pendingWindowInDays,
    keyPolicy: fillPolicy(file, site.policyValues),
  });
  made.applyRemovalPolicy(RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE);
  new CfnAlias(scope, `${id}Alias`, {
    aliasName: `alias/${site.deployment}/${file}`,
    targetKeyId: made.attrKeyId,
  });
  return made;
}
