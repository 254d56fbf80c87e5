/** One violation of each quota of CloudFormation is planted. */
import { expect, test } from '@jest/globals';
import { beyond } from '../../../../infra/sandbox/cloud/limits/limit.ts';
import { templateQuotas } from '../../../../infra/sandbox/stack/limits/template-quotas.ts';
import { deployNothing } from '../../../support/nothing-made.ts';

const topic = { Type: 'AWS::SNS::Topic', Properties: {} };
const many = (count: number, value: unknown) =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`Name${index}`, value]));
const Resources = { Subject: topic };
const parameter = { Type: 'String', Default: '' };

/** By quota: a template that is beyond it, one that is within, and the values of its parameters. */
const plants: Readonly<Record<string, readonly [over: object, within: object, words: string]>> = {
  object: [
    { Resources, Metadata: { text: 'x'.repeat(1_000_000) } },
    { Resources, Metadata: { text: 'x'.repeat(999_000) } },
    'Template may not exceed 1000000 bytes in size.',
  ],
  description: [
    { Resources, Description: 'é'.repeat(513) },
    { Resources, Description: 'é'.repeat(512) },
    "Template format error: 'Description' length is greater than 1024.",
  ],
  resources: [
    { Resources: many(501, topic) },
    { Resources: many(500, topic) },
    'Template format error: Number of resources, 501, is greater than maximum allowed, 500',
  ],
  parameters: [
    { Resources, Parameters: many(201, parameter) },
    { Resources, Parameters: many(200, parameter) },
    'Template format error: Number of parameters, 201, is greater than maximum allowed, 200',
  ],
  outputs: [
    { Resources, Outputs: many(201, { Value: 'x' }) },
    { Resources, Outputs: many(200, { Value: 'x' }) },
    'Template format error: Number of outputs, 201, is greater than maximum allowed, 200',
  ],
  mappings: [
    { Resources, Mappings: many(201, {}) },
    { Resources, Mappings: many(200, {}) },
    'Template format error: Number of mappings, 201, is greater than maximum allowed, 200',
  ],
  resourceName: [
    { Resources: { 'a-b': topic } },
    { Resources: { ['x'.repeat(255)]: topic } },
    'Template format error: Resource name a-b is non alphanumeric.',
  ],
  parameterName: [
    { Resources, Parameters: { a_b: parameter } },
    { Resources, Parameters: { ['x'.repeat(255)]: parameter } },
    'Template format error: Parameter name a_b is non alphanumeric.',
  ],
  outputName: [
    { Resources, Outputs: { ['x'.repeat(256)]: { Value: 'x' } } },
    { Resources, Outputs: { ['x'.repeat(255)]: { Value: 'x' } } },
    'is non alphanumeric.',
  ],
  parameterValue: [
    { Resources, Parameters: { P: { Type: 'String', Default: 'é'.repeat(2049) } } },
    { Resources, Parameters: { P: { Type: 'String', Default: 'é'.repeat(2048) } } },
    'length is greater than 4096.',
  ],
};

test.each(Object.entries(plants))('%s', async (_quota, [over, within, words]) => {
  await expect(deployNothing(over)).rejects.toThrow(words);
  expect(await deployNothing(within)).toMatchObject({ name: 'stack' });
});

test('a value that is given is measured as a default is', async () => {
  const template = { Resources, Parameters: { P: { Type: 'String' } } };
  await expect(deployNothing(template, { P: 'x'.repeat(4097) })).rejects.toThrow(
    'length is greater than 4096.',
  );
});

test('each quota is planted; the one on requests holds where nothing is uploaded to S3', () => {
  expect(Object.keys(templateQuotas).toSorted()).toEqual([...Object.keys(plants), 'body'].toSorted());
  expect(beyond(templateQuotas.body, 'x'.repeat(51_201))?.message).toContain('less than or equal to 51200');
});
