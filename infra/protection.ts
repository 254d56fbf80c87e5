import type { CfnManagedPolicy } from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import { filePolicy } from './managed-policy.ts';
import { fillPolicy, type PolicyDocument } from './policy-file.ts';
import type { Site } from './site.ts';

/** The files in policies/ that take rights away from people. */
export const denyPolicies = ['deny-worker-access', 'deny-tampering', 'deny-disarming'] as const;
export type DenyPolicy = (typeof denyPolicies)[number];

/**
 * Explicit denials for users, groups and roles of this account: attached to somebody, they win over whatever else that
 * somebody is allowed. Nobody can take them off but those who do not have them.
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
  /** ARNs of the roles that it spares, `*` for any characters: the system's own, and the few people who run it. */
  readonly exempt: readonly string[];
}

/**
 * The same denials as a service control policy: for every principal of every account below it, but those spared.
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

/** The roles that a service control policy spares unless told otherwise: the system's, and people by agreed names. */
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
