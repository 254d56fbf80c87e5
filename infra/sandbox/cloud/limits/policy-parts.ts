/** The parts of a policy that services count. */
import { isRecord } from '../wire/shape.ts';

export type PolicyStatement = Readonly<Record<string, unknown>>;

/** Of a policy that was parsed. What is no statement counts as an empty one. */
export function statementsOf(policy: unknown): PolicyStatement[] {
  const statements: unknown[] = isRecord(policy) ? [policy['Statement'] ?? []].flat() : [];
  return statements.map((each) => (isRecord(each) ? each : {}));
}

/** What `Action` or `NotAction` lists. */
export function actionsOf(statement: PolicyStatement): unknown[] {
  return [statement['Action'] ?? [], statement['NotAction'] ?? []].flat();
}

/** Every principal that is named, `*` included. */
export function principalsOf(statement: PolicyStatement): unknown[] {
  return [statement['Principal'] ?? [], statement['NotPrincipal'] ?? []].flatMap((named) =>
    isRecord(named) ? Object.values(named).flat() : [named].flat(),
  );
}

/** Every key that is compared, once for each operator. */
export function conditionsOf(statement: PolicyStatement): string[] {
  const condition = statement['Condition'];
  const operators: unknown[] = isRecord(condition) ? Object.values(condition) : [];
  return operators.flatMap((keys) => (isRecord(keys) ? Object.keys(keys) : []));
}

/** As services count where white space does not: the shortest JSON. */
export function shortest(policy: unknown): string {
  return JSON.stringify(policy);
}
