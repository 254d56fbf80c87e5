/**
 * Policies of an organization. The deny policies as service control policies: for every principal of every account below, except the
 * exempt roles. And one resource control policy, which binds principals of other organizations as well.
 */
import { fillPolicy, placeholdersOf, type PolicyDocument, type PolicyValues } from './policy-file.ts';

/** The files in policies/ that deny rights to people. */
export const denyPolicies = [
  'deny-worker-access',
  'deny-tampering',
  'deny-bypassing',
  'deny-disarming',
  'deny-rerouting',
] as const;
export type DenyPolicy = (typeof denyPolicies)[number];

export interface ServiceControlPolicyProps {
  readonly deployment: string;
  /** ARNs of exempt roles, `*` for any characters: the system's own roles, and those of the few people who run it. */
  readonly exempt: readonly string[];
  /** Path of the system's roles. @default / */
  readonly rolePath?: string;
  /** VPC of the workers. Its ID follows from no name; without it, what protects the VPC is left out. */
  readonly vpcId?: string;
  /** The trail that the audit rules live on. Without it, what protects the trail is left out: accounts have trails of their own. */
  readonly trailName?: string;
  /** Where the agent's file is. Without it, what protects the file is left out. */
  readonly agentFile?: { readonly bucketName: string; readonly objectKey: string };
}

export interface ServiceControlPolicy {
  readonly document: PolicyDocument;
  /** Sids of the statements that are left out, because they need what was not given. */
  readonly leftOut: readonly string[];
}

/**
 * What binds the resources themselves, whoever calls: Organizations' answer to a resource policy that was widened. AWS's own services
 * are not bound; nothing in it names an action of a service that resource control policies don't know.
 */
export function resourceControlPolicy(props: ServiceControlPolicyProps): ServiceControlPolicy {
  return forOrganization('resource-control', props);
}

/**
 * The same denials as in the file. Service-linked roles (Auto Scaling's own, for one) are never subject to such policies.
 */
export function serviceControlPolicy(
  file: DenyPolicy,
  props: ServiceControlPolicyProps,
): ServiceControlPolicy {
  return forOrganization(file, props);
}

function forOrganization(file: string, props: ServiceControlPolicyProps): ServiceControlPolicy {
  const { agentFile, trailName, vpcId } = props;
  const values: PolicyValues = {
    Partition: '*',
    Region: '*',
    AccountId: '*',
    Deployment: props.deployment,
    RolePath: props.rolePath ?? '/',
    ...(vpcId !== undefined && { VpcId: vpcId }),
    ...(trailName !== undefined && { TrailName: trailName }),
    ...(agentFile && {
      AgentBucketArn: `arn:*:s3:::${agentFile.bucketName}`,
      AgentObjectArn: `arn:*:s3:::${agentFile.bucketName}/${agentFile.objectKey}`,
    }),
  };
  const leftOut = placeholdersOf(file)
    .filter(({ placeholders }) => placeholders.some((name) => !(name in values)))
    .map(({ sid }) => sid);
  const policy = fillPolicy(file, values, leftOut);
  return {
    leftOut,
    document: {
      ...policy,
      Statement: policy.Statement.map(({ Condition, ...statement }) => ({
        ...statement,
        Condition: {
          ...Condition,
          ArnNotLike: { ...Condition?.['ArnNotLike'], 'aws:PrincipalArn': props.exempt },
        },
      })),
    },
  };
}

/** The roles that are exempt by default: the system's own of every Region, and the administrators' by their documented names. */
export function defaultExemptions(deployment: string, rolePath = '/'): string[] {
  const own = ['worker', 'hook-publisher', 'dead-letter-operator', 'membership-operator'];
  const people = ['administrator', 'worker-administrator', 'break-glass'];
  return [
    ...own.map((name) => `arn:*:iam::*:role${rolePath}${deployment}-*-${name}`),
    ...people.map((name) => `arn:*:iam::*:role/${deployment}-${name}`),
  ];
}
