import type { CfnManagedPolicy, IIdentity } from 'aws-cdk-lib/aws-iam';
import type { IConstruct } from 'constructs';

/**
 * Attaches one of the system's policies to a role, a user or a group. The policy names it, and not the other way round: so those
 * that are not made in this app get it, too.
 */
export function grantPolicy(policy: CfnManagedPolicy, identity: IIdentity | IConstruct): void {
  if (isNamed(identity, 'roleName')) policy.roles = withName(policy.roles, identity.roleName);
  else if (isNamed(identity, 'userName')) policy.users = withName(policy.users, identity.userName);
  else if (isNamed(identity, 'groupName')) policy.groups = withName(policy.groups, identity.groupName);
  else throw new Error(`${identity.node.path} is neither a role nor a user nor a group`);
}

function isNamed<Key extends string>(value: object, key: Key): value is Record<Key, string> {
  return key in value && typeof Reflect.get(value, key) === 'string';
}

const withName = (names: readonly string[] | undefined, name: string): string[] => [
  ...new Set([...(names ?? []), name]),
];
