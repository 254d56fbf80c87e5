import { TemplateError, type Json, type ParameterDefinition } from './template.ts';

const publicParameter = /^AWS::SSM::Parameter::Value<(.+)>$/;

/**
 * The values of a template's parameters: given ones, else defaults, each checked as CloudFormation checks it, in its words.
 * `publicParameters` answers for parameters that name an entry of the SSM parameter store.
 * @throws TemplateError for the first kind of problem
 */
export function resolveParameters(
  definitions: ReadonlyMap<string, ParameterDefinition>,
  given: Readonly<Record<string, string>>,
  publicParameters: Readonly<Record<string, string>> = {},
): Map<string, Json> {
  const strangers = Object.keys(given).filter((name) => !definitions.has(name));
  if (strangers.length > 0)
    throw new TemplateError(`Parameters: [${strangers.join(', ')}] do not exist in the template`);
  const empty = [...definitions].filter(([name, each]) => (given[name] ?? each.default) === undefined);
  if (empty.length > 0)
    throw new TemplateError(`Parameters: [${empty.map(([name]) => name).join(', ')}] must have values`);
  const values = new Map<string, Json>();
  for (const [name, definition] of definitions) {
    const text = given[name] ?? definition.default ?? '';
    const problem = problemOf(name, definition, text);
    if (problem !== undefined) throw new TemplateError(problem);
    const inStore = publicParameter.exec(definition.type)?.[1];
    const value = inStore === undefined ? text : publicParameters[text];
    if (value === undefined)
      throw new TemplateError(`Unable to fetch parameters [${text}] from parameter store for this account.`);
    values.set(name, isListType(inStore ?? definition.type) ? listOf(value) : value);
  }
  return values;
}

function isListType(type: string): boolean {
  return type === 'CommaDelimitedList' || type.startsWith('List<');
}

function listOf(text: string): string[] {
  return text === '' ? [] : text.split(',').map((each) => each.trim());
}

/**
 * What AWS-specific types take. That a network is there is not asked: the sandbox's has no IDs.
 * https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-supplied-parameter-types.html
 */
const specific: Readonly<Record<string, RegExp>> = {
  'AWS::EC2::VPC::Id': /^vpc-[0-9a-f]{8,17}$/,
  'AWS::EC2::Subnet::Id': /^subnet-[0-9a-f]{8,17}$/,
  'AWS::EC2::SecurityGroup::Id': /^sg-[0-9a-f]{8,17}$/,
};

/** CloudFormation names one problem, not all. */
function problemOf(name: string, definition: ParameterDefinition, text: string): string | undefined {
  const { type, allowedPattern, allowedValues, minLength, maxLength, minValue, maxValue } = definition;
  const items = isListType(type) ? listOf(text) : [text];
  // CloudFormation wants the whole value to match.
  const pattern = allowedPattern === undefined ? undefined : new RegExp(`^(?:${allowedPattern})$`);
  const isNumber = type === 'Number' || type === 'List<Number>';
  const known = specific[/^List<(.+)>$/.exec(type)?.[1] ?? type];
  const checks: readonly (readonly [isWrong: boolean, words: string])[] = [
    ...items.flatMap((item): (readonly [boolean, string])[] => [
      [isNumber && (item === '' || Number.isNaN(Number(item))), 'must be a number'],
      [known !== undefined && !known.test(item), `must be of type ${type}: '${item}' does not exist`],
      [minValue !== undefined && Number(item) < minValue, `must be a number not less than ${minValue}`],
      [maxValue !== undefined && Number(item) > maxValue, `must be a number not greater than ${maxValue}`],
      [allowedValues !== undefined && !allowedValues.includes(item), 'must be one of AllowedValues'],
      [pattern !== undefined && !pattern.test(item), `must match pattern ${allowedPattern}`],
    ]),
    [minLength !== undefined && text.length < minLength, `must contain at least ${minLength} characters`],
    [maxLength !== undefined && text.length > maxLength, `must contain at most ${maxLength} characters`],
  ];
  const [, words] = checks.find(([isWrong]) => isWrong) ?? [];
  if (words === undefined) return undefined;
  return definition.constraintDescription === undefined
    ? `Parameter '${name}' ${words}`
    : `Parameter ${name} failed to satisfy constraint: ${definition.constraintDescription}`;
}
