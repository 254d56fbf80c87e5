import type { Context } from './legible.ts';

/** Who asks: what IAM derives from a principal's ARN before it looks at a policy. */

export type Principal =
  | { readonly kind: 'anonymous' }
  | { readonly kind: 'service'; readonly name: string }
  | {
      readonly kind: 'root' | 'user' | 'session';
      /** As in messages and trails: of the session, the user, or the root. */
      readonly arn: string;
      readonly accountId: string;
      /** What policies are attached to, and `aws:PrincipalArn`: a session's role. */
      readonly identityArn: string;
    };

/**
 * @param name ARN of a role session, user or root, a service such as `events.amazonaws.com`, or `anonymous`
 * @param roles ARNs of known roles: a session's ARN leaves out its role's path, `aws:PrincipalArn` does not
 */
export function principalOf(name: string, roles: Iterable<string>): Principal {
  if (name === 'anonymous') return { kind: 'anonymous' };
  if (name.endsWith('.amazonaws.com')) return { kind: 'service', name };
  const [, partition, service, , accountId = '', resource = ''] = name.split(':');
  if (service === 'sts' && resource.startsWith('assumed-role/')) {
    const role = resource.split('/')[1] ?? '';
    const prefix = `arn:${partition}:iam::${accountId}:role/`;
    const identityArn =
      [...roles].find((each) => each.startsWith(prefix) && each.split('/').at(-1) === role) ?? prefix + role;
    return { kind: 'session', arn: name, accountId, identityArn };
  }
  if (service === 'iam' && resource === 'root')
    return { kind: 'root', arn: name, accountId, identityArn: name };
  if (service === 'iam' && resource.startsWith('user/')) {
    return { kind: 'user', arn: name, accountId, identityArn: name };
  }
  throw new Error(`${name} is no principal that can sign a request.`);
}

/** Leaves out what only IAM says about a principal. A service has no `aws:PrincipalArn`, so that none may slip in. */
export function withoutPrincipal(context: Context): Context {
  const own = /^aws:Principal(?:Arn|Account|Type|IsAWSService|ServiceName)$/i;
  return Object.fromEntries(Object.entries(context).filter(([key]) => !own.test(key)));
}

/** The condition keys that IAM sets from the principal alone. A service and a nobody have no `aws:PrincipalArn`. */
export function principalContext(principal: Principal): Readonly<Record<string, string>> {
  switch (principal.kind) {
    case 'anonymous':
      return { 'aws:PrincipalIsAWSService': 'false', 'aws:PrincipalType': 'Anonymous' };
    case 'service':
      return { 'aws:PrincipalIsAWSService': 'true', 'aws:PrincipalServiceName': principal.name };
    case 'root':
    case 'user':
    case 'session': {
      const types = { root: 'Account', user: 'User', session: 'AssumedRole' };
      return {
        'aws:PrincipalIsAWSService': 'false',
        'aws:PrincipalArn': principal.identityArn,
        'aws:PrincipalAccount': principal.accountId,
        'aws:PrincipalType': types[principal.kind],
      };
    }
  }
}
