/** The synthesized templates, with values as long as their parameters take, against every limit of AWS that the sandbox knows. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { commandDocuments } from '../../../documents/index.ts';
import { parameters } from '../../../documents/parameters.ts';
import { documentBytes } from '../../../infra/sandbox/cloud/limits/ssm.ts';
import { beyond } from '../../../infra/sandbox/cloud/limits/limit.ts';
import { templateQuotas } from '../../../infra/sandbox/stack/limits/template-quotas.ts';
import { schemas } from '../../../infra/sandbox/stack/limits/schemas.ts';
import { synthesis } from '../../../infra/sandbox/stack/synthesis.ts';
import { deployNothing } from '../../support/nothing-made.ts';

const { template, attachTemplate } = await synthesis();

const long = (prefix: string, length: number) => prefix.padEnd(length, 'x');
const signOnRole = (name: string) =>
  `arn:aws-us-gov:iam::123456789012:role/aws-reserved/sso.amazonaws.com/ap-southeast-1/AWSReservedSSO_${name}_*`;

/** Roles, with so many characters at most in all. */
function administrators(characters: number): string {
  const role = (index: number) => `${signOnRole('PlatformAdministrators')}${10 + index}`;
  const each = role(0).length + 1;
  return Array.from({ length: Math.floor(characters / each) }, (_, index) => role(index)).join(',');
}

/** As long as a value gets where someone chooses it; the administrators are as many as their parameter says. */
const longest = {
  Deployment: 'twenty-one-characters',
  VpcId: 'vpc-0123456789abcdef0',
  SubnetA: 'subnet-0123456789abcdef0',
  SubnetB: 'subnet-0123456789abcdef1',
  DirectoryCidr: '255.255.255.255/32',
  SecondDirectoryCidr: '255.255.255.254/32',
  DirectoryCaBase64: long('', 4000),
  DirectoryCaBase64More: `${long('', 2400)}==`,
  AdministratorArns: administrators(1500),
  BreakGlassRoleArn: signOnRole('BreakGlassOfTheWholeOrganization'),
  RequireMfa: 'true',
  AgentBucket: long('b', 63),
  AgentKey: long('k', 512),
  EndpointS3: 'create',
  EndpointSqs: 'create',
  EndpointSecurityGroupId: 'sg-0123456789abcdef0',
  RouteTableIds: Array.from({ length: 20 }, (_, index) => `rtb-0123456789abcde${10 + index}`).join(','),
  NodeSecurityGroupId: 'sg-0123456789abcdef0',
  S3PrefixListId: 'pl-0123456789abcdef0',
  DynamoDbPrefixListId: 'pl-0123456789abcdef1',
  WorkerShell: 'true',
  WorkerCount: '2',
  WorkerMaximum: '100',
  MaxReceiveCount: '1000',
  DirectorySite: long('s', 63),
  PackageRepository: `https://p/${long('p', 502)}`,
  OwnDocuments: Array.from(
    { length: 6 },
    (_, index) => `${index}${long('n', 127)}:9999:${'a'.repeat(64)}`,
  ).join(','),
  OperatorNetworks: Array.from({ length: 20 }, (_, index) => `255.255.255.${100 + index}/32`).join(','),
  SessionTagValue: long('v', 64),
  DatabaseHost: long('h', 253),
  DatabasePort: '65535',
};

describe('the stack', () => {
  test('is within every limit, with values as long as they get', async () => {
    const { resources } = await deployNothing(template, longest);
    expect(resources.length).toBeGreaterThan(80);
  });

  test('is refused where a value is longer than what it becomes part of', async () => {
    const tooMany = { ...longest, AdministratorArns: administrators(1900) };
    await expect(deployNothing(template, tooMany)).rejects.toThrow(
      'Cannot exceed quota for ACLSizePerRole: 2048',
    );
    await expect(deployNothing(template, { ...longest, MaxReceiveCount: '1001' })).rejects.toThrow(
      "Parameter 'MaxReceiveCount' must be a number not greater than 1000",
    );
  });

  test.each([
    ['gateways without route tables', { RouteTableIds: '' }, 'give RouteTableIds'],
    [
      'no way to the endpoints that are there',
      { EndpointSecurityGroupId: '' },
      'give EndpointSecurityGroupId',
    ],
    ['another VPC without its network', { EndpointVpcId: 'vpc-0a' }, 'both EndpointCidr and EndpointVpcId'],
    [
      'nodes for endpoints that are not made',
      { EndpointSqs: 'existing' },
      'NodeSecurityGroupId lets nodes reach',
    ],
  ])('refuses contradictory parameters before anything is made: %s', async (_, over, words) => {
    await expect(deployNothing(template, { ...longest, ...over })).rejects.toThrow(
      expect.objectContaining({ name: 'TemplateError', message: expect.stringContaining(words) }),
    );
  });

  test('says how many administrators there can be', () => {
    const { Parameters }: { Parameters: Record<string, { Description: string }> } = JSON.parse(template);
    expect(Parameters['AdministratorArns']?.Description).toContain('At most 1,500 characters');
  });

  test('has to be uploaded to S3, as docs/deploy.md does', () => {
    expect(beyond(templateQuotas.body, template)).toBeDefined();
    expect(readFileSync('docs/deploy.md', 'utf8')).toMatch(
      /--template-file cdk\.out\/adjoin\.template\.json \\\n {2}--s3-bucket /,
    );
  });
});

test('the template that attaches a group is within every limit, and fits into a request', async () => {
  expect(beyond(templateQuotas.body, attachTemplate)).toBeUndefined();
  const { resources } = await deployNothing(attachTemplate, {
    AutoScalingGroupName: long('g', 255),
    QueueArn: 'arn:aws-us-gov:sqs:ap-southeast-1:123456789012:twenty-one-characters-lifecycle',
    PublisherRoleArn: 'arn:aws-us-gov:iam::123456789012:role/twenty-one-characters-hook-publisher',
    HeartbeatSeconds: '7200',
    GroupIsTagged: 'true',
  });
  expect(resources).toHaveLength(2);
});

test('every type of the templates is known to the limits', () => {
  // Nothing is known of these but sizes of policies and of text, which other checks measure.
  const measured = [
    'AWS::CloudFormation::WaitCondition',
    'AWS::CloudFormation::WaitConditionHandle',
    'AWS::CloudWatch::Dashboard',
    'AWS::EC2::LaunchTemplate',
    'AWS::S3::BucketPolicy',
    'AWS::SNS::Subscription',
    'AWS::SNS::TopicPolicy',
    'AWS::SQS::QueuePolicy',
  ];
  const types = [template, attachTemplate].flatMap((text) => {
    const { Resources }: { Resources: Record<string, { Type: string }> } = JSON.parse(text);
    return Object.values(Resources).map(({ Type }) => Type);
  });
  expect([...new Set(types)].filter((type) => !schemas[type]).toSorted()).toEqual(measured);
});

test('a command fits into 64 KB with its document: SSM counts the parameters as well', () => {
  for (const { purpose, content } of commandDocuments()) {
    const shortest = JSON.stringify(JSON.parse(content));
    // An entry of the join has instance ID, account name, and a password that a key of 3,072 bits encrypted.
    const longest = Object.values(parameters[purpose]).map((parameter) =>
      'p'.repeat(
        parameter.type === 'String' ? parameter.maxChars : parameter.maxItems * (19 + 1 + 15 + 1 + 512),
      ),
    );
    expect([purpose, beyond(documentBytes, shortest + longest.join(''))]).toEqual([purpose, undefined]);
  }
});
