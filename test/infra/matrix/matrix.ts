import { Authorizer, type Decision } from '../../../infra/sandbox/iam/authorizer.ts';
import {
  policy,
  type DeployedPolicies,
  type Policy,
  type PolicyKind,
} from '../../../infra/sandbox/iam/policies.ts';
import { actsOn, otherKey, userId } from './acts.ts';
import { cast, type Actor } from './cast.ts';
import { circumstancesFor, contextOf, type Circumstances } from './circumstances.ts';
import type { Edit } from './edits.ts';
import { expected, type Case } from './rules.ts';
import { accountId, type Stack } from './stack.ts';

/** A case with the answer that the rules give. */
export interface Expectation extends Case {
  readonly allowed: boolean;
  readonly because: readonly string[];
}

export function expectations(stack: Stack): Expectation[] {
  const acts = actsOn(stack.arns);
  return cast(stack).flatMap((actor) =>
    acts.flatMap((act) =>
      circumstancesFor(actor, act).map((circumstances) => {
        const it = { actor, act, circumstances };
        return { ...it, ...expected(it) };
      }),
    ),
  );
}

/** A case as the authorizer sees it: it knows no targets. */
interface Asked extends Pick<Case, 'actor' | 'circumstances'> {
  readonly act: Omit<Case['act'], 'target'>;
}

export function decide(
  stack: Stack,
  { actor, act, circumstances }: Asked,
  edit: Edit = (_, policy) => policy,
): Promise<Decision> {
  const { flaw } = circumstances;
  const vpce = sourceVpce(stack, act.action, circumstances);
  return new Authorizer(deployed(stack, actor, circumstances, edit)).decide({
    principal: actor.principal,
    action: act.action,
    resource: act.resource,
    context: {
      ...actor.context,
      ...act.context,
      ...contextOf(flaw),
      'aws:userid': userId,
      ...(vpce !== undefined && { 'aws:SourceVpce': vpce }),
    },
  });
}

const foreignEndpoint = 'vpce-0ffffffffffffffff';

function sourceVpce(stack: Stack, action: string, { place }: Circumstances): string | undefined {
  if (place === 'from anywhere') return undefined;
  return place === "through another VPC's endpoint"
    ? foreignEndpoint
    : stack.endpointOf.get(action.split(':')[0] ?? '');
}

/** What a key obeys when nobody says otherwise: the policies of its account. */
const defaultKeyPolicy = policy('default key policy', {
  Version: '2012-10-17',
  Statement: [
    {
      Sid: 'Account',
      Effect: 'Allow',
      Principal: { AWS: `arn:aws:iam::${accountId}:root` },
      Action: 'kms:*',
      Resource: '*',
    },
  ],
});

function resourcePolicies(stack: Stack, flaw: Circumstances['flaw']): [string, Policy][] {
  const keys = [...stack.resourcePolicies.keys()].filter((arn) => arn.startsWith('arn:aws:kms:'));
  const ours: [string, Policy][] =
    flaw === 'resource policies gone'
      ? keys.map((arn) => [arn, defaultKeyPolicy])
      : [...stack.resourcePolicies];
  return [...ours, [otherKey, defaultKeyPolicy]];
}

function deployed(
  stack: Stack,
  actor: Actor,
  { guard, place, flaw }: Circumstances,
  edit: Edit,
): DeployedPolicies {
  const edited = (kind: PolicyKind, policies: readonly Policy[]) =>
    policies.map((each) => edit(kind, each)).filter((each) => each !== undefined);
  const [arn, identity] = actor.identity ?? ['', { policies: [] }];
  const denying = guard === 'the deny policies' ? stack.denyPolicies : [];
  return {
    accountId,
    identities: new Map([[arn, { policies: edited('identity', [...identity.policies, ...denying]) }]]),
    resourcePolicies: new Map(
      resourcePolicies(stack, flaw).flatMap(([of, policy]) =>
        edited('resource', [policy]).map((each) => [of, each]),
      ),
    ),
    endpoints: new Map([
      ...[...stack.endpoints].map(([id, { vpcId, policy }]): [string, { vpcId: string; policy?: Policy }] => [
        id,
        place === 'through our endpoint' && policy ? { vpcId, policy } : { vpcId },
      ]),
      [foreignEndpoint, { vpcId: 'vpc-0ffffffffffffffff' }],
    ]),
    serviceControlPolicies:
      guard === 'the service control policies' ? edited('service-control', stack.serviceControlPolicies) : [],
  };
}

/** One line for a person: who, what, how, and what the rules say about it. */
export function sentenceFor({ actor, act, circumstances, allowed, because }: Expectation): string {
  const { guard, place, flaw } = circumstances;
  const how = [guard === 'no guard' ? '' : `under ${guard}`, place, flaw ?? ''].filter((each) => each !== '');
  return `${actor.name}: ${act.action} on the ${act.target}, ${how.join(', ')}: must be ${allowed ? 'allowed' : 'denied'}. ${because.join(' ')}`;
}
