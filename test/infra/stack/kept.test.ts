/** What outlives its stack, and the template that takes it into the next one. */
import { describe, expect, test } from '@jest/globals';
import { importTemplate } from '../../../infra/import-template.ts';
import { synthesis } from '../../../infra/sandbox/stack/synthesis.ts';
import type { Json, Resource, Resources, Template } from '../templates.ts';

const synthesized = await synthesis();
const whole: Template = JSON.parse(synthesized.template);
const imported: Template = JSON.parse(synthesized.importTemplate);

const isKept = ({ DeletionPolicy = '' }: Resource): boolean => DeletionPolicy.startsWith('Retain');

/** Where the policy of each type is that can have one: in a property, or in a resource of its own, which names it in a property. */
const guarded: Readonly<Record<string, string | readonly [type: string, names: string]>> = {
  'AWS::DynamoDB::Table': 'ResourcePolicy',
  'AWS::KMS::Key': 'KeyPolicy',
  'AWS::S3::Bucket': ['AWS::S3::BucketPolicy', 'Bucket'],
  'AWS::SecretsManager::Secret': ['AWS::SecretsManager::ResourcePolicy', 'SecretId'],
  'AWS::SNS::Topic': ['AWS::SNS::TopicPolicy', 'Topics'],
  'AWS::SQS::Queue': ['AWS::SQS::QueuePolicy', 'Queues'],
};

/** What is kept, and would lie open: its policy is missing, or goes with the stack. */
function open(resources: Resources): string[] {
  return Object.entries(resources)
    .filter(([, each]) => isKept(each))
    .filter(([id, each]) => {
      const guard = guarded[each.Type];
      if (guard === undefined) return false;
      if (typeof guard === 'string') return each.Properties[guard] === undefined;
      const [type, names] = guard;
      return !Object.values(resources).some(
        (policy) =>
          policy.Type === type &&
          isKept(policy) &&
          JSON.stringify(policy.Properties[names]).includes(`"${id}"`),
      );
    })
    .map(([id]) => id);
}

describe('what is kept when the stack goes', () => {
  test('keeps its policy: nothing lies open', () => {
    expect(open(whole.Resources)).toEqual([]);
  });

  // Seen to fail, one for each kind.
  test.each([
    ['a policy that goes', (id: string) => ({ [id]: { DeletionPolicy: 'Delete' } }), 'AWS::S3::BucketPolicy'],
    [
      'a queue whose policy goes',
      (id: string) => ({ [id]: { DeletionPolicy: 'Retain' } }),
      'AWS::SQS::Queue',
    ],
    ['a key without a policy', (id: string) => ({ [id]: { Properties: {} } }), 'AWS::KMS::Key'],
  ])('would lie open: %s', (_, defect, type) => {
    const [id = '', resource] = Object.entries(whole.Resources).find(([, each]) => each.Type === type) ?? [];
    const broken = Object.entries(defect(id)).map(([name, change]) => [name, { ...resource, ...change }]);
    expect(open({ ...whole.Resources, ...Object.fromEntries(broken) })).toHaveLength(1);
  });

  test('is of a type that has a policy here, or of one that can have none', () => {
    const types = new Set(
      Object.values(whole.Resources)
        .filter(isKept)
        .map(({ Type }) => Type),
    );
    const policies = Object.values(guarded).flatMap((each) => (typeof each === 'string' ? [] : [each[0]]));
    expect([...types].filter((type) => !(type in guarded) && !policies.includes(type))).toEqual([
      'AWS::Logs::LogGroup',
    ]);
  });
});

const needy = (more: object) => ({
  Resources: {
    Gone: { Type: 'AWS::SQS::Queue', Properties: {} },
    Key: {
      Type: 'AWS::Logs::LogGroup',
      DeletionPolicy: 'Retain',
      Properties: { LogGroupName: { Ref: 'Gone' } },
      ...more,
    },
  },
});

describe('the template that takes it into a new stack', () => {
  const policyOf: Readonly<Record<string, (properties: Resource['Properties']) => Json | undefined>> = {
    'AWS::DynamoDB::Table': (properties) => Object(properties['ResourcePolicy'])['PolicyDocument'],
    'AWS::KMS::Key': (properties) => properties['KeyPolicy'],
    'AWS::S3::BucketPolicy': (properties) => properties['PolicyDocument'],
    'AWS::SecretsManager::ResourcePolicy': (properties) => properties['ResourcePolicy'],
  };

  test('has all that is kept, as the whole template has it, and nothing else: no outputs, rules or interface', () => {
    const kept = Object.entries(whole.Resources).filter(([, each]) => isKept(each));
    expect(Object.keys(imported.Resources).toSorted()).toEqual(kept.map(([id]) => id).toSorted());
    for (const [id, { Type, Properties, DeletionPolicy }] of kept) {
      const taken = imported.Resources[id];
      expect(taken).toMatchObject({ Type, DeletionPolicy });
      expect(policyOf[Type] ?? taken?.Properties).toEqual(policyOf[Type] ?? Properties);
      expect(Object.keys(taken?.Properties ?? {})).toEqual(Object.keys(Properties));
    }
    expect(Object.keys(imported).toSorted()).toEqual([
      'Conditions',
      'Description',
      'Parameters',
      'Resources',
    ]);
  });

  test('says of each policy another thing than the whole template, so that the update writes all of them', () => {
    for (const [id, { Type, Properties }] of Object.entries(imported.Resources)) {
      const policy = policyOf[Type]?.(Properties);
      if (policy === undefined) continue;
      expect(policy).toMatchObject({ Id: 'adjoin-import' });
      expect(policyOf[Type]?.(whole.Resources[id]?.Properties ?? {})).not.toHaveProperty('Id');
    }
  });

  test('asks for the parameters that it needs, each as the whole template does', () => {
    expect(Object.keys(imported.Parameters)).toEqual(
      expect.arrayContaining(['AdministratorArns', 'BreakGlassRoleArn', 'Deployment', 'RecordLockDays']),
    );
    for (const [name, parameter] of Object.entries(imported.Parameters))
      expect([name, parameter]).toEqual([name, whole.Parameters[name]]);
    expect(Object.keys(imported.Parameters).length).toBeLessThan(10);
  });

  test('fits into a request', () => {
    // https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
    expect(Buffer.byteLength(synthesized.importTemplate)).toBeLessThanOrEqual(51_200);
  });

  test('is not made of a template in which something that is kept needs what goes, or is not always there', () => {
    expect(() => importTemplate(JSON.stringify(needy({})))).toThrow(
      'Key is left, and needs Gone, which is not.',
    );
    expect(() => importTemplate(JSON.stringify(needy({ Condition: 'Sometimes' })))).toThrow(
      'Key is left under a condition',
    );
  });
});
