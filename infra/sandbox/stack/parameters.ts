import { TemplateError, type Json, type ParameterDefinition } from './template.ts';

const publicParameter = /^AWS::SSM::Parameter::Value<(.+)>$/;

/**
 * The values of a template's parameters: given ones, else defaults, each checked as CloudFormation checks it.
 * `publicParameters` answers for parameters that name an entry of the SSM parameter store.
 * @throws TemplateError that names every problem
 */
export function resolveParameters(
  definitions: ReadonlyMap<string, ParameterDefinition>,
  given: Readonly<Record<string, string>>,
  publicParameters: Readonly<Record<string, string>> = {},
): Map<string, Json> {
  const values = new Map<string, Json>();
  const problems = Object.keys(given)
    .filter((name) => !definitions.has(name))
    .map((name) => `${name} is no parameter of the template`);
  for (const [name, definition] of definitions) {
    const text = given[name] ?? definition.default;
    if (text === undefined) {
      problems.push(`${name} has no value`);
      continue;
    }
    problems.push(...problemsOf(definition, text).map((problem) => `${name} ${problem}`));
    const inStore = publicParameter.exec(definition.type)?.[1];
    const value = inStore === undefined ? text : publicParameters[text];
    if (value === undefined) problems.push(`${name} names ${text}, which the parameter store does not hold`);
    else values.set(name, isListType(inStore ?? definition.type) ? listOf(value) : value);
  }
  if (problems.length > 0) throw new TemplateError(`The parameters don't fit: ${problems.join('; ')}.`);
  return values;
}

function isListType(type: string): boolean {
  return type === 'CommaDelimitedList' || type.startsWith('List<');
}

function listOf(text: string): string[] {
  return text === '' ? [] : text.split(',').map((each) => each.trim());
}

function problemsOf(definition: ParameterDefinition, text: string): string[] {
  const { type, allowedPattern, allowedValues, minLength, maxLength, minValue, maxValue } = definition;
  const items = isListType(type) ? listOf(text) : [text];
  const problems: string[] = [];
  const refuse = (isWrong: boolean, problem: string) => {
    if (isWrong) problems.push(problem);
  };
  // CloudFormation wants the whole value to match.
  const pattern = allowedPattern === undefined ? undefined : new RegExp(`^(?:${allowedPattern})$`);
  for (const item of items) {
    refuse(pattern !== undefined && !pattern.test(item), `must match ${allowedPattern}`);
    refuse(
      allowedValues !== undefined && !allowedValues.includes(item),
      `must be one of ${allowedValues?.join(', ')}`,
    );
    const number = Number(item);
    if (type === 'Number' || type === 'List<Number>')
      refuse(item === '' || Number.isNaN(number), 'must be a number');
    refuse(minValue !== undefined && number < minValue, `must be at least ${minValue}`);
    refuse(maxValue !== undefined && number > maxValue, `must be at most ${maxValue}`);
  }
  refuse(minLength !== undefined && text.length < minLength, `must have at least ${minLength} characters`);
  refuse(maxLength !== undefined && text.length > maxLength, `must have at most ${maxLength} characters`);
  return problems;
}
