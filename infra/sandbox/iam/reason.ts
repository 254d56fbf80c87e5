import type { PolicyKind } from './policies.ts';

/** As IAM's access denied messages name the kinds of policies. */
const names: Readonly<Record<PolicyKind, string>> = {
  identity: 'identity-based policy',
  boundary: 'permissions boundary',
  'service-control': 'service control policy',
  'resource-control': 'resource control policy',
  resource: 'resource-based policy',
  endpoint: 'VPC endpoint policy',
};

/** The end of an access denied message, which says what kind of policy is to blame. */
export function explicitDeny(kind: PolicyKind): string {
  return `with an explicit deny in ${kind === 'identity' ? 'an' : 'a'} ${names[kind]}`;
}

export function noAllow(kind: PolicyKind, action: string): string {
  return `because no ${names[kind]} allows the ${action} action`;
}
