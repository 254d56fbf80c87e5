/**
 * How a developer could reach the system: every action that AWS's service authorization reference knows for a resource type of
 * an asset. Those with a verdict stay allowed under the guards. Every other one must be denied, so that an action that AWS adds
 * is a failure until it has a verdict.
 */
import { wildcardMatches } from '../../../../infra/sandbox/iam/policies.ts';
import type { AuthorizationReference } from '../../../../scripts/authorization-reference.ts';
import type { Arns } from '../stack.ts';
import { account } from './account.ts';
import type { Asset, Verdict } from './asset.ts';
import { guards } from './guards.ts';
import { machines } from './machines.ts';
import { network } from './network.ts';
import { parts } from './parts.ts';

/** One action on one asset. */
export interface Way {
  readonly asset: string;
  /** The resource's type. */
  readonly type: string;
  readonly action: string;
  readonly resource: string;
  readonly context: Readonly<Record<string, string | readonly string[]>>;
  /** Why it is allowed; undefined: it must be denied. */
  readonly because: string | undefined;
}

export const assets = (arns: Arns): Asset[] => [
  ...machines(),
  ...parts(arns),
  ...guards(arns),
  ...network(),
  ...account(),
];

/** Every action of the reference on every asset that it is authorized on. */
export function ways(reference: AuthorizationReference, all: readonly Asset[]): Way[] {
  return all.flatMap(({ name, arns, tags = {}, context = {}, allowed }) =>
    Object.entries(arns).flatMap(([qualified, resource]) => {
      const [service = '', type = ''] = qualified.split(':');
      const known = reference.services[service];
      const onIt = Object.entries(known?.actions ?? {}).filter(([, { on }]) =>
        type === '*' ? Object.keys(on).length === 0 : type in on,
      );
      if (onIt.length === 0) throw new Error(`The reference has no action on ${qualified}.`);
      return onIt.map(([action, { on, keys }]): Way => {
        const named = `${service}:${action}`;
        // Where the reference lists keys of an action on a type, it lists all; else those of the type count.
        const ofType = on[type]?.length ? on[type] : (known?.resources[type]?.keys ?? []);
        return {
          asset: name,
          type,
          action: named,
          resource,
          context: supported([...ofType, ...keys], tags, context),
          because: allowed.find((verdict) => speaksOf(verdict, named, type))?.because,
        };
      });
    }),
  );
}

/** Patterns of verdicts that mean no action: left over from an earlier reference, or wrong. */
export function idleVerdicts(reference: AuthorizationReference, all: readonly Asset[]): string[] {
  const asked = ways(reference, all);
  return all.flatMap(({ name, allowed }) => {
    const actions = asked
      .filter(({ asset }) => asset === name)
      .flatMap(({ action, type }) => [action, `${action} on ${type}`]);
    return allowed
      .flatMap(({ actions: patterns, but = [] }) => [...patterns, ...but])
      .filter((pattern) => !looksOnly(pattern) && !actions.some((action) => wildcardMatches(pattern, action)))
      .map((pattern) => `${name}: ${pattern}`);
  });
}

/** Every service has some of these, and which is all the same. */
function looksOnly(pattern: string): boolean {
  return /:(?:Describe|Get|List)\*$/.test(pattern);
}

function speaksOf({ actions, but = [] }: Verdict, action: string, type: string): boolean {
  const named = (pattern: string) =>
    [action, `${action} on ${type}`].some((each) => wildcardMatches(pattern, each));
  return actions.some(named) && !but.some(named);
}

/**
 * What AWS would know of a request: of the resource's tags and the rest, only the condition keys that the reference has for the
 * action. A condition on any other key never holds, so that a Deny with one denies nothing.
 */
function supported(
  keys: readonly string[],
  tags: Readonly<Record<string, string>>,
  context: Way['context'],
): Way['context'] {
  const tagKeys = keys.filter((key) => /:ResourceTag\/\$\{TagKey\}$/i.test(key));
  const tagged = tagKeys.flatMap((key) =>
    Object.entries(tags).map(([tag, value]) => [key.replace('${TagKey}', tag), value] as const),
  );
  const rest = Object.entries(context).filter(([name]) =>
    keys.some((key) => wildcardMatches(key.replaceAll(/\$\{\w+\}/g, '*'), name)),
  );
  return Object.fromEntries([...tagged, ...rest]);
}
