import {
  isList,
  isMap,
  listAt,
  mapAt,
  scalar,
  TemplateError,
  textAt,
  type Json,
  type JsonMap,
} from './template.ts';

/** What a created resource answers to Ref and Fn::GetAtt. */
export interface Created {
  readonly ref: string;
  readonly attributes: Readonly<Record<string, string>>;
  /** Attributes that are lists. */
  readonly lists?: Readonly<Record<string, readonly string[]>>;
}

/** All that an expression may refer to. */
export interface Scope {
  readonly place: { readonly region: string; readonly accountId: string };
  readonly stackName: string;
  readonly stackId?: string;
  readonly parameters: ReadonlyMap<string, Json>;
  readonly mappings: JsonMap;
  /** Logical ID to what was created; absent while it is not created, and when its condition is false. */
  readonly created: ReadonlyMap<string, Created>;
  /** The truth of a named condition. */
  condition(name: string): boolean;
}

/** Stands for a property that is as if it had not been written. */
const noValue = Symbol('AWS::NoValue');
type Evaluated = Json | typeof noValue;

/** @throws TemplateError for an intrinsic function that is not supported, and a reference that leads nowhere */
export function evaluate(value: Json, scope: Scope): Json {
  const result = evaluateAny(value, scope);
  if (result === noValue) throw new TemplateError('AWS::NoValue can only stand in a list or for a property.');
  return result;
}

export function evaluateMap(map: JsonMap, scope: Scope): JsonMap {
  return mapAt(evaluateMembers(map, scope), 'a map');
}

/** The truth of a condition's expression. */
export function evaluateCondition(value: Json, scope: Scope): boolean {
  const [name, argument] = isMap(value) ? (intrinsicOf(value) ?? []) : [];
  if (name === undefined || argument === undefined)
    throw new TemplateError('A condition must be a function.');
  switch (name) {
    case 'Condition':
      return scope.condition(textAt(argument, 'Condition'));
    case 'Fn::Equals': {
      const [left, right] = listAt(argument, name).map((each) => evaluate(each, scope));
      return JSON.stringify(left) === JSON.stringify(right);
    }
    case 'Fn::And':
      return listAt(argument, name).every((each) => evaluateCondition(each, scope));
    case 'Fn::Or':
      return listAt(argument, name).some((each) => evaluateCondition(each, scope));
    case 'Fn::Not':
      return !listAt(argument, name).some((each) => evaluateCondition(each, scope));
    // Only rules have it.
    case 'Fn::EachMemberEquals': {
      const [list, wanted] = listAt(argument, name);
      const value = scalar(evaluate(wanted ?? '', scope), name);
      return listAt(evaluate(list ?? [], scope), name).every((each) => each === value);
    }
    default:
      throw new TemplateError(`The condition function ${name} is not supported.`);
  }
}

function evaluateAny(value: Json, scope: Scope): Evaluated {
  if (isList(value)) {
    return value.map((each) => evaluateAny(each, scope)).filter((each): each is Json => each !== noValue);
  }
  if (!isMap(value)) return value;
  const [name, argument] = intrinsicOf(value) ?? [];
  if (name === undefined || argument === undefined) return evaluateMembers(value, scope);
  return call(name, argument, scope);
}

function evaluateMembers(map: JsonMap, scope: Scope): Json {
  const members = Object.entries(map).map(([key, each]): [string, Evaluated] => [
    key,
    evaluateAny(each, scope),
  ]);
  return Object.fromEntries(members.filter((each): each is [string, Json] => each[1] !== noValue));
}

/** A map with one member that is a function's name. */
export function intrinsicOf(map: JsonMap): [name: string, argument: Json] | undefined {
  const [first, ...others] = Object.entries(map);
  if (first === undefined || others.length > 0) return undefined;
  const [name, argument] = first;
  // A policy has members named Condition as well, but those are maps.
  const isCondition = name === 'Condition' && typeof argument === 'string';
  return name === 'Ref' || name.startsWith('Fn::') || isCondition ? [name, argument] : undefined;
}

function call(name: string, argument: Json, scope: Scope): Evaluated {
  const list = () => listAt(argument, name);
  switch (name) {
    case 'Ref':
      return reference(textAt(argument, name), scope);
    case 'Fn::GetAtt': {
      const [id = '', attribute = ''] = isList(argument)
        ? argument.map((each) => scalar(evaluate(each, scope), name))
        : splitOnce(textAt(argument, name));
      return scope.created.get(id)?.lists?.[attribute] ?? attributeOf(id, attribute, scope);
    }
    case 'Fn::Sub':
      return substitute(argument, scope);
    case 'Fn::Join': {
      const [separator, parts] = list();
      const items = listAt(evaluate(parts ?? [], scope), name).map((each) => scalar(each, name));
      return items.join(textAt(separator, name));
    }
    case 'Fn::Split': {
      const [separator, source] = list();
      return scalar(evaluate(source ?? '', scope), name).split(textAt(separator, name));
    }
    case 'Fn::Select': {
      const [position, source] = list();
      const items = listAt(evaluate(source ?? [], scope), name);
      const index = scalar(evaluate(position ?? '', scope), name);
      const chosen = items[Number(index)];
      if (chosen === undefined) throw new TemplateError(`Fn::Select finds nothing at ${index}.`);
      return chosen;
    }
    case 'Fn::If': {
      const [condition, whenTrue, whenFalse] = list();
      if (whenTrue === undefined || whenFalse === undefined)
        throw new TemplateError('Fn::If takes three values.');
      return evaluateAny(scope.condition(textAt(condition, name)) ? whenTrue : whenFalse, scope);
    }
    case 'Fn::Base64':
      return Buffer.from(scalar(evaluate(argument, scope), name)).toString('base64');
    case 'Fn::GetAZs':
      return ['a', 'b', 'c'].map((zone) => scope.place.region + zone);
    case 'Fn::FindInMap': {
      const path = list().map((each) => scalar(evaluate(each, scope), name));
      const found = path.reduce<Json | undefined>(
        (at, key) => (isMap(at) ? at[key] : undefined),
        scope.mappings,
      );
      if (found === undefined) throw new TemplateError(`Fn::FindInMap finds nothing at ${path.join('.')}.`);
      return found;
    }
    default:
      throw new TemplateError(`The function ${name} is not supported.`);
  }
}

function reference(name: string, scope: Scope): Evaluated {
  switch (name) {
    case 'AWS::NoValue':
      return noValue;
    case 'AWS::Region':
      return scope.place.region;
    case 'AWS::AccountId':
      return scope.place.accountId;
    case 'AWS::Partition':
      return 'aws';
    case 'AWS::URLSuffix':
      return 'amazonaws.com';
    case 'AWS::StackName':
      return scope.stackName;
    case 'AWS::StackId':
      return (
        scope.stackId ??
        `arn:aws:cloudformation:${scope.place.region}:${scope.place.accountId}:stack/${scope.stackName}/${scope.stackName}`
      );
    default: {
      const value = scope.parameters.get(name) ?? scope.created.get(name)?.ref;
      if (value === undefined) throw new TemplateError(`Ref ${name} leads nowhere.`);
      return value;
    }
  }
}

function attributeOf(id: string, attribute: string, scope: Scope): string {
  const value = scope.created.get(id)?.attributes[attribute];
  if (value === undefined) throw new TemplateError(`${id} has no attribute ${attribute}.`);
  return value;
}

const placeholder = /\$\{(!?)([^}]*)\}/g;

function substitute(argument: Json, scope: Scope): string {
  const [text, variables] = isList(argument) ? argument : [argument];
  const own = variables === undefined ? {} : mapAt(variables, 'Fn::Sub');
  return textAt(text, 'Fn::Sub').replaceAll(placeholder, (_, literal: string, name: string) => {
    if (literal !== '') return `\${${name}}`;
    const variable = own[name];
    if (variable !== undefined) return scalar(evaluate(variable, scope), `\${${name}}`);
    const [id, attribute] = splitOnce(name);
    if (attribute !== '') return attributeOf(id, attribute, scope);
    return scalar(evaluate({ Ref: name }, scope), `\${${name}}`);
  });
}

/** Names that an expression refers to, in every branch, as CloudFormation orders by them. */
export function referencesOf(value: Json): Set<string> {
  const names = new Set<string>();
  const visit = (each: Json): void => {
    if (isList(each)) {
      for (const item of each) visit(item);
      return;
    }
    if (!isMap(each)) return;
    const [name, argument] = intrinsicOf(each) ?? [];
    if (name === 'Ref' && typeof argument === 'string') names.add(argument);
    if (name === 'Fn::GetAtt') {
      const [id] = isList(argument) ? argument : [splitOnce(textAt(argument, name))[0]];
      if (typeof id === 'string') names.add(id);
    }
    if (name === 'Fn::Sub') {
      const [text, variables] = isList(argument) ? argument : [argument];
      const own = isMap(variables) ? variables : {};
      for (const [, literal, inside = ''] of textAt(text, name).matchAll(placeholder)) {
        if (literal === '' && own[inside] === undefined) names.add(splitOnce(inside)[0]);
      }
    }
    for (const member of Object.values(each)) visit(member);
  };
  visit(value);
  return names;
}

/** `A.B.C` as `A` and `B.C`; a pseudo parameter has no dot. */
function splitOnce(text: string): [string, string] {
  const dot = text.indexOf('.');
  return dot < 0 ? [text, ''] : [text.slice(0, dot), text.slice(dot + 1)];
}
