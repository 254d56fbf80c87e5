/** A CloudFormation template as its JSON says it: nothing resolved, everything checked that the engine relies on. */

export type Json = string | number | boolean | null | readonly Json[] | JsonMap;
export interface JsonMap {
  readonly [key: string]: Json;
}

export interface ParameterDefinition {
  readonly type: string;
  readonly default: string | undefined;
  readonly description: string | undefined;
  /** What a refusal says in place of the pattern. */
  readonly constraintDescription: string | undefined;
  readonly noEcho: boolean;
  readonly allowedPattern: string | undefined;
  readonly allowedValues: readonly string[] | undefined;
  readonly minLength: number | undefined;
  readonly maxLength: number | undefined;
  readonly minValue: number | undefined;
  readonly maxValue: number | undefined;
}

export interface ResourceDefinition {
  readonly type: string;
  readonly properties: JsonMap;
  readonly condition: string | undefined;
  readonly dependsOn: readonly string[];
  /** Whether it says what its deletion does. */
  readonly retention: boolean;
  readonly deletionPolicy: DeletionPolicy;
  readonly updateReplacePolicy: UpdateReplacePolicy;
  /** Without functions. */
  readonly updatePolicy: JsonMap | undefined;
}

/** `RetainExceptOnCreate` retains, except when the operation that made the resource is rolled back. */
export type DeletionPolicy = 'Delete' | 'Retain' | 'RetainExceptOnCreate';
export type UpdateReplacePolicy = 'Delete' | 'Retain';

export interface Output {
  readonly value: Json;
  readonly condition: string | undefined;
}

/** What must hold of the parameters before anything is made. */
export interface Rule {
  /** Undefined: always. */
  readonly condition: Json | undefined;
  readonly assertions: readonly { readonly assert: Json; readonly description: string }[];
}

export interface Template {
  /** Empty where there is none. */
  readonly description: string;
  readonly parameters: ReadonlyMap<string, ParameterDefinition>;
  readonly mappings: JsonMap;
  readonly conditions: JsonMap;
  readonly rules: ReadonlyMap<string, Rule>;
  readonly resources: ReadonlyMap<string, ResourceDefinition>;
  readonly outputs: ReadonlyMap<string, Output>;
}

/** The template, or what it is given, can't be deployed; the message names the place. */
export class TemplateError extends Error {
  override readonly name = 'TemplateError';
}

const sections = new Set([
  'AWSTemplateFormatVersion',
  'Description',
  'Metadata',
  'Parameters',
  'Rules',
  'Mappings',
  'Conditions',
  'Resources',
  'Outputs',
]);

/** What a resource may have besides. */
const inert = new Set(['Metadata']);
const applied = new Set([
  'Type',
  'Properties',
  'Condition',
  'DependsOn',
  'DeletionPolicy',
  'UpdatePolicy',
  'UpdateReplacePolicy',
]);

/** @throws TemplateError */
export function parseTemplate(text: string): Template {
  const root = mapAt(jsonOf(text), 'the template');
  const stranger = Object.keys(root).find((name) => !sections.has(name));
  if (stranger !== undefined) throw new TemplateError(`The template's section ${stranger} is not supported.`);
  return {
    description: root['Description'] === undefined ? '' : textAt(root['Description'], 'Description'),
    parameters: mapped(section(root, 'Parameters'), parameter),
    mappings: section(root, 'Mappings'),
    conditions: section(root, 'Conditions'),
    rules: mapped(section(root, 'Rules'), rule),
    resources: mapped(section(root, 'Resources'), resource),
    outputs: mapped(section(root, 'Outputs'), output),
  };
}

function jsonOf(text: string): Json {
  try {
    const value: Json = JSON.parse(text);
    return value;
  } catch (error) {
    throw new TemplateError('The template is not JSON.', { cause: error });
  }
}

function section(root: JsonMap, name: string): JsonMap {
  return mapAt(root[name] ?? {}, name);
}

function parameter(value: Json, name: string): ParameterDefinition {
  const given = mapAt(value, `parameter ${name}`);
  const number = (key: string) => (given[key] === undefined ? undefined : Number(given[key]));
  const allowed = given['AllowedValues'];
  const textOf = (key: string) =>
    given[key] === undefined ? undefined : textAt(given[key], `parameter ${name}'s ${key}`);
  return {
    type: textAt(given['Type'], `parameter ${name}'s Type`),
    default:
      given['Default'] === undefined ? undefined : scalar(given['Default'], `parameter ${name}'s Default`),
    description: textOf('Description'),
    constraintDescription: textOf('ConstraintDescription'),
    noEcho: given['NoEcho'] === true || given['NoEcho'] === 'true',
    allowedPattern: textOf('AllowedPattern'),
    allowedValues: isList(allowed) ? allowed.map((each) => scalar(each, `parameter ${name}`)) : undefined,
    minLength: number('MinLength'),
    maxLength: number('MaxLength'),
    minValue: number('MinValue'),
    maxValue: number('MaxValue'),
  };
}

function resource(value: Json, name: string): ResourceDefinition {
  const given = mapAt(value, `resource ${name}`);
  const stranger = Object.keys(given).find((key) => !applied.has(key) && !inert.has(key));
  if (stranger !== undefined)
    throw new TemplateError(`Resource ${name} has the attribute ${stranger}, which is not supported.`);
  const dependsOn = given['DependsOn'] ?? [];
  return {
    type: textAt(given['Type'], `resource ${name}'s Type`),
    properties: mapAt(given['Properties'] ?? {}, `resource ${name}'s Properties`),
    condition:
      given['Condition'] === undefined
        ? undefined
        : textAt(given['Condition'], `resource ${name}'s Condition`),
    dependsOn: (isList(dependsOn) ? dependsOn : [dependsOn]).map((each) =>
      textAt(each, `resource ${name}'s DependsOn`),
    ),
    retention: given['DeletionPolicy'] !== undefined,
    deletionPolicy: deletionPolicy(given['DeletionPolicy'] ?? 'Delete', name),
    updateReplacePolicy: updateReplacePolicy(given['UpdateReplacePolicy'] ?? 'Delete', name),
    updatePolicy:
      given['UpdatePolicy'] === undefined
        ? undefined
        : mapAt(given['UpdatePolicy'], `resource ${name}'s UpdatePolicy`),
  };
}

function rule(value: Json, name: string): Rule {
  const given = mapAt(value, `rule ${name}`);
  return {
    condition: given['RuleCondition'],
    assertions: listAt(given['Assertions'], `rule ${name}'s Assertions`).map((each) => {
      const { Assert, AssertDescription } = mapAt(each, `an assertion of rule ${name}`);
      if (Assert === undefined) throw new TemplateError(`Rule ${name} asserts nothing.`);
      return { assert: Assert, description: textAt(AssertDescription ?? '', `rule ${name}`) };
    }),
  };
}

function deletionPolicy(value: Json, name: string): DeletionPolicy {
  if (value === 'Delete' || value === 'Retain' || value === 'RetainExceptOnCreate') return value;
  throw new TemplateError(`Resource ${name}'s DeletionPolicy ${JSON.stringify(value)} is not supported.`);
}

function updateReplacePolicy(value: Json, name: string): UpdateReplacePolicy {
  if (value === 'Delete' || value === 'Retain') return value;
  throw new TemplateError(
    `Resource ${name}'s UpdateReplacePolicy ${JSON.stringify(value)} is not supported.`,
  );
}

function output(value: Json, name: string): Output {
  const given = mapAt(value, `output ${name}`);
  if (given['Value'] === undefined) throw new TemplateError(`Output ${name} has no Value.`);
  return {
    value: given['Value'],
    condition:
      given['Condition'] === undefined ? undefined : textAt(given['Condition'], `output ${name}'s Condition`),
  };
}

function mapped<Value>(entries: JsonMap, read: (value: Json, name: string) => Value): Map<string, Value> {
  return new Map(Object.entries(entries).map(([name, value]) => [name, read(value, name)]));
}

export function isList(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value);
}

export function isMap(value: Json | undefined): value is JsonMap {
  return typeof value === 'object' && value !== null && !isList(value);
}

export function mapAt(value: Json | undefined, place: string): JsonMap {
  if (isMap(value)) return value;
  throw new TemplateError(`${place} must be a map.`);
}

export function listAt(value: Json | undefined, place: string): readonly Json[] {
  if (isList(value)) return value;
  throw new TemplateError(`${place} must be a list.`);
}

export function textAt(value: Json | undefined, place: string): string {
  if (typeof value === 'string') return value;
  throw new TemplateError(`${place} must be a string.`);
}

/** Text, with numbers and booleans written out as CloudFormation does. */
export function scalar(value: Json | undefined, place: string): string {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
    return String(value);
  throw new TemplateError(`${place} must be a string, a number or a boolean.`);
}
