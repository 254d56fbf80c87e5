/** The system's roles as an operator's desk knows them. IAM has one list of roles for all Regions, so their names hold the Region. */
import type { Config } from '../config.ts';

type Role = 'hook-publisher' | 'membership-operator' | 'worker';

export const roleNameOf = (
  { deployment, region }: Pick<Config, 'deployment' | 'region'>,
  role: Role,
): string => `${deployment}-${region}-${role}`;

/**
 * @param callerArn for the partition
 * @param path the parameter RolePath of the stack, `/` without it: a role's name alone does not say where it is
 */
export function roleArnOf(
  config: Pick<Config, 'deployment' | 'region' | 'accountId'>,
  role: Role,
  callerArn: string,
  path: string,
): string {
  const partition = callerArn.split(':')[1] ?? 'aws';
  return `arn:${partition}:iam::${config.accountId}:role${path}${roleNameOf(config, role)}`;
}
