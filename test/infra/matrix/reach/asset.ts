/** What the system, its workers and their network are made of, as AWS authorizes requests on it. */
import { accountId, deployment, region } from '../stack.ts';

/**
 * Actions that stay allowed, as patterns, and why nothing is lost by it. `ACTION on TYPE` is about one of several resource types
 * that AWS authorizes the action on; it is allowed only if it is on all of those that a request names.
 */
export interface Verdict {
  readonly actions: readonly string[];
  /** Of these, the ones that are denied all the same. */
  readonly but?: readonly string[];
  readonly because: string;
}

export interface Asset {
  readonly name: string;
  /** ARN by service and resource type, such as `ssm:document`; the type `*` stands for actions without one. */
  readonly arns: Readonly<Record<string, string>>;
  readonly tags?: Readonly<Record<string, string>>;
  /** Condition keys of the request that hurts most. */
  readonly context?: Readonly<Record<string, string | readonly string[]>>;
  readonly allowed: readonly Verdict[];
}

/** Of this account and Region. */
export const own = (service: string, resource: string) =>
  `arn:aws:${service}:${region}:${accountId}:${resource}`;
export const ec2 = (resource: string) => own('ec2', resource);
/** The tag of what the stack makes. */
export const ours = { 'adjoin:deployment': deployment };

export const looking = (service: string, ...more: string[]): Verdict => ({
  actions: ['Describe*', 'Get*', 'List*', ...more].map((action) => `${service}:${action}`),
  because: 'It looks, and what it shows is no secret.',
});
