import { RemovalPolicy } from 'aws-cdk-lib';
import { CfnAlias, CfnKey } from 'aws-cdk-lib/aws-kms';
import type { Construct } from 'constructs';
import { fillPolicy } from './policy-file.ts';
import type { Site } from './site.ts';

/** Days until KMS deletes a key, the most it allows: what the key encrypted can't be read without it. */
const pendingWindowInDays = 30;

/** A rotating key with a policy file of its own. IAM policies can't allow what that file does not. */
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
