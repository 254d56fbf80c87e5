import type { Decision, Question, StatementName } from './authorizer.ts';
import { wildcardMatches, listOf, type Policy, type PolicyKind } from './policies.ts';

/** An action, or a pattern of actions, that one statement allows. */
interface Grant extends StatementName {
  readonly action: string;
}

/** Remembers which statement allowed which action, so that what nothing used can be found. */
export class Recorder {
  readonly #used = new Map<string, { readonly by: StatementName; readonly action: string; count: number }>();

  note({ action }: Pick<Question, 'action'>, decision: Decision): void {
    if (!decision.allowed) return;
    for (const by of decision.allows) {
      const key = [by.kind, by.policy, by.sid, action.toLowerCase()].join('\n');
      const entry = this.#used.get(key) ?? { by, action, count: 0 };
      entry.count += 1;
      this.#used.set(key, entry);
    }
  }

  /** Every grant that was used, by statement and the action that was asked for, and how often. */
  used(): (Grant & { count: number })[] {
    return [...this.#used.values()].map(({ by, action, count }) => ({ ...by, action, count }));
  }

  /** What the Allow statements of these policies grant and no call has used. */
  unused(kind: PolicyKind, policies: readonly Policy[]): Grant[] {
    return grants(kind, policies).filter(
      (grant) =>
        ![...this.#used.values()].some(
          ({ by, action }) =>
            by.kind === grant.kind &&
            by.policy === grant.policy &&
            by.sid === grant.sid &&
            wildcardMatches(grant.action, action),
        ),
    );
  }
}

/** What is allowed by leaving it out (NotAction) cannot be listed: the statement then stands as `*`. */
function grants(kind: PolicyKind, policies: readonly Policy[]): Grant[] {
  return policies.flatMap(({ name, document }) =>
    document.Statement.filter(({ Effect }) => Effect === 'Allow').flatMap(({ Sid, Action, NotAction }) =>
      listOf(NotAction ? '*' : Action).map((action) => ({ kind, policy: name, sid: Sid, action })),
    ),
  );
}
