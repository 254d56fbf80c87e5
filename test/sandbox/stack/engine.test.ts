import { describe, expect, test } from '@jest/globals';
import { deploy, type DeployedStack } from '../../../infra/sandbox/stack/deploy.ts';
import { DeploymentFailure } from '../../../infra/sandbox/stack/rollback.ts';
import type { Target, ResourceTypes } from '../../../infra/sandbox/stack/resource-type.ts';
import { startBench } from '../cloud/bench.ts';

/** A type whose resources answer with their own properties: what arrived can be looked at. */
const types: ResourceTypes = {
  'Test::Thing': {
    applied: 'all',
    create: ({ logicalId }) => ({
      ref: `ref-${logicalId}`,
      attributes: { Arn: `arn:${logicalId}`, 'A.B': 'deep' },
    }),
    delete: () => undefined,
  },
  'Test::Strict': {
    applied: ['Good'],
    inert: ['Idle'],
    create: ({ logicalId }) => ({ ref: logicalId, attributes: {} }),
    delete: () => undefined,
  },
  'Test::Kept': {
    applied: 'all',
    create: ({ logicalId }) => ({ ref: logicalId, attributes: {} }),
    delete: () => {
      throw new Error('it is protected');
    },
  },
  'Test::Broken': {
    applied: 'all',
    create: () => {
      throw new Error('the service says no');
    },
    delete: () => undefined,
  },
};

async function deployed(
  template: Record<string, unknown>,
  parameters: Record<string, string> = {},
  publicParameters: Record<string, string> = {},
  onDeleted: (resource: { logicalId: string }) => void = () => undefined,
): Promise<DeployedStack> {
  await using bench = await startBench();
  const operator = bench.as('operator');
  const target: Target = {
    region: 'eu-central-1',
    accountId: '123456789012',
    clients: operator,
    cloud: bench.cloud,
    remembered: new Set(),
    hex: (digits) => '0'.repeat(digits),
  };
  return deploy({
    name: 'stack',
    template: JSON.stringify(template),
    parameters,
    publicParameters,
    target,
    types,
    onDeleted,
  });
}

const thing = (Properties: Record<string, unknown>, more: Record<string, unknown> = {}) => ({
  Type: 'Test::Thing',
  Properties,
  ...more,
});

async function evaluated(
  value: unknown,
  parameters: Record<string, string> = {},
  more: Record<string, unknown> = {},
) {
  const stack = await deployed(
    {
      Parameters: Object.fromEntries(Object.keys(parameters).map((name) => [name, { Type: 'String' }])),
      Mappings: { Sizes: { small: { memory: '1' } } },
      Resources: { Other: thing({}), Subject: thing({ Value: value }) },
      ...more,
    },
    parameters,
  );
  return stack.resources.find(({ logicalId }) => logicalId === 'Subject')?.properties['Value'];
}

describe('an expression', () => {
  test.each([
    ['Ref of a parameter', { Ref: 'P' }, 'given'],
    ['Ref of a resource', { Ref: 'Other' }, 'ref-Other'],
    ['Ref of a pseudo parameter', { Ref: 'AWS::AccountId' }, '123456789012'],
    ['Fn::GetAtt as a list', { 'Fn::GetAtt': ['Other', 'Arn'] }, 'arn:Other'],
    ['Fn::GetAtt as text, with a dotted attribute', { 'Fn::GetAtt': 'Other.A.B' }, 'deep'],
    [
      'Fn::Sub',
      { 'Fn::Sub': 'x-${P}-${AWS::Region}-${Other}-${Other.Arn}' },
      'x-given-eu-central-1-ref-Other-arn:Other',
    ],
    [
      'Fn::Sub with variables of its own',
      { 'Fn::Sub': ['${V}/${P}', { V: { Ref: 'Other' } }] },
      'ref-Other/given',
    ],
    ['Fn::Sub with a literal placeholder', { 'Fn::Sub': '${!aws:userid}' }, '${aws:userid}'],
    ['Fn::Join', { 'Fn::Join': ['-', ['a', { Ref: 'P' }, 1]] }, 'a-given-1'],
    ['Fn::Select of Fn::Split', { 'Fn::Select': ['1', { 'Fn::Split': ['/', 'a/b/c'] }] }, 'b'],
    ['Fn::Base64', { 'Fn::Base64': { Ref: 'P' } }, Buffer.from('given').toString('base64')],
    ['Fn::FindInMap', { 'Fn::FindInMap': ['Sizes', 'small', 'memory'] }, '1'],
    ['AWS::NoValue', { a: { Ref: 'AWS::NoValue' }, b: [1, { Ref: 'AWS::NoValue' }] }, { b: [1] }],
    [
      "a policy's Condition, which is no function",
      { Condition: { Bool: { k: 'true' } } },
      { Condition: { Bool: { k: 'true' } } },
    ],
  ])('%s is resolved', async (_what, expression, value) => {
    expect(await evaluated(expression, { P: 'given' })).toEqual(value);
  });

  test.each([
    ['an unknown function', { 'Fn::Transform': {} }, 'Fn::Transform is not supported'],
    ['a reference to nothing', { Ref: 'Nobody' }, 'Ref Nobody leads nowhere'],
    [
      'an attribute that is not there',
      { 'Fn::GetAtt': ['Other', 'Colour'] },
      'Other has no attribute Colour',
    ],
    ['a selection beyond the end', { 'Fn::Select': ['3', ['a']] }, 'finds nothing at 3'],
  ])('%s is an error that names it', async (_what, expression, message) => {
    await expect(evaluated(expression)).rejects.toThrow(message);
  });
});

describe('a condition', () => {
  const conditions = {
    IsGiven: { 'Fn::Not': [{ 'Fn::Equals': [{ Ref: 'P' }, ''] }] },
    Both: { 'Fn::And': [{ Condition: 'IsGiven' }, { 'Fn::Equals': ['a', 'a'] }] },
    Either: { 'Fn::Or': [{ Condition: 'IsGiven' }, { 'Fn::Equals': ['a', 'b'] }] },
  };
  test.each(['IsGiven', 'Both', 'Either'])(
    '%s chooses the branch, and the other is not looked at',
    async (name) => {
      const expression = { 'Fn::If': [name, 'yes', { Ref: 'Nobody' }] };
      expect(await evaluated(expression, { P: 'x' }, { Conditions: conditions })).toBe('yes');
      await expect(evaluated(expression, { P: '' }, { Conditions: conditions })).rejects.toThrow('Nobody');
    },
  );

  test('that is false leaves resources and outputs out', async () => {
    const stack = await deployed(
      {
        Parameters: { P: { Type: 'String', Default: '' } },
        Conditions: conditions,
        Resources: { Never: thing({}, { Condition: 'IsGiven' }), Always: thing({}) },
        Outputs: {
          Never: { Value: { Ref: 'Never' }, Condition: 'IsGiven' },
          Always: { Value: { Ref: 'Always' } },
        },
      },
      {},
    );
    expect(stack.resources.map(({ logicalId }) => logicalId)).toEqual(['Always']);
    expect([...stack.outputs]).toEqual([['Always', 'ref-Always']]);
  });
});

describe('the order', () => {
  test('follows references, in Sub as well, and DependsOn', async () => {
    const stack = await deployed({
      Resources: {
        Last: thing({ Text: { 'Fn::Sub': '${Second.Arn}' } }, { DependsOn: 'Third' }),
        Third: thing({ Of: { 'Fn::GetAtt': ['Second', 'Arn'] } }),
        Second: thing({ Of: { Ref: 'First' } }),
        First: thing({}),
      },
    });
    expect(stack.resources.map(({ logicalId }) => logicalId)).toEqual(['First', 'Second', 'Third', 'Last']);
  });

  test('of a circle is an error that shows it', async () => {
    const resources = { A: thing({ To: { Ref: 'B' } }), B: thing({ To: { Ref: 'A' } }) };
    await expect(deployed({ Resources: resources })).rejects.toThrow('A → B → A');
  });
});

describe('a creation that fails is rolled back', () => {
  const failing = async (Resources: Record<string, unknown>) => {
    const deleted: string[] = [];
    const template = { Resources: { ...Resources, Broken: { Type: 'Test::Broken' } } };
    const failure: unknown = await deployed(template, {}, {}, ({ logicalId }) =>
      deleted.push(logicalId),
    ).catch((error: unknown) => error);
    if (!(failure instanceof DeploymentFailure)) throw failure;
    return { failure, deleted };
  };

  test('whole, the last first: what is retained except on creation is deleted as well', async () => {
    const { failure, deleted } = await failing({
      First: thing({}, { DeletionPolicy: 'RetainExceptOnCreate' }),
      Second: thing({ Of: { Ref: 'First' } }, { DeletionPolicy: 'Delete' }),
      Third: thing({}),
    });
    expect(deleted).toEqual(['Third', 'Second', 'First']);
    expect([failure.status, failure.left]).toEqual(['ROLLBACK_COMPLETE', []]);
    expect(failure.message).toMatch(
      /Broken \(Test::Broken\) can't be created: the service says no\n.*ROLLBACK_COMPLETE/,
    );
  });

  test('except for what is retained', async () => {
    const { failure, deleted } = await failing({
      Kept: thing({}, { DeletionPolicy: 'Retain' }),
      Gone: thing({}),
    });
    expect(deleted).toEqual(['Gone']);
    expect([failure.status, failure.left]).toEqual(['ROLLBACK_COMPLETE', ['Kept']]);
  });

  test('but for what its service keeps, which fails the rollback and does not keep the others', async () => {
    const { failure, deleted } = await failing({
      First: thing({}),
      Kept: { Type: 'Test::Kept' },
      Last: thing({}),
    });
    expect(deleted).toEqual(['Last', 'First']);
    expect([failure.status, failure.left]).toEqual(['ROLLBACK_FAILED', ['Kept']]);
    expect(failure.message).toContain('The following resource(s) failed to delete: Kept: it is protected');
  });

  test('and a DeletionPolicy that the engine does not carry out is refused before anything is made', async () => {
    const snapshot = { Thing: thing({}, { DeletionPolicy: 'Snapshot' }) };
    await expect(deployed({ Resources: snapshot })).rejects.toThrow(
      'DeletionPolicy "Snapshot" is not supported',
    );
  });
});

describe('parameters', () => {
  const definitions = {
    Name: { Type: 'String', AllowedPattern: '[a-z]+', MaxLength: 3 },
    Count: { Type: 'Number', MinValue: 1, MaxValue: 6, Default: 2 },
    Arns: { Type: 'CommaDelimitedList', Default: '' },
    Mode: { Type: 'String', AllowedValues: ['on', 'off'], Default: 'on' },
    Image: { Type: 'AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>', Default: '/newest' },
  };
  const template = {
    Parameters: definitions,
    Resources: { R: thing({ Arns: { Ref: 'Arns' }, Image: { Ref: 'Image' } }) },
  };
  const values = async (given: Record<string, string>) =>
    (await deployed(template, given, { '/newest': 'ami-1' })).resources[0]?.properties;

  test('are taken from what is given, else from their defaults; lists are split, stored ones looked up', async () => {
    expect(await values({ Name: 'abc', Arns: 'x, y' })).toEqual({ Arns: ['x', 'y'], Image: 'ami-1' });
    expect(await values({ Name: 'abc' })).toEqual({ Arns: [], Image: 'ami-1' });
  });

  test('that do not fit are refused in CloudFormation’s words', async () => {
    const refusals: [Record<string, string>, string][] = [
      [{ Stranger: 'x' }, 'Parameters: [Stranger] do not exist in the template'],
      [{ Name: 'A' }, "Parameter 'Name' must match pattern [a-z]+"],
      [{ Name: 'abcd' }, "Parameter 'Name' must contain at most 3 characters"],
      [{ Name: 'a', Count: '9' }, "Parameter 'Count' must be a number not greater than 6"],
      [{ Name: 'a', Count: '0' }, "Parameter 'Count' must be a number not less than 1"],
      [{ Name: 'a', Count: 'many' }, "Parameter 'Count' must be a number"],
      [{ Name: 'a', Mode: 'maybe' }, "Parameter 'Mode' must be one of AllowedValues"],
      [{ Name: 'a', Image: '/elsewhere' }, 'Unable to fetch parameters [/elsewhere] from parameter store'],
    ];
    for (const [given, words] of refusals) await expect(values(given)).rejects.toThrow(words);
    await expect(values({})).rejects.toThrow('Parameters: [Name] must have values');
  });
});

describe('what the sandbox does not know', () => {
  test('is refused before anything is created, when it is a type', async () => {
    const resources = { A: thing({}), B: { Type: 'AWS::Moon::Base' }, C: { Type: 'Custom::Lambda' } };
    await expect(deployed({ Resources: resources })).rejects.toThrow(
      'does not know AWS::Moon::Base, Custom::Lambda',
    );
  });

  test('is refused when it is a property, and borne when that is known to be without effect', async () => {
    const strict = (Properties: Record<string, unknown>) =>
      deployed({ Resources: { A: { Type: 'Test::Strict', Properties } } });
    await expect(strict({ Good: 1, Idle: 2 })).resolves.toBeDefined();
    await expect(strict({ Good: 1, Odd: 2 })).rejects.toThrow(
      "A (Test::Strict) can't be created: The sandbox does not know its property Odd",
    );
  });

  test('is refused when it is a section', async () => {
    await expect(deployed({ Transform: 'AWS::Serverless', Resources: {} })).rejects.toThrow('Transform');
  });
});

test('a refusal of the service names the resource', async () => {
  await expect(deployed({ Resources: { Bad: { Type: 'Test::Broken' } } })).rejects.toThrow(
    "stack: Bad (Test::Broken) can't be created: the service says no",
  );
});
