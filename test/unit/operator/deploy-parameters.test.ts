import { beforeEach, describe, expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { AdjoinError } from '../../../agent/errors.ts';
import { costs, total } from '../../../agent/operator/deploy/cost.ts';
import { findParameters } from '../../../agent/operator/deploy/find.ts';
import type {
  Endpoint,
  NetworkPort,
  StackFacts,
  StacksPort,
  Subnet,
} from '../../../agent/operator/deploy/ports.ts';
import { prepare } from '../../../agent/operator/deploy/prepare.ts';
import { readPrerequisites } from '../../../agent/operator/deploy/prerequisites.ts';
import { parseSettings } from '../../../agent/operator/deploy/settings.ts';
import { readTemplate } from '../../../agent/operator/deploy/template.ts';
import type { Prompt } from '../../../agent/operator/prompt.ts';
import { recordTerminal } from '../../support/terminal.ts';

const signal = new AbortController().signal;
let subnets: Subnet[];
let endpoints: Endpoint[];
let asked: string[];

const network: NetworkPort = {
  prefixList: async (service) => `pl-${service}`,
  subnets: async () => subnets,
  endpoints: async () => endpoints,
  routeTables: async (_vpc, ids) => ids.map((id) => id.replace('subnet', 'rtb')),
};
const subnet = (id: string, zone: string, isPublic = false): Subnet => ({
  id,
  zone,
  cidr: '10.0.0.0/24',
  isPublic,
});

beforeEach(() => {
  subnets = [subnet('subnet-a', 'a'), subnet('subnet-b', 'b'), subnet('subnet-c', 'a', true)];
  endpoints = [];
  asked = [];
});

const found = async (known: Record<string, string>) => {
  const { values, notes } = await findParameters(new Map(Object.entries(known)), network, signal);
  return { ...Object.fromEntries(values), notes };
};

const facts = (outputs: Record<string, string>): StackFacts => ({
  id: 'arn',
  status: 'CREATE_COMPLETE',
  reason: undefined,
  parameters: new Map(),
  outputs: new Map(Object.entries(outputs)),
});

describe('what the prerequisites say', () => {
  const read = (find: StacksPort['find']) => readPrerequisites('branch', { find }, signal);

  test('is the bucket, and the parameters that have the names of outputs: of the stack of this deployment', async () => {
    const names: string[] = [];
    const said = await read(async (name) => {
      names.push(name);
      return facts({
        AgentBucket: 'agents',
        AdministratorArns: 'arn:a',
        BreakGlassRoleArn: 'arn:b',
        Other: 'x',
      });
    });
    expect(names).toEqual(['branch-prerequisites']);
    expect(said.bucket).toBe('agents');
    expect(Object.fromEntries(said.parameters)).toEqual({
      AdministratorArns: 'arn:a',
      BreakGlassRoleArn: 'arn:b',
    });
  });

  test('is nothing where there is no such stack, or it may not be looked at; an outage is one', async () => {
    const nothing = { bucket: undefined, parameters: new Map() };
    expect(await read(async () => undefined)).toEqual(nothing);
    expect(
      await read(async () => {
        throw new AdjoinError('aws-denied', 'no');
      }),
    ).toEqual(nothing);
    await expect(
      read(async () => {
        throw new AdjoinError('aws-unavailable', 'down');
      }),
    ).rejects.toThrow('down');
  });
});

describe('what is found in the VPC', () => {
  test('are its two private subnets, and endpoints to create where it has none', async () => {
    expect(await found({ VpcId: 'vpc-1' })).toMatchObject({
      S3PrefixListId: 'pl-s3',
      DynamoDbPrefixListId: 'pl-dynamodb',
      SubnetA: 'subnet-a',
      SubnetB: 'subnet-b',
      EndpointSqs: 'create',
      EndpointS3: 'create',
      RouteTableIds: 'rtb-a,rtb-b',
      notes: [],
    });
  });

  test('are the endpoints that it has, with their security groups', async () => {
    endpoints = ['autoscaling', 'ec2', 'kms', 'logs', 'sqs', 'ssm', 'ssmmessages', 's3', 'dynamodb'].map(
      (service) => ({ service, securityGroups: service === 'sqs' ? ['sg-2'] : ['sg-1'] }),
    );
    const values = await found({ VpcId: 'vpc-1' });
    expect(values).toMatchObject({
      EndpointSqs: 'existing',
      EndpointS3: 'existing',
      EndpointSecurityGroupId: 'sg-1',
      SecondEndpointSecurityGroupId: 'sg-2',
    });
    expect(values).not.toHaveProperty('RouteTableIds');
  });

  test.each([
    ['three private ones', () => [subnet('s1', 'a'), subnet('s2', 'b'), subnet('s3', 'c')]],
    ['two in one zone', () => [subnet('s1', 'a'), subnet('s2', 'a')]],
    ['one', () => [subnet('s1', 'a')]],
  ])('are no subnets where there is a choice: %s', async (_, those) => {
    subnets = those();
    const values = await found({ VpcId: 'vpc-1' });
    expect(values).not.toHaveProperty('SubnetA');
    expect(values.notes).toEqual([expect.stringContaining('s1 (a, 10.0.0.0/24)')]);
  });

  test('is nothing that is said already', async () => {
    const values = await found({
      VpcId: 'vpc-1',
      SubnetA: 's9',
      EndpointSqs: 'existing',
      S3PrefixListId: 'pl-9',
    });
    expect(Object.keys(values)).toEqual(['DynamoDbPrefixListId', 'notes']);
  });

  test('is said to be unknown where the person may not look', async () => {
    const denied: NetworkPort = {
      ...network,
      endpoints: async () => Promise.reject(new AdjoinError('aws-denied', 'ec2:DescribeVpcEndpoints')),
    };
    const { notes } = await findParameters(new Map([['VpcId', 'vpc-1']]), denied, signal);
    expect(notes).toEqual([expect.stringContaining('ec2:DescribeVpcEndpoints')]);
  });
});

const template = readTemplate(
  JSON.stringify({
    Parameters: {
      VpcId: { Type: 'AWS::EC2::VPC::Id' },
      AgentBucket: { Type: 'String' },
      AgentKey: { Type: 'String' },
      DirectoryCaBase64: { Type: 'String', AllowedPattern: '^[A-Za-z0-9+/]{1,4000}={0,2}$' },
      DirectoryCaBase64More: { Type: 'String', Default: '' },
      OperatorNetworks: {
        Type: 'CommaDelimitedList',
        AllowedPattern: '^[0-9.]+/[0-9]+$',
        Description: 'Networks.',
      },
      WorkerCount: { Type: 'Number', Default: 2 },
      RequireMfa: { Type: 'String', Default: 'true', AllowedValues: ['true', 'false'] },
      S3PrefixListId: { Type: 'String', Default: '' },
      DynamoDbPrefixListId: { Type: 'String', Default: '' },
    },
    Resources: {},
  }),
);

const prepared = (
  parameters: Record<string, string>,
  options: { answers?: string[]; present?: Record<string, string>; ca?: Buffer } = {},
) => {
  const { answers, present, ca = Buffer.from('pem') } = options;
  const prompt: Prompt = {
    isAttended: answers !== undefined,
    async ask(question) {
      asked.push(question);
      return answers?.shift() ?? '';
    },
    askSecret: async () => Buffer.alloc(0),
  };
  return prepare(
    { parameters: new Map(Object.entries(parameters)), bucket: 'b', agentKey: 'k', directoryCa: ca },
    present && new Map(Object.entries(present)),
    template,
    {
      network: {
        ...network,
        subnets: async () => [],
        endpoints: async () => Promise.reject(new AdjoinError('aws-denied', '')),
      },
      prompt,
      terminal: recordTerminal(),
      asks: answers !== undefined,
    },
    signal,
  );
};

describe('the parameters', () => {
  test('that are wrong are said all at once, before anybody is asked', async () => {
    const wrong = {
      OperatorNetworks: '10.0.0.0/8,everywhere',
      WorkerCount: 'two',
      RequireMfa: 'yes',
      Vpc: 'x',
    };
    await expect(prepared(wrong, { answers: [] })).rejects.toThrow(
      /OperatorNetworks: "everywhere"[^]*WorkerCount: two is no number[^]*RequireMfa: yes is none of[^]*Vpc: the template has no such parameter/,
    );
    expect(asked).toEqual([]);
  });

  test('that are missing are said where nobody can be asked', async () => {
    await expect(prepared({ VpcId: 'vpc-1' })).rejects.toThrow('OperatorNetworks is missing. Networks.');
  });

  test('that are missing are asked for, again where the answer can’t be taken', async () => {
    const { parameters, answered } = await prepared(
      { VpcId: 'vpc-1' },
      { answers: ['everywhere', '10.0.0.0/8'] },
    );
    expect(asked).toHaveLength(2);
    expect(parameters.get('OperatorNetworks')).toBe('10.0.0.0/8');
    expect([...answered.keys()]).toEqual(['OperatorNetworks']);
  });

  test('of a stack that is there are neither asked for nor found', async () => {
    const { parameters } = await prepared(
      {},
      { present: { VpcId: 'vpc-0', OperatorNetworks: '10.0.0.0/8' } },
    );
    expect([...parameters.keys()]).toEqual(['AgentBucket', 'AgentKey', 'DirectoryCaBase64']);
  });

  test('of a long chain of certificates are two', async () => {
    const ca = Buffer.alloc(3_500, 'x');
    const { parameters } = await prepared({ VpcId: 'v', OperatorNetworks: '10.0.0.0/8' }, { ca });
    const both = ['DirectoryCaBase64', 'DirectoryCaBase64More'].map((name) => parameters.get(name) ?? '');
    expect(both.map(({ length }) => length)).toEqual([4_000, 668]);
    expect(Buffer.from(both.join(''), 'base64')).toEqual(ca);
  });
});

describe('adjoin.json', () => {
  test('says parameters as they are, a list too', () => {
    const { parameters, stack } = parseSettings(
      '{"parameters":{"WorkerCount":3,"OperatorNetworks":["a","b"]}}',
      'f',
    );
    expect([stack, Object.fromEntries(parameters)]).toEqual([
      'adjoin',
      { WorkerCount: '3', OperatorNetworks: 'a,b' },
    ]);
  });

  test.each([
    ['{', 'is not JSON'],
    ['{"stak":"x"}', 'stak'],
    ['{"region":"Frankfurt"}', 'is not the name of an AWS Region'],
    ['{"parameters":{"AgentKey":"x"}}', 'say bucket instead'],
  ])('that can’t be meant is refused: %s', (text, reason) => {
    expect(() => parseSettings(text, 'adjoin.json')).toThrow(reason);
  });
});

const valueOf = (all: 'create' | 'existing') => (name: string) =>
  ({ WorkerCount: '2', InstanceType: 't4g.small', SecretsManagerEndpointId: '' })[name] ?? all;

describe('the costs', () => {
  const page = readFileSync(join(import.meta.dirname, '../../../docs/cost.md'), 'utf8');
  const cell = (row: string): number => {
    const line = page.split('\n').find((each) => each.startsWith(`| ${row}`));
    return Number(line?.split('|').at(-2)?.trim());
  };
  test('are those of the page', () => {
    const usd = new Map(costs(valueOf('create')).map((each) => [each.what.split(':')[0], each.usd ?? NaN]));
    const rows: readonly (readonly [string, string])[] = [
      ['interface endpoints', 'interface endpoints, if all are created'],
      ['workers', 'workers'],
      ['detailed monitoring of workers', 'detailed monitoring of workers'],
      ['keys', 'keys'],
      ['volumes of workers', 'volumes'],
      ['alarms and metrics', 'alarms and metrics'],
      ['log', 'log, 1 GB'],
      ['secret and its reads', 'secret, read by each worker every 15 s'],
    ];
    expect(costs(valueOf('create'))).toHaveLength(rows.length);
    for (const [what, row] of rows)
      expect([what, usd.get(what)?.toFixed(2)]).toEqual([what, cell(row).toFixed(2)]);
  });

  test.each([
    ['create', /\*\*about (\d+)\*\* \|\n\| \*\*with/],
    ['existing', /the secret's own[^|]*\| \| \*\*about (\d+)\*\*/],
  ] as const)('together are what the page says, with endpoints: %s', (all, row) => {
    const said = Number(row.exec(page)?.[1]);
    // The page adds what is nearly free.
    expect(Math.abs(total(costs(valueOf(all))) - said)).toBeLessThan(1);
  });

  test('of another instance type are not known, and not guessed', () => {
    const of = costs((name) => (name === 'InstanceType' ? 'm7g.large' : valueOf('existing')(name)));
    expect(of.find(({ what }) => what.startsWith('workers'))?.usd).toBeUndefined();
  });
});
