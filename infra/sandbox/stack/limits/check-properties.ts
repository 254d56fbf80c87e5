import { isList, isMap, TemplateError, type Json, type JsonMap } from '../template.ts';
import { valuesAt } from './property-path.ts';
import { schemas, type Constraint } from './schemas.ts';

/**
 * Refuses properties that the schema of the type does not take, in CloudFormation's words. It says only which keyword failed where a
 * message could show a value: cloudformation-resource-schema, pull request 40 and issue 114,
 * https://github.com/aws-cloudformation/cloudformation-resource-schema/pull/40.
 * @throws TemplateError
 */
export function checkProperties(type: string, logicalId: string, properties: JsonMap): void {
  const failures = Object.entries(schemas[type] ?? {}).flatMap(([path, constraint]) =>
    valuesAt(properties, path).flatMap((found) =>
      failuresOf(constraint, found.value).map((failure) => `#/${found.path}: ${failure}`),
    ),
  );
  if (failures.length === 0) return;
  throw new TemplateError(
    `Properties validation failed for resource ${logicalId} with message:\n${failures.join('\n')}`,
  );
}

function failuresOf(constraint: Constraint, value: Json): string[] {
  const failures: string[] = [];
  const { minLength = 0, maxLength = Infinity, minItems = 0, maxItems = Infinity } = constraint;
  if (isList(value)) {
    if (value.length > maxItems)
      failures.push(`expected maximum item count: ${maxItems}, found: ${value.length}`);
    if (value.length < minItems)
      failures.push(`expected minimum item count: ${minItems}, found: ${value.length}`);
    return failures;
  }
  const text = isMap(value) || value === null ? JSON.stringify(value) : String(value);
  const { length } = text;
  if (length < minLength) failures.push(`expected minLength: ${minLength}, actual: ${length}`);
  if (length > maxLength) failures.push(`expected maxLength: ${maxLength}, actual: ${length}`);
  for (const keyword of ['pattern', 'enum', 'minimum', 'maximum'] as const) {
    if (!passes[keyword](constraint, text))
      failures.push(`failed validation constraint for keyword [${keyword}]`);
  }
  return failures;
}

const passes = {
  pattern: ({ pattern }: Constraint, text: string) => pattern === undefined || pattern.test(text),
  enum: ({ enum: values }: Constraint, text: string) =>
    values === undefined || values.map(String).includes(text),
  minimum: ({ minimum }: Constraint, text: string) => minimum === undefined || Number(text) >= minimum,
  maximum: ({ maximum }: Constraint, text: string) => maximum === undefined || Number(text) <= maximum,
} as const;
