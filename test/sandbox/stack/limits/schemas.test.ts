/** One violation of each keyword in each schema is planted. */
import { describe, expect, test } from '@jest/globals';
import { checkProperties } from '../../../../infra/sandbox/stack/limits/check-properties.ts';
import { schemas, schemaSource, type Constraint } from '../../../../infra/sandbox/stack/limits/schemas.ts';

type Json = string | number | Json[] | { [key: string]: Json };

/** The value at a path such as `Targets/*` + `/Arn`. */
function at(path: string, value: Json): { [key: string]: Json } {
  const [first = '', ...rest] = path.split('/');
  if (rest[0] === '*') return { [first]: [rest.length > 1 ? at(rest.slice(1).join('/'), value) : value] };
  return { [first]: rest.length > 0 ? at(rest.join('/'), value) : value };
}

/** A value that breaks one keyword, and what CloudFormation says of it. */
function plantsFor(constraint: Constraint): [keyword: string, value: Json, words: string][] {
  const { minLength = 0, maxLength, minimum, maximum, minItems = 0, maxItems } = constraint;
  const plants: [string, Json, string][] = [];
  if (minLength > 0) plants.push(['minLength', '', `expected minLength: ${minLength}, actual: 0`]);
  if (maxLength !== undefined)
    plants.push([
      'maxLength',
      'x'.repeat(maxLength + 1),
      `expected maxLength: ${maxLength}, actual: ${maxLength + 1}`,
    ]);
  if (constraint.pattern)
    plants.push(['pattern', '\u2028', 'failed validation constraint for keyword [pattern]']);
  if (constraint.enum)
    plants.push(['enum', 'none of them', 'failed validation constraint for keyword [enum]']);
  if (minimum !== undefined)
    plants.push(['minimum', minimum - 1, 'failed validation constraint for keyword [minimum]']);
  if (maximum !== undefined)
    plants.push(['maximum', String(maximum + 1), 'failed validation constraint for keyword [maximum]']);
  if (minItems > 0) plants.push(['minItems', [], `expected minimum item count: ${minItems}, found: 0`]);
  if (maxItems !== undefined)
    plants.push([
      'maxItems',
      Array.from({ length: maxItems + 1 }, () => 'x'),
      `expected maximum item count: ${maxItems}, found: ${maxItems + 1}`,
    ]);
  return plants;
}

const planted = Object.entries(schemas).flatMap(([type, properties]) =>
  Object.entries(properties).flatMap(([path, constraint]) =>
    plantsFor(constraint).map(([keyword, value, words]) => [type, path, keyword, value, words] as const),
  ),
);

describe('a schema refuses', () => {
  test.each(planted)('%s: %s, %s', (type, path, _keyword, value, words) => {
    const place = path.replaceAll('*', '0');
    expect(() => checkProperties(type, 'Subject', at(path, value))).toThrow(
      `Properties validation failed for resource Subject with message:\n`,
    );
    expect(() => checkProperties(type, 'Subject', at(path, value))).toThrow(`#/${place}: ${words}`);
  });

  test('each of many keywords', () => {
    expect(planted.length).toBeGreaterThan(100);
  });
});

test('what a schema says nothing of passes', () => {
  expect(() =>
    checkProperties('AWS::SQS::Queue', 'Subject', { QueueName: 'q', VisibilityTimeout: '43200' }),
  ).not.toThrow();
  expect(() => checkProperties('Some::Other::Type', 'Subject', { Name: '' })).not.toThrow();
});

test('every type has its page', () => {
  expect(schemaSource('AWS::SQS::Queue')).toEqual({
    title: 'AWS::SQS::Queue, AWS CloudFormation Template Reference',
    url: 'https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-sqs-queue.html',
  });
  for (const type of Object.keys(schemas))
    expect(schemaSource(type).url).toMatch(/aws-resource-[a-z0-9]+-[a-z0-9]+\.html$/);
});
