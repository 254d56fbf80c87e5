import { Authorizer, type Decision, type Question } from './authorizer.ts';
import type { DeployedPolicies } from './policies.ts';

/** Decisions that are kept at most. Keys with many values, such as a record's, would fill the memory otherwise. */
const MOST = 5_000;

/**
 * Decides as {@link Authorizer} does, and the same question once: workers ask the same a thousand times. A question is the same when
 * all is that these policies can look at. What they do not name, such as the time, cannot change a decision.
 */
export class RememberedDecisions implements Pick<Authorizer, 'decide'> {
  readonly #authorizer: Pick<Authorizer, 'decide'>;
  /** Everything that the policies say, in small letters: IAM ignores the case of condition keys. */
  readonly #text: string;
  readonly #named = new Map<string, boolean>();
  readonly #decisions = new Map<string, Promise<Decision>>();

  constructor(policies: DeployedPolicies, authorizer: Pick<Authorizer, 'decide'> = new Authorizer(policies)) {
    this.#authorizer = authorizer;
    this.#text = JSON.stringify([
      [...policies.identities.values()],
      [...policies.resourcePolicies.values()],
      [...policies.endpoints.values()],
      policies.serviceControlPolicies,
      policies.resourceControlPolicies,
    ]).toLowerCase();
  }

  decide(question: Question): Promise<Decision> {
    const { principal, action, resource, context = {} } = question;
    const seen = Object.entries(context)
      .filter(([name]) => this.#isNamed(name))
      .toSorted(([one], [other]) => (one < other ? -1 : 1));
    const key = JSON.stringify([principal, action, resource, seen]);
    const known = this.#decisions.get(key);
    if (known) return known;
    if (this.#decisions.size >= MOST) this.#decisions.clear();
    const decision = this.#authorizer.decide(question);
    this.#decisions.set(key, decision);
    return decision;
  }

  /** Whether a policy names the condition key. The endpoint that a request comes through brings a policy of its own. */
  #isNamed(name: string): boolean {
    const known = this.#named.get(name);
    if (known !== undefined) return known;
    const isNamed =
      name === 'aws:SourceVpce' || this.#text.includes(JSON.stringify(name.toLowerCase()).slice(1, -1));
    this.#named.set(name, isNamed);
    return isNamed;
  }
}
