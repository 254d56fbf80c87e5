import { CfnManagedPolicy } from 'aws-cdk-lib/aws-iam';
import type { Construct } from 'constructs';
import { fillPolicy, type PolicyValues } from './policy-file.ts';

export interface FilePolicyProps {
  /** The file in policies/, without its extension; also the end of the policy's name. */
  readonly file: string;
  readonly deployment: string;
  readonly description: string;
  readonly values: PolicyValues;
  /** Names of the roles that get it. @default - none: people attach it */
  readonly roles?: string[];
}

/** A managed policy out of a file. */
export function filePolicy(scope: Construct, id: string, props: FilePolicyProps): CfnManagedPolicy {
  return new CfnManagedPolicy(scope, id, {
    managedPolicyName: `${props.deployment}-${props.file}`,
    description: props.description,
    policyDocument: fillPolicy(props.file, props.values),
    ...(props.roles ? { roles: props.roles } : {}),
  });
}
