/**
 * The policies are files in policies/: IAM JSON with named placeholders such as `${WorkerRoleArn}`. IAM's own variables, such
 * as `${aws:userid}`, have a colon or begin in lower case; they are not replaced.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface PolicyStatement {
  readonly Sid: string;
  readonly Effect: 'Allow' | 'Deny';
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly [element: string]: unknown;
}

export interface PolicyDocument {
  readonly Version: string;
  readonly Statement: readonly PolicyStatement[];
}

/** The values of the placeholders. A list can replace a placeholder only where that is the whole value. */
export type PolicyValues = Readonly<Record<string, string | string[]>>;

/** The folder of the policies. */
export const policyFolder = join(import.meta.dirname, '../policies');

const placeholder = /\$\{([A-Z][A-Za-z0-9]*)\}/g;
const wholePlaceholder = /^\$\{([A-Z][A-Za-z0-9]*)\}$/;

type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

/** What each statement of a file needs. */
export function placeholdersOf(name: string): { sid: string; placeholders: string[] }[] {
  return asPolicy(name, read(name)).Statement.map((statement) => ({
    sid: statement.Sid,
    placeholders: [...JSON.stringify(statement).matchAll(placeholder)].map(([, key]) => key ?? ''),
  }));
}

/**
 * The policy of one file with its placeholders filled.
 * @param without Sids of statements to leave out; what they need is not asked for
 * @throws Error when a placeholder has no value, or a list is given where only text fits.
 */
export function fillPolicy(
  name: string,
  values: PolicyValues,
  without: readonly string[] = [],
): PolicyDocument {
  const valueOf = (key: string): string | string[] => {
    const value = values[key];
    if (value === undefined) throw new Error(`policies/${name}.json: nothing was given for \${${key}}`);
    return value;
  };
  const fill = (node: Json): Json => {
    if (typeof node === 'string') {
      const whole = wholePlaceholder.exec(node)?.[1];
      if (whole !== undefined) return valueOf(whole);
      return node.replaceAll(placeholder, (_, key: string) => {
        const value = valueOf(key);
        if (typeof value !== 'string')
          throw new Error(`policies/${name}.json: \${${key}} is a list, and "${node}" is text`);
        return value;
      });
    }
    if (Array.isArray(node)) return node.map(fill);
    if (typeof node === 'object' && node !== null) {
      return Object.fromEntries(Object.entries(node).map(([key, child]) => [key, fill(child)]));
    }
    return node;
  };
  const policy = asPolicy(name, read(name));
  const kept = policy.Statement.filter(({ Sid }) => !without.includes(Sid));
  const text: Json = JSON.parse(JSON.stringify({ ...policy, Statement: kept }));
  return asPolicy(name, fill(text));
}

function read(name: string): Json {
  return JSON.parse(readFileSync(join(policyFolder, `${name}.json`), 'utf8'));
}

function asPolicy(name: string, value: unknown): PolicyDocument {
  if (!isPolicy(value))
    throw new Error(`policies/${name}.json is not a policy whose every statement has a Sid`);
  return value;
}

function isPolicy(value: unknown): value is PolicyDocument {
  return (
    isObject(value) &&
    value['Version'] === '2012-10-17' &&
    Array.isArray(value['Statement']) &&
    value['Statement'].every(
      (statement: unknown) =>
        isObject(statement) &&
        typeof statement['Sid'] === 'string' &&
        (statement['Effect'] === 'Allow' || statement['Effect'] === 'Deny'),
    )
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
