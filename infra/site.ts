import { Aws, type CfnCondition, Token } from 'aws-cdk-lib';
import type { PolicyValues } from './policy-file.ts';

/** Who is named in the policies of one deployment. */
export interface SiteProps {
  /**
   * Name of the deployment: part of the stamp on each computer account, and the beginning of every resource's name. One
   * account can hold several. 2 to 21 lower-case letters, digits and hyphens, a letter first: a bucket's name begins with it,
   * ends with account and Region, and has 63 characters at most.
   */
  readonly deployment: string;
  /**
   * Roles (`*` stands for any characters) that write the secret's value and policy, look after dead letters, and deploy
   * this stack. None of them can read the secret.
   */
  readonly administratorArns: string[];
  /** A role for emergencies, used by nobody otherwise: without it, a mistake in a policy locks its owner out. */
  readonly breakGlassRoleArn: string;
  /**
   * Sessions, a shell on the worker and sending dead letters back take MFA. Not for people of IAM Identity Center or SAML: what
   * AWS knows of their sessions says nothing of MFA, so demand it where they sign on.
   * @default true
   */
  readonly requireMfa?: boolean | CfnCondition;
}

/** Names and ARNs that follow from the deployment's name, so that policies can name what is not made yet. */
export interface Site extends SiteProps {
  readonly workerRoleName: string;
  readonly publisherRoleName: string;
  readonly deadLetterOperatorRoleName: string;
  /** What every policy file may name. */
  readonly policyValues: PolicyValues;
}

/** The names that a deployment can have. */
export const deploymentPattern = '^[a-z][a-z0-9-]{1,20}$';

/** @throws Error when the deployment has a name that some resource could not have. */
export function site(props: SiteProps): Site {
  const { deployment, administratorArns, breakGlassRoleArn } = props;
  if (!Token.isUnresolved(deployment) && !new RegExp(deploymentPattern).test(deployment)) {
    throw new Error(
      `deployment: "${deployment}" must be 2 to 21 lower-case letters, digits or hyphens, a letter first`,
    );
  }
  const workerRoleName = `${deployment}-worker`;
  const publisherRoleName = `${deployment}-hook-publisher`;
  const deadLetterOperatorRoleName = `${deployment}-dead-letter-operator`;
  const role = (name: string) => `arn:${Aws.PARTITION}:iam::${Aws.ACCOUNT_ID}:role/${name}`;
  return {
    ...props,
    workerRoleName,
    publisherRoleName,
    deadLetterOperatorRoleName,
    policyValues: {
      Partition: Aws.PARTITION,
      Region: Aws.REGION,
      AccountId: Aws.ACCOUNT_ID,
      Deployment: deployment,
      WorkerRoleArn: role(workerRoleName),
      PublisherRoleArn: role(publisherRoleName),
      DeadLetterOperatorRoleArn: role(deadLetterOperatorRoleName),
      AdministratorArns: administratorArns,
      BreakGlassRoleArn: breakGlassRoleArn,
      LifecycleRuleArn: `arn:${Aws.PARTITION}:events:${Aws.REGION}:${Aws.ACCOUNT_ID}:rule/${deployment}-lifecycle-*`,
    },
  };
}
