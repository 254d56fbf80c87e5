/**
 * The template that takes into a new stack what a deleted one has left: secret, keys, ledger, records and logs, with their policies. An
 * update by the whole template follows it and makes all the rest.
 */
type Json = string | number | boolean | null | Json[] | { [key: string]: Json };
type JsonMap = { [key: string]: Json };

/** Where each type that is left has a policy of its own: the path to the document. */
const policyPaths: Readonly<Record<string, readonly string[]>> = {
  'AWS::KMS::Key': ['KeyPolicy'],
  'AWS::DynamoDB::Table': ['ResourcePolicy', 'PolicyDocument'],
  'AWS::SecretsManager::ResourcePolicy': ['ResourcePolicy'],
  'AWS::S3::BucketPolicy': ['PolicyDocument'],
};

/**
 * An import changes nothing, and CloudFormation then believes that all is as its template says; an update carries out only what
 * differs from that. A stack that was deleted long ago left the policies of its time: an `Id` that the whole template has not makes each
 * of them differ, so that the update writes them all.
 */
const mark = 'adjoin-import';
/** What a policy names that went with the old stack: the endpoint of the secret. */
const gone = 'gone';

/**
 * @param template the whole template, as text
 * @throws Error when something that is left, other than its policy, needs what is not
 */
export function importTemplate(template: string): JsonMap {
  const whole = mapOf(JSON.parse(template));
  const resources = mapOf(whole['Resources']);
  const left = Object.entries(resources).filter(([, each]) =>
    textOf(mapOf(each)['DeletionPolicy']).startsWith('Retain'),
  );
  const ids = new Set(left.map(([id]) => id));
  const isLost = (id: string): boolean => id in resources && !ids.has(id);

  const kept = left.map(([id, each]): [string, Json] => {
    const { Type, DeletionPolicy, UpdateReplacePolicy, Properties, Condition } = mapOf(each);
    if (Condition !== undefined)
      throw new Error(`${id} is left under a condition: an import has to name each.`);
    const path = policyPaths[textOf(Type)];
    const marked = path === undefined ? mapOf(Properties) : withMark(mapOf(Properties), path, isLost);
    const lost = [...references(marked)].filter(isLost);
    if (lost.length > 0) throw new Error(`${id} is left, and needs ${lost.join(', ')}, which is not.`);
    return [
      id,
      {
        Type: Type ?? '',
        DeletionPolicy: DeletionPolicy ?? '',
        UpdateReplacePolicy: UpdateReplacePolicy ?? '',
        Properties: marked,
      },
    ];
  });

  const conditions = needed(
    mapOf(whole['Conditions'] ?? {}),
    kept.map(([, each]) => each),
    conditionsIn,
  );
  const parameters = needed(
    mapOf(whole['Parameters'] ?? {}),
    [...kept.map(([, each]) => each), ...Object.values(conditions)],
    references,
  );
  return {
    Description: 'adjoin: takes in what a deleted stack has left',
    Parameters: parameters,
    Conditions: conditions,
    Resources: Object.fromEntries(kept),
  };
}

/** The properties, with the mark in the document at this path, and without what is lost. */
function withMark(
  properties: JsonMap,
  [name = '', ...rest]: readonly string[],
  isLost: (id: string) => boolean,
): JsonMap {
  const inner = mapOf(properties[name]);
  const marked: JsonMap =
    rest.length > 0 ? withMark(inner, rest, isLost) : { ...mapOf(without(inner, isLost)), Id: mark };
  return { ...properties, [name]: marked };
}

/** Every reference to what is lost becomes a text that stands for nothing. */
function without(value: Json, isLost: (id: string) => boolean): Json {
  if (Array.isArray(value)) return value.map((each) => without(each, isLost));
  if (!isMap(value)) return value;
  const referred = referredTo(value);
  if (referred !== undefined && isLost(referred)) return gone;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, without(each, isLost)]));
}

/** What of a section the values use, and what that uses itself. */
function needed(section: JsonMap, values: readonly Json[], uses: (value: Json) => Iterable<string>): JsonMap {
  const found = new Set<string>();
  const look = (value: Json): void => {
    for (const name of uses(value)) {
      const entry = section[name];
      if (entry === undefined || found.has(name)) continue;
      found.add(name);
      look(entry);
    }
  };
  values.forEach(look);
  return Object.fromEntries(Object.entries(section).filter(([name]) => found.has(name)));
}

function referredTo(value: JsonMap): string | undefined {
  const { Ref: name, 'Fn::GetAtt': attribute } = value;
  if (typeof name === 'string') return name;
  return Array.isArray(attribute) && typeof attribute[0] === 'string' ? attribute[0] : undefined;
}

function* references(value: Json): Iterable<string> {
  if (isMap(value)) {
    const referred = referredTo(value);
    if (referred !== undefined) yield referred;
  }
  for (const inner of inside(value)) yield* references(inner);
}

function* conditionsIn(value: Json): Iterable<string> {
  if (isMap(value)) {
    const { 'Fn::If': choice, Condition: name } = value;
    if (Array.isArray(choice) && typeof choice[0] === 'string') yield choice[0];
    if (typeof name === 'string') yield name;
  }
  for (const inner of inside(value)) yield* conditionsIn(inner);
}

const inside = (value: Json): Json[] =>
  Array.isArray(value) ? value : isMap(value) ? Object.values(value) : [];

function mapOf(value: Json | undefined): JsonMap {
  if (isMap(value)) return value;
  throw new Error('The template is not as it is synthesized.');
}

const textOf = (value: Json | undefined): string => (typeof value === 'string' ? value : '');

function isMap(value: Json | undefined): value is JsonMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
