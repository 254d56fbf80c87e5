import { Aws } from 'aws-cdk-lib';
import type { PolicyValues } from './policy-file.ts';

/** Who is named in the policies of one deployment. */
export interface SiteProps {
  /**
   * Name of the deployment: part of the stamp on each computer account, and the beginning of every resource's name. One
   * account can hold several. Up to 32 letters, digits and hyphens.
   */
  readonly deployment: string;
  /**
   * Roles (`*` stands for any characters) that write the secret's value and policy, look after dead letters, and deploy
   * this stack. None of them can read the secret.
   */
  readonly administratorArns: string[];
  /** A role for emergencies, used by nobody otherwise: without it, a mistake in a policy locks its owner out. */
  readonly breakGlassRoleArn: string;
}

/** Names and ARNs that follow from the deployment's name, so that policies can name what is not made yet. */
export interface Site extends SiteProps {
  readonly workerRoleName: string;
  readonly publisherRoleName: string;
  /** What every policy file may name. */
  readonly policyValues: PolicyValues;
}

export function site(props: SiteProps): Site {
  const { deployment, administratorArns, breakGlassRoleArn } = props;
  const workerRoleName = `${deployment}-worker`;
  const publisherRoleName = `${deployment}-hook-publisher`;
  const role = (name: string) => `arn:${Aws.PARTITION}:iam::${Aws.ACCOUNT_ID}:role/${name}`;
  return {
    ...props,
    workerRoleName,
    publisherRoleName,
    policyValues: {
      Partition: Aws.PARTITION,
      Region: Aws.REGION,
      AccountId: Aws.ACCOUNT_ID,
      Deployment: deployment,
      WorkerRoleArn: role(workerRoleName),
      PublisherRoleArn: role(publisherRoleName),
      AdministratorArns: administratorArns,
      BreakGlassRoleArn: breakGlassRoleArn,
      LifecycleRuleArn: `arn:${Aws.PARTITION}:events:${Aws.REGION}:${Aws.ACCOUNT_ID}:rule/${deployment}-lifecycle-*`,
    },
  };
}
