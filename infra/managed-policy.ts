import type { CfnCondition } from 'aws-cdk-lib';
import { CfnManagedPolicy } from 'aws-cdk-lib/aws-iam';
import type { Construct } from 'constructs';
import { demandMfa } from './mfa.ts';
import { fillPolicy, type PolicyValues } from './policy-file.ts';

export interface FilePolicyProps {
  /** The file in policies/, without its extension; also the end of the policy's name. */
  readonly file: string;
  /** What the policy's name begins with. */
  readonly globalName: string;
  readonly description: string;
  readonly values: PolicyValues;
  /** Names of the roles that it is attached to. @default - none: administrators attach it */
  readonly roles?: string[];
  /** Whether the file's MFA conditions apply. @default true */
  readonly requireMfa?: boolean | CfnCondition;
}

/** A managed policy, made from a file. */
export function filePolicy(scope: Construct, id: string, props: FilePolicyProps): CfnManagedPolicy {
  return new CfnManagedPolicy(scope, id, {
    managedPolicyName: `${props.globalName}-${props.file}`,
    description: props.description,
    policyDocument: demandMfa(fillPolicy(props.file, props.values), props.requireMfa ?? true),
    ...(props.roles ? { roles: props.roles } : {}),
  });
}
