import type { CfnManagedPolicy } from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import { filePolicy } from './managed-policy.ts';
import type { PolicyValues } from './policy-file.ts';
import type { DenyPolicy } from './service-control.ts';

export interface ProtectionProps {
  readonly globalName: string;
  /** Values for the placeholders in the policy files. */
  readonly policyValues: PolicyValues;
}

/**
 * Explicit denials for users, groups and roles of this account. A denial wins over everything that a principal is otherwise
 * allowed to do. Only principals without these policies can detach them.
 */
export class Protection extends Construct {
  readonly policies: Readonly<Record<DenyPolicy, CfnManagedPolicy>>;

  constructor(scope: Construct, id: string, { globalName, policyValues: values }: ProtectionProps) {
    super(scope, id);
    const policy = (file: DenyPolicy, description: string) =>
      filePolicy(this, file, { file, description, globalName, values });
    this.policies = {
      'deny-worker-access': policy('deny-worker-access', 'adjoin: keeps people off the worker'),
      'deny-tampering': policy('deny-tampering', 'adjoin: keeps people off the parts that work'),
      'deny-bypassing': policy('deny-bypassing', 'adjoin: keeps groups and nodes in the lifecycle'),
      'deny-disarming': policy('deny-disarming', 'adjoin: keeps people off the parts that guard'),
      'deny-rerouting': policy('deny-rerouting', "adjoin: keeps people off the workers' network"),
    };
  }
}
