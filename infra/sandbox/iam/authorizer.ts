import { anonymousPrincipal, runSimulation, type RequestAnalysis } from '@cloud-copilot/iam-simulate';
import { legible, legibleContext, legibleDocument, type Context } from './legible.ts';
import type { DeployedPolicies, Identity, Policy, PolicyKind } from './policies.ts';
import { principalContext, principalOf, withoutPrincipal, type Principal } from './principal.ts';
import { explicitDeny, noAllow } from './reason.ts';

/** May this principal do this to this resource, now? */
export interface Question {
  /** ARN of a role session, a user or a root, a service such as `events.amazonaws.com`, or `anonymous`. */
  readonly principal: string;
  /** As in a policy, such as `ssm:SendCommand`. */
  readonly action: string;
  /** ARN, without wildcards; `*` for an action that knows no resources. */
  readonly resource: string;
  /**
   * Condition keys of the request and its resource. Those that follow from the principal and from `aws:SourceVpce`
   * are set by the authorizer, whatever is said here: a caller does not choose them.
   */
  readonly context?: Context;
}

/** A statement by its name. */
export interface StatementName {
  readonly kind: PolicyKind;
  readonly policy: string;
  readonly sid: string;
}

export interface Decision {
  readonly allowed: boolean;
  /** How AWS ends its message; empty when allowed. */
  readonly reason: string;
  /** Every Allow that matched. Of a denied request, too: those that would have allowed it. */
  readonly allows: readonly StatementName[];
  /** Every Deny that matched. One is enough. */
  readonly denies: readonly StatementName[];
}

/** What binds every request that a policy of the organization does not single out. */
const fullAwsAccess: Policy = {
  name: 'FullAWSAccess',
  document: {
    Version: '2012-10-17',
    Statement: [{ Sid: 'FullAWSAccess', Effect: 'Allow', Action: '*', Resource: '*' }],
  },
};

/** A root user needs no policy for what its account may do. */
const rootUser: Policy = { ...fullAwsAccess, name: 'root user' };

/** A role without a trust policy does not exist; asked about one, the simulator would leave it to the caller's account. */
const trustNobody: Policy = {
  name: 'no trust policy',
  document: {
    Version: '2012-10-17',
    Statement: [{ Sid: 'Nobody', Effect: 'Deny', Principal: '*', Action: 'sts:*' }],
  },
};

/** The policies that have a say in one decision. */
interface Say {
  readonly identity: Identity;
  readonly serviceControl: readonly Policy[];
  readonly resourceControl: readonly Policy[];
  readonly resource?: Policy;
  readonly endpoint?: Policy;
}

/** Decides as IAM does, from policies alone. Knows no call, no service, no clock. */
export class Authorizer {
  readonly #policies: DeployedPolicies;

  constructor(policies: DeployedPolicies) {
    this.#policies = policies;
  }

  /** @throws Error for a question that IAM would never be asked, such as a resource that its action does not know. */
  async decide(question: Question): Promise<Decision> {
    const principal = principalOf(question.principal, this.#policies.identities.keys());
    const say = this.#say(question, principal);
    const analysis = await simulate(question, {
      principal,
      accountId: this.#ownerOf(question.resource, principal),
      say,
      context: {
        ...withoutPrincipal(question.context ?? {}),
        ...this.#placeContext(question),
        ...principalContext(principal),
      },
    });
    const { allows, denies } = matched(analysis, say);
    const allowed = analysis.result === 'Allowed';
    return {
      allowed,
      allows,
      denies,
      reason: allowed ? '' : reason(question.action, analysis, denies, principal),
    };
  }

  #say(question: Question, principal: Principal): Say {
    const { accountId, endpoints, serviceControlPolicies, resourceControlPolicies = [] } = this.#policies;
    const own = principal.kind !== 'anonymous' && principal.kind !== 'service';
    const endpoint = endpoints.get(sourceVpce(question))?.policy;
    const resource = this.#resourcePolicy(question);
    return {
      identity: own ? this.#identity(principal.identityArn, principal.kind) : { policies: [] },
      serviceControl:
        own && principal.accountId === accountId && serviceControlPolicies.length > 0
          ? [fullAwsAccess, ...serviceControlPolicies]
          : [],
      // They bind every caller of this account's resources, of other accounts too, but for service-linked roles:
      // https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_rcps.html
      resourceControl:
        resourceControlPolicies.length > 0 &&
        this.#ownerOf(question.resource, principal) === accountId &&
        !(own && principal.identityArn.includes(':role/aws-service-role/'))
          ? resourceControlPolicies
          : [],
      ...(resource && { resource }),
      ...(endpoint && { endpoint }),
    };
  }

  #identity(arn: string, kind: Principal['kind']): Identity {
    const known = this.#policies.identities.get(arn) ?? { policies: [] };
    return kind === 'root' ? { policies: [...known.policies, rootUser] } : known;
  }

  #resourcePolicy({ action, resource }: Question): Policy | undefined {
    if (action.startsWith('sts:AssumeRole'))
      return this.#policies.resourcePolicies.get(resource) ?? trustNobody;
    const bucket = resource.startsWith('arn:aws:s3:::') ? resource.split('/')[0] : undefined;
    return this.#policies.resourcePolicies.get(bucket ?? resource);
  }

  /** A resource without an account in its ARN is taken for this account's, `*` for the caller's own. */
  #ownerOf(resource: string, principal: Principal): string {
    if (resource === '*' && 'accountId' in principal) return principal.accountId;
    return resource.split(':')[4] || this.#policies.accountId;
  }

  /** A request that came through an endpoint came from its VPC; any other has neither key. */
  #placeContext(question: Question): Record<string, string> {
    const vpcId = this.#policies.endpoints.get(sourceVpce(question))?.vpcId;
    return vpcId === undefined ? {} : { 'aws:SourceVpc': vpcId };
  }
}

interface Particulars {
  readonly principal: Principal;
  readonly accountId: string;
  readonly say: Say;
  readonly context: Context;
}

async function simulate(
  question: Question,
  { principal, accountId, say, context }: Particulars,
): Promise<RequestAnalysis> {
  const named = (kind: PolicyKind, policies: readonly Policy[]) =>
    policies.map(({ name, document }) => ({ name, policy: legibleDocument(kind, document) }));
  const { boundary } = say.identity;
  const answer = await runSimulation(
    {
      request: {
        principal: nameOf(principal),
        action: question.action,
        resource: { resource: legible(question.resource), accountId },
        contextVariables: legibleContext(context),
      },
      identityPolicies: named('identity', say.identity.policies),
      serviceControlPolicies:
        say.serviceControl.length > 0
          ? [{ orgIdentifier: 'organization', policies: named('service-control', say.serviceControl) }]
          : [],
      resourceControlPolicies:
        say.resourceControl.length > 0
          ? [{ orgIdentifier: 'organization', policies: named('resource-control', say.resourceControl) }]
          : [],
      ...(say.resource && { resourcePolicy: legibleDocument('resource', say.resource.document) }),
      ...(boundary && { permissionBoundaryPolicies: named('boundary', [boundary]) }),
      ...(say.endpoint && { vpcEndpointPolicies: named('endpoint', [say.endpoint]) }),
    },
    {},
  );
  if (answer.resultType === 'single') return answer.result.analysis;
  const problem =
    answer.resultType === 'error' ? JSON.stringify(answer.errors) : 'it names no single resource';
  throw new Error(`${question.action} on ${question.resource} cannot be decided: ${problem}`);
}

/** Every statement that matched, by kind of policy. */
function matched(analysis: RequestAnalysis, say: Say): Pick<Decision, 'allows' | 'denies'> {
  const { identityAnalysis, permissionBoundaryAnalysis, scpAnalysis, rcpAnalysis } = analysis;
  const { resourceAnalysis, endpointAnalysis } = analysis;
  const kinds: { kind: PolicyKind; name?: string; matches: Matches | undefined }[] = [
    { kind: 'identity', matches: identityAnalysis },
    { kind: 'boundary', matches: permissionBoundaryAnalysis },
    ...(scpAnalysis?.ouAnalysis ?? []).map((matches) => ({ kind: 'service-control' as const, matches })),
    ...(rcpAnalysis?.ouAnalysis ?? []).map((matches) => ({ kind: 'resource-control' as const, matches })),
    { kind: 'resource', name: say.resource?.name ?? '', matches: resourceAnalysis },
    { kind: 'endpoint', matches: endpointAnalysis },
  ];
  const names = (effect: keyof Matches) =>
    kinds.flatMap(({ kind, name, matches }) =>
      (matches?.[effect] ?? []).map((each) => ({
        kind,
        policy: name ?? each.policyId ?? '',
        sid: each.statement.sid() ?? '',
      })),
    );
  return { allows: names('allowStatements'), denies: names('denyStatements') };
}

type Matches = Pick<NonNullable<RequestAnalysis['identityAnalysis']>, 'allowStatements' | 'denyStatements'>;

/**
 * Which kind of policy AWS would blame. It names one; where several are to blame the order is the one in which IAM's
 * evaluation logic is drawn: organization, endpoint, resource, boundary, identity.
 */
function reason(
  action: string,
  analysis: RequestAnalysis,
  denies: readonly StatementName[],
  principal: Principal,
): string {
  const order: PolicyKind[] = [
    'service-control',
    'resource-control',
    'endpoint',
    'resource',
    'boundary',
    'identity',
  ];
  const denying = order.find((kind) => denies.some((each) => each.kind === kind));
  if (denying) return explicitDeny(denying);
  const silent = {
    'service-control': analysis.scpAnalysis?.result === 'ImplicitlyDenied',
    endpoint: analysis.endpointAnalysis?.result === 'ImplicitlyDenied',
    boundary: analysis.permissionBoundaryAnalysis?.result === 'ImplicitlyDenied',
  };
  if (silent['service-control']) return noAllow('service-control', action);
  if (silent.endpoint) return noAllow('endpoint', action);
  const grantedByIdentity = analysis.identityAnalysis?.result === 'Allowed';
  if (grantedByIdentity && silent.boundary) return noAllow('boundary', action);
  const own = principal.kind !== 'anonymous' && principal.kind !== 'service';
  return noAllow(own && !grantedByIdentity ? 'identity' : 'resource', action);
}

function nameOf(principal: Principal) {
  switch (principal.kind) {
    case 'anonymous':
      return anonymousPrincipal;
    case 'service':
      return principal.name;
    case 'root':
    case 'user':
    case 'session':
      return principal.arn;
  }
}

function sourceVpce(question: Question): string {
  const value = question.context?.['aws:SourceVpce'];
  return typeof value === 'string' ? value : '';
}
