/**
 * Deploys the stack to the sandbox's endpoint with SDK calls only, as a person with an administrator's role would.
 * One file on purpose: nothing else in the sandbox knows how the stack is made.
 */
import {
  AutoScalingClient,
  CreateAutoScalingGroupCommand,
  PutLifecycleHookCommand,
} from '@aws-sdk/client-auto-scaling';
import { CreateTableCommand, DynamoDBClient, waitUntilTableExists } from '@aws-sdk/client-dynamodb';
import { CreateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { CreateQueueCommand, GetQueueAttributesCommand, SQSClient } from '@aws-sdk/client-sqs';
import { CreateDocumentCommand, SSMClient } from '@aws-sdk/client-ssm';

/** What the SDK clients need to reach the endpoint as one principal. */
export interface ClientConfig {
  readonly endpoint: string;
  readonly region: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
}

export interface CommandDocument {
  readonly purpose: 'probe' | 'join' | 'leave';
  readonly name: string;
  /** JSON, schema 2.2. */
  readonly content: string;
}

export interface ProvisionOptions {
  readonly client: ClientConfig;
  readonly accountId: string;
  readonly documents: readonly CommandDocument[];
  /** The service account, in the key names of the AWS Security Blog's solution. Goes into the secret and nowhere else. */
  readonly credential: {
    readonly domain_name: string;
    readonly domain_user: string;
    readonly domain_password: string;
    readonly directory_ou: string;
  };
  /** PEM file with the directory's CA, as the agent reads it. */
  readonly caFile: string;
  readonly maximumInstances: number;
  /** Heartbeat timeout of both hooks. */
  readonly heartbeatSeconds?: number;
  /** Receives before a message moves to the dead-letter queue. */
  readonly maxReceiveCount?: number;
  /** Laid over the agent's configuration, section by section. */
  readonly agentConfig?: AgentConfig;
}

/** The agent's configuration file: sections of settings, or plain settings. */
export type AgentConfig = Readonly<Record<string, Readonly<Record<string, unknown>> | string | number>>;

export interface Stack {
  /** The deployment's name in the stamp on each computer account. */
  readonly deployment: string;
  readonly autoScalingGroup: string;
  readonly queueUrl: string;
  readonly deadLetterQueueUrl: string;
  readonly table: string;
  readonly secretId: string;
  /** What `agent/main.ts --config` reads. */
  readonly agentConfig: AgentConfig;
}

const deployment = 'sandbox';

/**
 * AWS's own default is an hour. Five minutes leaves room for four lost heartbeats of an agent that renews at a fifth,
 * and ends a launch that nobody answers while a person still watches.
 */
const heartbeatSeconds = 300;

/**
 * The agent asks for its own visibility when it receives; this is what a reader without one gets, and how long a
 * message that nobody could handle rests between two receives.
 */
const visibilitySeconds = 60;

/** A malformed message is worth a second look, a crash in the middle of a good one a third and a fourth. */
const maxReceiveCount = 5;

/** SQS keeps messages for four days unless told otherwise; a dead letter should outlive a long weekend. */
const deadLetterRetentionSeconds = 14 * 24 * 3600;

async function createQueues(
  options: ProvisionOptions,
): Promise<{ url: string; arn: string; deadLetterUrl: string }> {
  const sqs = new SQSClient(options.client);
  const create = async (name: string, attributes: Record<string, string>) => {
    const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: name, Attributes: attributes }));
    const { Attributes } = await sqs.send(
      new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['QueueArn'] }),
    );
    return { url: present(QueueUrl, 'QueueUrl'), arn: present(Attributes?.['QueueArn'], 'QueueArn') };
  };
  const deadLetters = await create('adjoin-lifecycle-dead-letters', {
    MessageRetentionPeriod: String(deadLetterRetentionSeconds),
  });
  const queue = await create('adjoin-lifecycle', {
    VisibilityTimeout: String(visibilitySeconds),
    RedrivePolicy: JSON.stringify({
      deadLetterTargetArn: deadLetters.arn,
      maxReceiveCount: options.maxReceiveCount ?? maxReceiveCount,
    }),
  });
  sqs.destroy();
  return { ...queue, deadLetterUrl: deadLetters.url };
}

async function createTable(options: ProvisionOptions): Promise<string> {
  const dynamodb = new DynamoDBClient(options.client);
  const TableName = 'adjoin-memberships';
  await dynamodb.send(
    new CreateTableCommand({
      TableName,
      KeySchema: [{ AttributeName: 'instanceId', KeyType: 'HASH' }],
      AttributeDefinitions: [{ AttributeName: 'instanceId', AttributeType: 'S' }],
      BillingMode: 'PAY_PER_REQUEST',
    }),
  );
  await waitUntilTableExists({ client: dynamodb, maxWaitTime: 20, minDelay: 1, maxDelay: 1 }, { TableName });
  dynamodb.destroy();
  return TableName;
}

async function createSecret(options: ProvisionOptions): Promise<string> {
  const secrets = new SecretsManagerClient(options.client);
  const Name = 'adjoin/service-account';
  await secrets.send(new CreateSecretCommand({ Name, SecretString: JSON.stringify(options.credential) }));
  secrets.destroy();
  return Name;
}

type Pinned = Readonly<Record<'name' | 'version' | 'hash', string>>;

async function createDocuments(options: ProvisionOptions): Promise<Record<string, Pinned>> {
  const ssm = new SSMClient(options.client);
  const pinned = await Promise.all(
    options.documents.map(async (document): Promise<[string, Pinned]> => {
      const { DocumentDescription } = await ssm.send(
        new CreateDocumentCommand({
          Name: document.name,
          Content: document.content,
          DocumentType: 'Command',
          DocumentFormat: 'JSON',
        }),
      );
      const version = present(DocumentDescription?.DocumentVersion, 'DocumentVersion');
      return [
        document.purpose,
        { name: document.name, version, hash: present(DocumentDescription?.Hash, 'Hash') },
      ];
    }),
  );
  ssm.destroy();
  return Object.fromEntries(pinned);
}

async function createGroup(options: ProvisionOptions, queueArn: string): Promise<string> {
  const autoscaling = new AutoScalingClient(options.client);
  const AutoScalingGroupName = 'fleet';
  await autoscaling.send(
    new CreateAutoScalingGroupCommand({
      AutoScalingGroupName,
      MinSize: 0,
      MaxSize: options.maximumInstances,
      DesiredCapacity: 0,
      AvailabilityZones: [`${options.client.region}a`],
      LaunchTemplate: { LaunchTemplateName: 'fleet', Version: '$Default' },
      Tags: [{ Key: 'JoinAD', Value: 'true', PropagateAtLaunch: true }],
    }),
  );
  const hook = {
    AutoScalingGroupName,
    HeartbeatTimeout: options.heartbeatSeconds ?? heartbeatSeconds,
    NotificationTargetARN: queueArn,
    RoleARN: `arn:aws:iam::${options.accountId}:role/adjoin-lifecycle-hooks`,
  };
  await autoscaling.send(
    new PutLifecycleHookCommand({
      ...hook,
      LifecycleHookName: 'adjoin-launch',
      LifecycleTransition: 'autoscaling:EC2_INSTANCE_LAUNCHING',
      DefaultResult: 'ABANDON',
    }),
  );
  await autoscaling.send(
    new PutLifecycleHookCommand({
      ...hook,
      LifecycleHookName: 'adjoin-terminate',
      LifecycleTransition: 'autoscaling:EC2_INSTANCE_TERMINATING',
      // Both results terminate; ABANDON would skip other people's hooks as well.
      DefaultResult: 'CONTINUE',
    }),
  );
  autoscaling.destroy();
  return AutoScalingGroupName;
}

/**
 * The sandbox's intervals are shorter than the defaults, which are made for services that throttle. The long poll is
 * short because a worker that stops waits for it.
 */
const intervals: AgentConfig = {
  receive: { waitSeconds: 2, visibilitySeconds: 60 },
  nodes: { registrationPollSeconds: 0.25, commandPollSeconds: 0.25, coalesceSeconds: 0.1 },
  patience: { retrySeconds: 1, retryMaximumSeconds: 5 },
  credentialPollSeconds: 2,
  drainSeconds: 30,
};

/** Lays one configuration over another: sections are merged setting by setting, anything else is replaced. */
function merge(base: AgentConfig, over: AgentConfig): AgentConfig {
  const merged: Record<string, AgentConfig[string]> = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const present = merged[key];
    merged[key] = typeof value === 'object' && typeof present === 'object' ? { ...present, ...value } : value;
  }
  return merged;
}

function present(value: string | undefined, name: string): string {
  if (value === undefined) throw new Error(`The endpoint's answer lacks ${name}.`);
  return value;
}

/** Makes the stack. Fails if any part of it exists already. */
export async function provision(options: ProvisionOptions): Promise<Stack> {
  const [queue, table, secretId, documents] = await Promise.all([
    createQueues(options),
    createTable(options),
    createSecret(options),
    createDocuments(options),
  ]);
  const autoScalingGroup = await createGroup(options, queue.arn);
  const deployed: AgentConfig = {
    deployment,
    region: options.client.region,
    accountId: options.accountId,
    queueUrl: queue.url,
    table,
    secretId,
    documents,
    directory: { caFile: options.caFile },
  };
  return {
    deployment,
    autoScalingGroup,
    queueUrl: queue.url,
    deadLetterQueueUrl: queue.deadLetterUrl,
    table,
    secretId,
    agentConfig: merge(merge(deployed, intervals), options.agentConfig ?? {}),
  };
}
