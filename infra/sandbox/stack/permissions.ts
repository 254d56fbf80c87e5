import type { Authorize } from '../cloud/cloud.ts';
import { deployedPolicies } from '../iam/from-template.ts';
import { policy, type DeployedPolicies, type Identity, type Policy } from '../iam/policies.ts';
import { Recorder } from '../iam/recorder.ts';
import { RememberedDecisions } from '../iam/remembered.ts';
import type { DeployedResource } from './deployed-resource.ts';
import { scalar } from './template.ts';

export interface PermissionsOptions {
  readonly accountId: string;
  /**
   * Who was in the account before the stack: users and roles, and what the names match of the stack's managed policies that
   * are attached to them.
   */
  readonly identities: ReadonlyMap<string, Identity & { readonly attached?: RegExp }>;
  /** Trust policies of those roles. */
  readonly trust: ReadonlyMap<string, Policy>;
  /** Policies of buckets that are AWS's own, by ARN. */
  readonly foreign?: ReadonlyMap<string, Policy>;
  /** ARN of the person at the sandbox: no policy applies, and the calls prove nothing. */
  readonly unbound: string;
  /** Resource policies as calls have left them. */
  readonly resourcePolicies: () => ReadonlyMap<string, string | undefined>;
}

/**
 * What each principal may do, by the policies as they are at this moment: of the resources made so far, of those who were there
 * before, and as calls have changed them since.
 */
export class Permissions {
  /** Which statement allowed which call. */
  readonly recorder = new Recorder();
  readonly #options: PermissionsOptions;
  #resources: DeployedResource[] = [];
  /** What a stack has taken in, and what of the account it is. */
  readonly #imported = new Map<DeployedResource, DeployedResource>();
  #current:
    | { readonly key: string; readonly policies: DeployedPolicies; readonly authorizer: RememberedDecisions }
    | undefined;

  constructor(options: PermissionsOptions) {
    this.#options = options;
  }

  add(resource: DeployedResource): void {
    this.#resources.push(resource);
  }

  /** A stack takes in what another has left: what that one wrote into its policies counts until an update. */
  import(resource: DeployedResource): void {
    const left = this.#resources.find(({ type, ref }) => type === resource.type && ref === resource.ref);
    if (left) this.#imported.set(resource, left);
  }

  remove(resource: DeployedResource): void {
    const gone = this.#imported.get(resource) ?? resource;
    this.#resources = this.#resources.filter((each) => each !== gone);
    this.#imported.delete(resource);
    // Its length may be what it was before, of other resources.
    this.#current = undefined;
  }

  policies(): DeployedPolicies {
    return this.#now().policies;
  }

  /** The ID of the stack's endpoint of a service. */
  endpointOf(service: string): string | undefined {
    return this.#resources.find(
      ({ type, properties }) =>
        type === 'AWS::EC2::VPCEndpoint' &&
        scalar(properties['ServiceName'], 'ServiceName').endsWith(`.${service}`),
    )?.ref;
  }

  /** The names that the stack's interface endpoints have for themselves. */
  endpointNames(): string[] {
    return this.#resources.flatMap(({ lists }) =>
      (lists?.['DnsEntries'] ?? []).map((entry) => entry.split(':')[1] ?? ''),
    );
  }

  /** The ARN of the role in an instance profile of the stack. */
  roleOf(instanceProfileArn: string): string | undefined {
    const profile = this.#resources.find(
      ({ type, attributes }) =>
        type === 'AWS::IAM::InstanceProfile' && attributes['Arn'] === instanceProfileArn,
    );
    const roles = profile?.properties['Roles'];
    const name = Array.isArray(roles) ? String(roles[0]) : undefined;
    return this.#resources.find(({ type, ref }) => type === 'AWS::IAM::Role' && ref === name)?.attributes[
      'Arn'
    ];
  }

  readonly authorize: Authorize = async ({ principal, action, resource, context }) => {
    if (principal.arn === this.#options.unbound) return { allowed: true };
    const decision = await this.#now().authorizer.decide({
      principal: principal.arn,
      action,
      resource: resource.arn,
      context,
    });
    this.recorder.note({ action }, decision);
    return decision;
  };

  #now() {
    const live = this.#options.resourcePolicies();
    const key = `${this.#resources.length} ${JSON.stringify([...live])}`;
    if (this.#current?.key === key) return this.#current;
    const policies = this.#collect(live);
    this.#current = { key, policies, authorizer: new RememberedDecisions(policies) };
    return this.#current;
  }

  #collect(live: ReadonlyMap<string, string | undefined>): DeployedPolicies {
    const { accountId, identities, trust, foreign = [] } = this.#options;
    const stack = deployedPolicies(this.#resources, accountId);
    // What a stack makes of the same name counts: the roles of people may come from one.
    const resourcePolicies = new Map([...trust, ...stack.resourcePolicies, ...foreign]);
    for (const [arn, text] of live) {
      const name = resourcePolicies.get(arn)?.name ?? arn;
      if (text === undefined) resourcePolicies.delete(arn);
      else resourcePolicies.set(arn, policy(name, JSON.parse(text)));
    }
    const before = [...identities].map(([arn, { attached, ...identity }]): [string, Identity] => [
      arn,
      attached === undefined
        ? identity
        : { ...identity, policies: [...identity.policies, ...this.#managed(attached)] },
    ]);
    return {
      ...stack,
      identities: new Map([...before, ...stack.identities]),
      resourcePolicies,
      serviceControlPolicies: [],
    };
  }

  /** None while the stack has not made it yet. */
  #managed(names: RegExp): Policy[] {
    return this.#resources
      .filter(({ type, properties }) => {
        const name = properties['ManagedPolicyName'];
        return type === 'AWS::IAM::ManagedPolicy' && typeof name === 'string' && names.test(name);
      })
      .map(({ logicalId, properties }) => policy(logicalId, properties['PolicyDocument']));
  }
}
