/** What a deleted stack leaves: still guarded, and of use to the next one. */
import {
  CloudFormationClient,
  CreateChangeSetCommand,
  DeleteStackCommand,
  DescribeStackEventsCommand,
  DescribeStacksCommand,
  ExecuteChangeSetCommand,
  GetTemplateSummaryCommand,
  paginateListStackResources,
  type Parameter,
  type StackResourceSummary,
} from '@aws-sdk/client-cloudformation';
import { DeleteTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { synthesis } from '../../../infra/sandbox/stack/synthesis.ts';
import type { ClientConfig } from '../../../infra/sandbox/stack/client-config.ts';
import { deployed, domainPassword, type Deployed } from './deployed.ts';

let system: Deployed;
let cloudFormation: CloudFormationClient;
let stackId: string;
let given: Parameter[];
let left: StackResourceSummary[];
const StackName = 'adjoin';
const ChangeSetName = 'again';
/** Milliseconds until a queue's name is free again: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html */
const queueIsForgotten = 61_000;

beforeAll(async () => {
  system = await deployed();
  cloudFormation = new CloudFormationClient(system.session(system.account.administratorRoleArn, 'internet'));
  const before = await stack();
  stackId = before?.StackId ?? '';
  given = before?.Parameters ?? [];
  system.cloud.buckets.put(sessionBucket(), 'record', Buffer.from('who did what'), 'text/plain');
}, 120_000);
afterAll(async () => {
  cloudFormation.destroy();
  await system[Symbol.asyncDispose]();
});

const sessionBucket = () => system.cloud.buckets.names().find((name) => name.includes('-sessions-')) ?? '';

async function stack(name = StackName) {
  const { Stacks } = await cloudFormation.send(new DescribeStacksCommand({ StackName: name }));
  return Stacks?.[0];
}

async function settled(): Promise<string> {
  for (;;) {
    const found = await stack(stackId);
    if (!found?.StackStatus?.endsWith('_IN_PROGRESS')) return found?.StackStatus ?? '';
  }
}

/** What failed, where something did. */
async function failures(): Promise<string[]> {
  const { StackEvents = [] } = await cloudFormation.send(new DescribeStackEventsCommand({ StackName }));
  return StackEvents.filter(({ ResourceStatus }) => ResourceStatus?.endsWith('FAILED')).map(
    (each) => `${each.LogicalResourceId}: ${each.ResourceStatusReason}`,
  );
}

const read = async (who: ClientConfig): Promise<string> => {
  const secrets = new SecretsManagerClient({ ...who, maxAttempts: 1 });
  try {
    const { SecretString } = await secrets.send(
      new GetSecretValueCommand({ SecretId: 'adjoin/service-account' }),
    );
    return SecretString ?? '';
  } catch (error) {
    return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  } finally {
    secrets.destroy();
  }
};

test('what a deletion leaves keeps its policies: nobody reads the secret, and the ledger stays', async () => {
  const rows = new DynamoDBClient(system.developer);
  for (const name of ['adjoin-attach', StackName]) {
    const id = (await stack(name))?.StackId ?? '';
    await cloudFormation.send(new DeleteStackCommand({ StackName: name }));
    stackId = id;
    expect(await settled()).toBe('DELETE_COMPLETE');
  }
  left = [];
  for await (const { StackResourceSummaries = [] } of paginateListStackResources(
    { client: cloudFormation },
    { StackName: stackId },
  ))
    left.push(...StackResourceSummaries.filter(({ ResourceStatus }) => ResourceStatus === 'DELETE_SKIPPED'));
  expect(left.map(({ ResourceType = '' }) => ResourceType).toSorted((a, b) => a.localeCompare(b))).toEqual([
    'AWS::DynamoDB::Table',
    'AWS::KMS::Key',
    'AWS::KMS::Key',
    'AWS::KMS::Key',
    'AWS::Logs::LogGroup',
    'AWS::Logs::LogGroup',
    'AWS::S3::Bucket',
    'AWS::S3::BucketPolicy',
    'AWS::SecretsManager::ResourcePolicy',
    'AWS::SecretsManager::Secret',
  ]);
  const administrator = system.session(system.account.administratorRoleArn, 'internet');
  for (const who of [system.developer, administrator])
    expect(await read(who)).toContain('with an explicit deny in a resource-based policy');
  await expect(rows.send(new DeleteTableCommand({ TableName: 'adjoin-memberships' }))).rejects.toThrow(
    'with an explicit deny in a resource-based policy',
  );
  rows.destroy();
});

test('a first deployment beside it fails, and takes nothing of it away', async () => {
  system.later(queueIsForgotten);
  await propose('CREATE', (await synthesis()).template, given);
  expect(await execute()).toBe('ROLLBACK_COMPLETE');
  expect((await failures()).join('\n')).toMatch(/already exists/);
  expect(await read(system.developer)).toContain('explicit deny');
  await cloudFormation.send(new DeleteStackCommand({ StackName }));
  expect(await settled()).toBe('DELETE_COMPLETE');
});

test('an import takes it into a new stack as it is, and an update makes the rest: the secret has its value', async () => {
  const { importTemplate, template } = await synthesis();
  const { Parameters = [], ResourceIdentifierSummaries = [] } = await cloudFormation.send(
    new GetTemplateSummaryCommand({ TemplateBody: importTemplate }),
  );
  const by = new Map(
    ResourceIdentifierSummaries.map((each) => [each.ResourceType, each.ResourceIdentifiers?.[0] ?? '']),
  );
  const asked = new Set(Parameters.map(({ ParameterKey }) => ParameterKey));
  await propose(
    'IMPORT',
    importTemplate,
    given.filter(({ ParameterKey }) => asked.has(ParameterKey)),
    left.map(({ LogicalResourceId, ResourceType, PhysicalResourceId = '' }) => ({
      LogicalResourceId,
      ResourceType,
      ResourceIdentifier: { [by.get(ResourceType) ?? '']: PhysicalResourceId },
    })),
  );
  expect(await execute()).toBe('IMPORT_COMPLETE');
  expect(await failures()).toEqual([]);
  expect(await read(system.developer)).toContain('explicit deny');

  system.later(queueIsForgotten);
  await propose('UPDATE', template, given);
  expect(await execute()).toBe('UPDATE_COMPLETE');
  expect(await failures()).toEqual([]);
  const worker = system.session(system.stack.workerRoleArn, 'vpc', { 'ec2:RoleDelivery': '2.0' });
  expect(await read(worker)).toContain(domainPassword);
  for (const who of [system.developer, system.session(system.stack.workerRoleArn, 'internet')])
    expect(await read(who)).toContain('explicit deny');
  expect(system.cloud.buckets.objects(sessionBucket()).map(({ key }) => key)).toEqual(['record']);
});

async function propose(
  ChangeSetType: 'CREATE' | 'UPDATE' | 'IMPORT',
  template: string,
  Parameters: Parameter[],
  ResourcesToImport?: {
    LogicalResourceId: string | undefined;
    ResourceType: string | undefined;
    ResourceIdentifier: Record<string, string>;
  }[],
): Promise<void> {
  const bucket = 'templates';
  if (!system.cloud.buckets.names().includes(bucket)) system.cloud.buckets.create(bucket);
  system.cloud.buckets.put(bucket, 'template', Buffer.from(template), 'application/json');
  const { StackId = '' } = await cloudFormation.send(
    new CreateChangeSetCommand({
      StackName,
      ChangeSetName,
      ChangeSetType,
      TemplateURL: `${system.developer.endpoint}/${bucket}/template`,
      Capabilities: ['CAPABILITY_NAMED_IAM'],
      Parameters,
      ...(ResourcesToImport && { ResourcesToImport }),
    }),
  );
  stackId = StackId;
}

async function execute(): Promise<string> {
  await cloudFormation.send(new ExecuteChangeSetCommand({ StackName, ChangeSetName }));
  return settled();
}
