import type { CfnManagedPolicy } from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import { filePolicy } from './managed-policy.ts';
import { fillPolicy, type PolicyDocument } from './policy-file.ts';
import type { Site } from './site.ts';

/** The files in policies/ that deny rights to people. */
export const denyPolicies = ['deny-worker-access', 'deny-tampering', 'deny-disarming'] as const;
export type DenyPolicy = (typeof denyPolicies)[number];

/**
 * Explicit denials for users, groups and roles of this account. A denial wins over everything that a principal is otherwise
 * allowed to do. Only principals without these policies can detach them.
 */
export class Protection extends Construct {
  readonly policies: Readonly<Record<DenyPolicy, CfnManagedPolicy>>;

  constructor(scope: Construct, id: string, site: Site) {
    super(scope, id);
    const policy = (file: DenyPolicy, description: string) =>
      filePolicy(this, file, { file, description, deployment: site.deployment, values: site.policyValues });
    this.policies = {
      'deny-worker-access': policy('deny-worker-access', 'adjoin: keeps people off the worker'),
      'deny-tampering': policy('deny-tampering', 'adjoin: keeps people off the parts that work'),
      'deny-disarming': policy('deny-disarming', 'adjoin: keeps people off the parts that guard'),
    };
  }
}

export interface ServiceControlPolicyProps {
  readonly deployment: string;
  /** ARNs of exempt roles, `*` for any characters: the system's own roles, and those of the few people who run it. */
  readonly exempt: readonly string[];
}

/**
 * The same denials as a service control policy: for every principal of every account below it, except the exempt roles.
 * Service-linked roles (Auto Scaling's own, for one) are never subject to such policies.
 */
export function serviceControlPolicy(file: DenyPolicy, props: ServiceControlPolicyProps): PolicyDocument {
  const policy = fillPolicy(file, {
    Partition: '*',
    Region: '*',
    AccountId: '*',
    Deployment: props.deployment,
  });
  return {
    ...policy,
    Statement: policy.Statement.map((statement) => ({
      ...statement,
      Condition: { ...statement.Condition, ArnNotLike: { 'aws:PrincipalArn': props.exempt } },
    })),
  };
}

/** The roles that are exempt by default: the system's own, and the administrators' roles by their documented names. */
export function defaultExemptions(deployment: string): string[] {
  return [
    'worker',
    'hook-publisher',
    'dead-letter-operator',
    'administrator',
    'worker-administrator',
    'break-glass',
  ].map((name) => `arn:*:iam::*:role/${deployment}-${name}`);
}
