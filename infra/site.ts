import { Aws, type CfnCondition, Token } from 'aws-cdk-lib';
import type { PolicyValues } from './policy-file.ts';

/** The names and principals that the policies of one deployment refer to. */
export interface SiteProps {
  /**
   * Name of the deployment. It is part of the stamp on each computer account, and every resource's name begins with it. One AWS
   * account can have several deployments. 2 to 21 lower-case letters, digits and hyphens, a letter first: a bucket's name
   * consists of it, of account and Region, and has 63 characters at most.
   */
  readonly deployment: string;
  /**
   * Roles (`*` stands for any characters) that write the secret's value and policy, handle dead letters, and deploy
   * this stack. None of them can read the secret.
   */
  readonly administratorArns: string[];
  /** A role for emergencies only: without it, a mistake in a policy could lock out its own authors. */
  readonly breakGlassRoleArn: string;
  /**
   * Whether sessions, a shell on the worker and sending dead letters back require MFA. Set it to false with IAM Identity Center
   * or SAML: their sessions do not show MFA to AWS, so require it where people sign on.
   * @default true
   */
  readonly requireMfa?: boolean | CfnCondition;
  /** Path of the system's roles and of the instance profile, with a slash at both ends. @default / */
  readonly rolePath?: string;
}

/** Names and ARNs that follow from the deployment's name, so that policies can name resources that are not made yet. */
export interface Site extends SiteProps {
  readonly rolePath: string;
  /** Begins the names of what an account has once for all Regions: roles, policies, dashboards. */
  readonly globalName: string;
  readonly workerRoleName: string;
  readonly publisherRoleName: string;
  readonly deadLetterOperatorRoleName: string;
  readonly membershipOperatorRoleName: string;
  /** Values for the placeholders in every policy file. */
  readonly policyValues: PolicyValues;
}

/** Valid names of a deployment. */
export const deploymentPattern = '^[a-z][a-z0-9-]{1,20}$';

/** Paths of IAM: 512 characters at most, here fewer, so that they fit into policies. */
export const pathPattern = '^/([A-Za-z0-9_.,+@=-]{1,64}/){0,4}$';

/** Names of CloudTrail's trails. */
export const trailPattern = '^[A-Za-z0-9][A-Za-z0-9._-]{2,127}$';

/** @throws Error when a resource could not have a name that begins with the deployment's name. */
export function site(props: SiteProps): Site {
  const { deployment, administratorArns, breakGlassRoleArn } = props;
  if (!Token.isUnresolved(deployment) && !new RegExp(deploymentPattern).test(deployment)) {
    throw new Error(
      `deployment: "${deployment}" must be 2 to 21 lower-case letters, digits or hyphens, a letter first`,
    );
  }
  const rolePath = props.rolePath ?? '/';
  if (!Token.isUnresolved(rolePath) && !new RegExp(pathPattern).test(rolePath))
    throw new Error(`rolePath: "${rolePath}" must begin and end with a slash`);
  const globalName = `${deployment}-${Aws.REGION}`;
  const workerRoleName = `${globalName}-worker`;
  const publisherRoleName = `${globalName}-hook-publisher`;
  const deadLetterOperatorRoleName = `${globalName}-dead-letter-operator`;
  const membershipOperatorRoleName = `${globalName}-membership-operator`;
  const role = (name: string) => `arn:${Aws.PARTITION}:iam::${Aws.ACCOUNT_ID}:role${rolePath}${name}`;
  return {
    ...props,
    rolePath,
    globalName,
    workerRoleName,
    publisherRoleName,
    deadLetterOperatorRoleName,
    membershipOperatorRoleName,
    policyValues: {
      Partition: Aws.PARTITION,
      Region: Aws.REGION,
      AccountId: Aws.ACCOUNT_ID,
      Deployment: deployment,
      RolePath: rolePath,
      WorkerRoleArn: role(workerRoleName),
      PublisherRoleArn: role(publisherRoleName),
      DeadLetterOperatorRoleArn: role(deadLetterOperatorRoleName),
      MembershipOperatorRoleArn: role(membershipOperatorRoleName),
      AdministratorArns: administratorArns,
      BreakGlassRoleArn: breakGlassRoleArn,
      LifecycleRuleArn: `arn:${Aws.PARTITION}:events:${Aws.REGION}:${Aws.ACCOUNT_ID}:rule/${deployment}-lifecycle-*`,
    },
  };
}
