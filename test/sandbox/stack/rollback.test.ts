/** The synthesized stack in an account where its first deployment fails. */
import { DescribeAutoScalingGroupsCommand } from '@aws-sdk/client-auto-scaling';
import { DeleteTableCommand, ListTablesCommand } from '@aws-sdk/client-dynamodb';
import { ListSecretsCommand } from '@aws-sdk/client-secrets-manager';
import { ListQueuesCommand } from '@aws-sdk/client-sqs';
import { ListDocumentsCommand } from '@aws-sdk/client-ssm';
import { expect, test } from '@jest/globals';
import { account } from '../../../infra/sandbox/stack/account.ts';
import { deploy } from '../../../infra/sandbox/stack/deploy.ts';
import { Permissions } from '../../../infra/sandbox/stack/permissions.ts';
import type { Target } from '../../../infra/sandbox/stack/resource-type.ts';
import { DeploymentFailure } from '../../../infra/sandbox/stack/rollback.ts';
import { network } from '../../../infra/sandbox/stack/network.ts';
import { synthesis } from '../../../infra/sandbox/stack/synthesis.ts';
import { accountId, clients, region, startBench } from '../cloud/bench.ts';

interface Template {
  readonly Resources: Record<string, { readonly Type: string; Properties: Record<string, unknown> }>;
}

/** An account with an administrator, who deploys, and a colleague who may do everything that no policy denies. */
async function emptyAccount() {
  const people = account({ accountId }, 'adjoin');
  const colleagueArn = `arn:aws:iam::${accountId}:role/colleague`;
  const everything = people.identities.get(people.administratorRoleArn);
  if (!everything) throw new Error('There is no administrator.');
  const permissions = new Permissions({
    accountId,
    identities: new Map([...people.identities, [colleagueArn, everything]]),
    trust: people.trust,
    unbound: 'nobody',
    resourcePolicies: () => bench.cloud.resourcePolicies(),
  });
  let deciding = 0;
  const bench = await startBench({
    async authorize(request) {
      deciding += 1;
      try {
        return await permissions.authorize(request);
      } finally {
        deciding -= 1;
      }
    },
  });
  const as = (roleArn: string) =>
    clients(bench.endpoint, bench.cloud.issue({ roleArn, sessionName: 'test' }), bench.clock);
  const administrator = as(people.administratorRoleArn);
  const remembered = new Set<string>();
  let digits = 0;
  const target: Target = {
    region,
    accountId,
    clients: administrator,
    cloud: bench.cloud,
    remembered,
    hex: (count) => (digits += 1).toString(16).padStart(count, '0'),
  };
  return {
    bench,
    colleague: as(colleagueArn),
    async deploy(template: Template) {
      return deploy({
        name: 'adjoin',
        template: JSON.stringify(template),
        parameters: {
          ...network,
          DirectoryCidr: '10.77.0.0/24',
          DirectoryCaBase64: 'QUJD'.repeat(30),
          AdministratorArns: people.administratorRoleArn,
          BreakGlassRoleArn: people.breakGlassRoleArn,
          AgentBucket: 'sandbox-agent',
          OperatorNetworks: '127.0.0.0/8',
          WorkerCount: '0',
        },
        target,
        onCreated: (resource) => permissions.add(resource),
        onDeleted: (resource) => permissions.remove(resource),
      });
    },
    /** What is in the account, whoever made it. */
    async inventory() {
      const { TableNames: tables } = await administrator.dynamoDb.send(new ListTablesCommand({}));
      const { QueueUrls: queues } = await administrator.sqs.send(new ListQueuesCommand({}));
      const { SecretList: secrets } = await administrator.secrets.send(
        new ListSecretsCommand({ IncludePlannedDeletion: true }),
      );
      const own = { Filters: [{ Key: 'Owner', Values: ['Self'] }] };
      const { DocumentIdentifiers: documents } = await administrator.ssm.send(new ListDocumentsCommand(own));
      const { AutoScalingGroups: groups } = await administrator.autoScaling.send(
        new DescribeAutoScalingGroupsCommand({}),
      );
      return {
        tables: tables ?? [],
        queues: queues ?? [],
        secrets: secrets ?? [],
        documents: documents ?? [],
        groups: groups ?? [],
        keys: bench.cloud.keys.all(),
        topics: bench.cloud.topics.all(),
        rules: bench.cloud.bus.rules(),
        others: [...remembered],
      };
    },
    async [Symbol.asyncDispose]() {
      // Notices of what was called are still on their way to the audit topic.
      while (deciding > 0) await new Promise(setImmediate);
      await bench[Symbol.asyncDispose]();
    },
  };
}

const empty = {
  tables: [],
  queues: [],
  secrets: [],
  documents: [],
  groups: [],
  keys: [],
  topics: [],
  rules: [],
  others: [],
};

async function synthesized(): Promise<Template> {
  return JSON.parse((await synthesis()).template);
}

/** With a queue that is refused after all else is made. */
function failing({ Resources, ...others }: Template): Template {
  const refused = {
    Type: 'AWS::SQS::Queue',
    Properties: { QueueName: 'refused', VisibilityTimeout: 43_201 },
    DependsOn: Object.keys(Resources).filter((id) => !('Condition' in (Resources[id] ?? {}))),
  };
  return { ...others, Resources: { ...Resources, Refused: refused } };
}

const failureOf = (deployment: Promise<unknown>): Promise<unknown> =>
  deployment.then(
    () => undefined,
    (error: unknown) => error,
  );

test('leaves nothing, so that the next deployment finds every name free', async () => {
  await using place = await emptyAccount();
  const template = await synthesized();
  const failure = await failureOf(place.deploy(failing(template)));
  expect(failure).toBeInstanceOf(DeploymentFailure);
  expect(failure).toMatchObject({
    status: 'ROLLBACK_COMPLETE',
    left: [],
    message: expect.stringContaining(
      '#/VisibilityTimeout: failed validation constraint for keyword [maximum]',
    ),
  });
  expect(await place.inventory()).toEqual(empty);
  await place.bench.clock.advance(60_000);
  await place.deploy(template);
  const made = await place.inventory();
  expect(Object.entries(made).filter(([, each]) => each.length === 0)).toEqual([]);
});

test('leaves a table that is protected against deletion, and with it a name that the next deployment needs', async () => {
  await using place = await emptyAccount();
  const template = await synthesized();
  for (const { Type, Properties } of Object.values(template.Resources))
    if (Type === 'AWS::DynamoDB::Table') Properties['DeletionProtectionEnabled'] = true;
  const failure = await failureOf(place.deploy(failing(template)));
  expect(failure).toMatchObject({
    status: 'ROLLBACK_FAILED',
    left: [expect.stringContaining('Memberships')],
    message: expect.stringContaining('currently protected against deletion'),
  });
  expect(await place.inventory()).toEqual({ ...empty, tables: ['adjoin-memberships'] });
  await place.bench.clock.advance(60_000);
  await expect(place.deploy(template)).rejects.toThrow(
    /Memberships\w+ \(AWS::DynamoDB::Table\) can't be created/,
  );
});

test('once it is deployed, no one but administrators deletes the table', async () => {
  await using place = await emptyAccount();
  await place.deploy(await synthesized());
  const { tables } = await place.inventory();
  expect(tables).toEqual(['adjoin-memberships']);
  for (const TableName of tables) {
    await expect(place.colleague.dynamoDb.send(new DeleteTableCommand({ TableName }))).rejects.toThrow(
      /not authorized to perform: dynamodb:DeleteTable .* with an explicit deny in a resource-based policy/,
    );
  }
});
