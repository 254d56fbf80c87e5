/** Taking parts out of policies, to see whether they are needed. */
import type { StatementName } from '../../../infra/sandbox/iam/authorizer.ts';
import {
  listOf,
  wildcardMatches,
  withoutStatement,
  type Policy,
  type PolicyKind,
  type Statement,
} from '../../../infra/sandbox/iam/policies.ts';
import type { Act } from './acts.ts';
import type { Stack } from './stack.ts';

/** Changes a policy before it is deployed; undefined when nothing of it is left. */
export type Edit = (kind: PolicyKind, policy: Policy) => Policy | undefined;

/** A statement with its name. */
interface NamedStatement extends StatementName {
  readonly statement: Statement;
}

/** One condition of a statement, or one of the several values that it compares with. */
export interface NamedCondition extends NamedStatement {
  readonly operator: string;
  readonly key: string;
  /** Absent where the condition has one value only, and stands for the whole. */
  readonly value?: string;
}

export function nameOf({ kind, policy, sid }: StatementName): string {
  return `${kind} ${policy} ${sid}`;
}

/** Every Deny statement of the stack and of the service control policies. */
export function denials(stack: Stack): NamedStatement[] {
  const placed: [PolicyKind, readonly (Policy | undefined)[]][] = [
    ['identity', [...stack.worker, ...stack.publisher, ...stack.deadLetterOperator]],
    ['identity', [...stack.membershipOperator, ...stack.denyPolicies]],
    ['identity', [stack.node, stack.workerAdministrator, stack.operatorSession]],
    ['identity', [stack.operatorPortForwarding, stack.operatorEcsExec]],
    ['service-control', stack.serviceControlPolicies],
    ['resource', [...stack.resourcePolicies.values()]],
    ['endpoint', [...stack.endpoints.values()].map(({ policy }) => policy)],
  ];
  return placed.flatMap(([kind, policies]) =>
    policies.flatMap((policy) =>
      (policy?.document.Statement ?? [])
        .filter(({ Effect }) => Effect === 'Deny')
        .map((statement) => ({ kind, policy: policy?.name ?? '', sid: statement.Sid, statement })),
    ),
  );
}

/**
 * Every condition of these statements; where one compares with several values, each of them instead, and the whole as well
 * where a value says what the statement is about, not whom it spares. A service control policy spares the same roles in
 * each statement: of those, each counts once, in all statements together.
 */
export function conditionsOf(statements: readonly NamedStatement[]): NamedCondition[] {
  const conditions = statements.flatMap((named) =>
    Object.entries(named.statement.Condition ?? {}).flatMap(([operator, keys]) =>
      Object.entries(keys).flatMap(([key, compared]): NamedCondition[] => {
        const condition = { ...named, operator, key };
        const values = listOf(compared);
        if (values.length <= 1) return [condition];
        const each = values.map((value) => ({ ...condition, value }));
        return spares(condition) ? each : [condition, ...each];
      }),
    ),
  );
  return [
    ...new Map(
      conditions.map((each) => [everywhere(each) ? each.value : conditionName(each), each]),
    ).values(),
  ];
}

/** Whether the statement is about all but the values of this condition; so that without one it is about more. */
export function spares({ operator }: NamedCondition): boolean {
  return operator.includes('Not');
}

/** A role that service control policies spare. */
function everywhere(condition: NamedCondition): boolean {
  return condition.kind === 'service-control' && condition.value !== undefined && spares(condition);
}

export function conditionName(condition: NamedCondition): string {
  const { operator, key, value = '' } = condition;
  return `${everywhere(condition) ? condition.kind : nameOf(condition)} ${operator} ${key} ${value}`.trim();
}

/** Takes one statement out of its policy. */
export function without({ kind, policy, sid }: StatementName): Edit {
  return (itsKind, each) => (itsKind === kind && each.name === policy ? withoutStatement(each, sid) : each);
}

/** Takes one condition, or one of its values, out of its statement. */
export function withoutCondition(condition: NamedCondition): Edit {
  const { policy, sid, operator, key, value } = condition;
  return (kind, { name, document }) => ({
    name,
    document: {
      ...document,
      Statement: document.Statement.map((statement) => {
        const meant = everywhere(condition) || (name === policy && statement.Sid === sid);
        const { [key]: compared, ...otherKeys } = statement.Condition?.[operator] ?? {};
        if (kind !== condition.kind || !meant || compared === undefined) return statement;
        const rest = value === undefined ? [] : listOf(compared).filter((each) => each !== value);
        const keys = rest.length > 0 ? { ...otherKeys, [key]: rest } : otherKeys;
        return { ...statement, Condition: { ...statement.Condition, [operator]: keys } };
      }),
    },
  });
}

/** Whether a statement speaks about this action on this resource at all, in some circumstances. */
export function speaksOf(
  { statement }: NamedStatement,
  { action, resource }: Pick<Act, 'action' | 'resource'>,
): boolean {
  const { Action, NotAction, Resource } = statement;
  const named = (pattern: string) => wildcardMatches(pattern, action);
  const onIt =
    Resource === undefined || listOf(Resource).some((pattern) => wildcardMatches(pattern, resource));
  return onIt && (NotAction === undefined ? listOf(Action).some(named) : !listOf(NotAction).some(named));
}
