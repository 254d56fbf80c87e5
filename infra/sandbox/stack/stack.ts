/** What the sandbox runs: the synthesized stack, deployed; a user's Auto Scaling group, attached; the credential, put. */
import {
  AutoScalingClient,
  CreateAutoScalingGroupCommand,
  CreateOrUpdateTagsCommand,
} from '@aws-sdk/client-auto-scaling';
import {
  CloudFormationClient,
  DescribeStacksCommand,
  paginateListStackResources,
} from '@aws-sdk/client-cloudformation';
import {
  PutSecretValueCommand,
  ResourceNotFoundException,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { readFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import type { Cloud } from '../cloud/cloud.ts';
import type { Place } from '../cloud/place.ts';
import type { Account } from './account.ts';
import { merge, type AgentConfig } from './agent-config.ts';
import type { ClientConfig } from './client-config.ts';
import { network } from './network.ts';
import { putStack } from './put-stack.ts';
import type { Synthesis } from './synthesis.ts';

export interface StackOptions {
  readonly place: Place;
  readonly cloud: Cloud;
  readonly account: Account;
  readonly synthesis: Synthesis;
  readonly deployment: string;
  /** The user that owns the group. */
  readonly deployer: ClientConfig;
  /** Where the VPC's way into the cloud is, such as `http://127.0.0.1:4567`. */
  readonly vpcEndpoint: string;
  /** The service account, in the key names of the AWS Security Blog's solution. Goes into the secret and nowhere else. */
  readonly credential: {
    readonly domain_name: string;
    readonly domain_user: string;
    readonly domain_password: string;
    readonly directory_ou: string;
  };
  /** PEM file with the directory's CA. */
  readonly caFile: string;
  readonly directoryCidr: string;
  readonly maximumInstances: number;
  /** Instances of the worker's group. Unless they boot, they are idle: the worker of the sandbox is a process. Default 0. */
  readonly workers?: number;
  /** Whether they boot with the user data of their launch template. Default: they do not. */
  readonly bootWorkers?: boolean;
  /** Whether instances of no group are joined and unjoined as well. Default: they are not. */
  readonly standaloneInstances?: boolean;
  /** Heartbeat timeout of both hooks. */
  readonly heartbeatSeconds?: number;
  /** What the group is attached for, as parameters of the attaching stack; where others join, it is tagged so. Default: both. */
  readonly attach?: Readonly<Partial<Record<'Join' | 'Unjoin', 'false'>>>;
  /** Laid over the agent's configuration, section by section. */
  readonly agentConfig?: AgentConfig;
}

export interface Stack {
  /** The deployment's name in the stamp on each computer account. */
  readonly deployment: string;
  readonly autoScalingGroup: string;
  readonly queueUrl: string;
  readonly deadLetterQueueUrl: string;
  readonly table: string;
  readonly secretId: string;
  readonly workerRoleArn: string;
  readonly publisherRoleArn: string;
  readonly deadLetterOperatorRoleArn: string;
  readonly membershipOperatorRoleArn: string;
  readonly auditTopicArn: string;
  /** Names of the command documents. */
  readonly documents: Readonly<Record<'probe' | 'joinLinux' | 'joinWindows' | 'leave', string>>;
  /** What the agent's `--config` reads. */
  readonly agentConfig: AgentConfig;
  /** The bundled agent. */
  readonly agentFile: string;
}

/**
 * The sandbox's intervals are shorter than the defaults, which are made for services that throttle. The long poll is
 * short because a worker that stops waits for it.
 */
const intervals: AgentConfig = {
  receive: { waitSeconds: 2, visibilitySeconds: 60 },
  nodes: { registrationPollSeconds: 0.1, commandPollSeconds: 0.1, coalesceSeconds: 0.1 },
  patience: { retrySeconds: 1, retryMaximumSeconds: 5 },
  credentialPollSeconds: 2,
  drainSeconds: 30,
};

const autoScalingGroup = 'fleet';
/** Of the agent's file. */
export const agentBucket = 'sandbox-agent';

/** By it a group whose instances others join asks for their removal. Only administrators may set it. */
export const unjoinOnlyTag = { Key: 'adjoin:UnjoinOnly', Value: 'true', PropagateAtLaunch: false } as const;

/** Fails if any part of it exists already. */
export async function deployStack(options: StackOptions): Promise<Stack> {
  const { cloud, deployment } = options;
  const administrator = administratorOf(options);
  const { template, agentFile } = options.synthesis;
  if (options.bootWorkers) await uploadAgent(cloud, template, agentFile);
  const parameters = await parametersOf(options);
  const done = new AbortController();
  // A stack that waits for its worker has the secret long before: with the credential in it by then, the worker need not try again.
  const putting = options.bootWorkers ? putEarly(options, administrator, done.signal) : undefined;
  putting?.catch(() => undefined);
  try {
    await putStack(
      { name: deployment, template, parameters, byName: options.bootWorkers ?? false },
      administrator,
      cloud.buckets,
    );
  } finally {
    done.abort();
    await putting?.catch(() => undefined);
  }
  const { outputs } = await deployedAs(deployment, administrator);
  await createGroup(options);
  const autoScaling = new AutoScalingClient(administrator);
  const secrets = new SecretsManagerClient(administrator);
  try {
    if (options.attach?.Join === 'false') {
      const tag = { ...unjoinOnlyTag, ResourceId: autoScalingGroup, ResourceType: 'auto-scaling-group' };
      await autoScaling.send(new CreateOrUpdateTagsCommand({ Tags: [tag] }));
    }
    await putStack(
      {
        name: `${deployment}-attach`,
        template: options.synthesis.attachTemplate,
        parameters: {
          AutoScalingGroupName: autoScalingGroup,
          QueueArn: outputOf(outputs, 'QueueArn'),
          PublisherRoleArn: outputOf(outputs, 'PublisherRoleArn'),
          GroupIsTagged: 'true',
          ...options.attach,
          ...(options.heartbeatSeconds === undefined
            ? {}
            : { HeartbeatSeconds: String(options.heartbeatSeconds) }),
        },
      },
      administrator,
      cloud.buckets,
    );
    if (!(await putting)) await putCredential(secrets, outputOf(outputs, 'SecretArn'), options);
  } finally {
    autoScaling.destroy();
    secrets.destroy();
  }
  return readStack(options, administrator);
}

async function putCredential(
  secrets: SecretsManagerClient,
  SecretId: string,
  { credential }: StackOptions,
): Promise<void> {
  await secrets.send(new PutSecretValueCommand({ SecretId, SecretString: JSON.stringify(credential) }));
}

/** How often is looked for a secret that is being made, in milliseconds. */
const secretPollMs = 200;

/** Puts the credential as soon as the stack has made the secret. @returns whether it did, before the signal */
async function putEarly(
  options: StackOptions,
  administrator: ClientConfig,
  signal: AbortSignal,
): Promise<boolean> {
  const secrets = new SecretsManagerClient(administrator);
  try {
    while (!signal.aborted) {
      try {
        await putCredential(secrets, `${options.deployment}/service-account`, options);
        return true;
      } catch (error) {
        if (!(error instanceof ResourceNotFoundException)) throw error;
      }
      await pause(secretPollMs);
    }
    return false;
  } finally {
    secrets.destroy();
  }
}

/** Puts the agent where its workers fetch it, as a person does before the deployment. */
async function uploadAgent({ buckets }: Cloud, template: string, agentFile: string): Promise<void> {
  const { Parameters }: { Parameters: { AgentKey: { Default: string } } } = JSON.parse(template);
  if (buckets.names().includes(agentBucket)) return;
  buckets.create(agentBucket);
  buckets.setVersioning(agentBucket, 'Enabled');
  buckets.put(agentBucket, Parameters.AgentKey.Default, await readFile(agentFile), 'text/javascript');
}

/** Who deploys, puts the credential and attaches groups. */
function administratorOf({ place, cloud, account, deployer }: StackOptions): ClientConfig {
  return {
    endpoint: deployer.endpoint,
    region: place.region,
    credentials: cloud.issue({ roleArn: account.administratorRoleArn, sessionName: 'deployment' }),
  };
}

/** The stack as it was deployed, by whatever way, with the configuration that its agent has here. */
export async function readStack(
  options: StackOptions,
  reader: ClientConfig = administratorOf(options),
): Promise<Stack> {
  const { deployment } = options;
  const { outputs, documents } = await deployedAs(deployment, reader);
  const output = (name: string) => outputOf(outputs, name);
  const documentName = (purpose: string): string => {
    const name = documents.find((each) => each.startsWith(`${deployment}-${purpose}-`));
    if (name === undefined) throw new Error(`The stack has no document to ${purpose}.`);
    return name;
  };
  const queueUrl = output('QueueUrl');
  const deployed: AgentConfig = JSON.parse(output('AgentConfig'));
  const here: AgentConfig = {
    // As in a VPC with private DNS, the queue's address leads through the endpoint.
    queueUrl: options.vpcEndpoint + new URL(queueUrl).pathname,
    directory: { caFile: options.caFile },
  };
  /** A queue's address leads to the sandbox only for those who are told AWS's names. */
  const queue = (url: string) => options.deployer.endpoint + new URL(url).pathname;
  return {
    deployment,
    autoScalingGroup,
    queueUrl: queue(queueUrl),
    deadLetterQueueUrl: queue(output('DeadLetterQueueUrl')),
    table: output('TableName'),
    secretId: output('SecretArn'),
    workerRoleArn: output('WorkerRoleArn'),
    publisherRoleArn: output('PublisherRoleArn'),
    deadLetterOperatorRoleArn: output('DeadLetterOperatorRoleArn'),
    membershipOperatorRoleArn: output('MembershipOperatorRoleArn'),
    auditTopicArn: output('AuditTopicArn'),
    documents: {
      probe: documentName('probe'),
      joinLinux: documentName('join-linux'),
      joinWindows: documentName('join-windows'),
      leave: documentName('leave'),
    },
    agentConfig: [here, intervals, options.agentConfig ?? {}].reduce(merge, deployed),
    agentFile: options.synthesis.agentFile,
  };
}

function outputOf(outputs: ReadonlyMap<string, string>, name: string): string {
  const value = outputs.get(name);
  if (value === undefined) throw new Error(`The stack has no output ${name}.`);
  return value;
}

/** What CloudFormation shows of a stack: its outputs, and the names of its documents. */
async function deployedAs(StackName: string, reader: ClientConfig) {
  const client = new CloudFormationClient(reader);
  try {
    const { Stacks } = await client.send(new DescribeStacksCommand({ StackName }));
    const documents: string[] = [];
    for await (const { StackResourceSummaries = [] } of paginateListStackResources({ client }, { StackName }))
      documents.push(
        ...StackResourceSummaries.filter(({ ResourceType }) => ResourceType === 'AWS::SSM::Document').map(
          ({ PhysicalResourceId = '' }) => PhysicalResourceId,
        ),
      );
    const outputs = (Stacks?.[0]?.Outputs ?? []).map(
      ({ OutputKey = '', OutputValue = '' }): [string, string] => [OutputKey, OutputValue],
    );
    return { outputs: new Map(outputs), documents };
  } finally {
    client.destroy();
  }
}

async function parametersOf(options: StackOptions): Promise<Record<string, string>> {
  const { account } = options;
  return {
    Deployment: options.deployment,
    ...network,
    DirectoryCidr: options.directoryCidr,
    DirectoryCaBase64: (await readFile(options.caFile)).toString('base64'),
    AdministratorArns: account.administratorRoleArn,
    BreakGlassRoleArn: account.breakGlassRoleArn,
    AgentBucket: agentBucket,
    OperatorNetworks: '127.0.0.0/8',
    WorkerCount: String(options.workers ?? 0),
    StandaloneInstances: String(options.standaloneInstances ?? false),
  };
}

/** A group as its owner has it before adjoin comes. */
async function createGroup(options: StackOptions): Promise<void> {
  const autoScaling = new AutoScalingClient(options.deployer);
  await autoScaling.send(
    new CreateAutoScalingGroupCommand({
      AutoScalingGroupName: autoScalingGroup,
      MinSize: 0,
      MaxSize: options.maximumInstances,
      DesiredCapacity: 0,
      AvailabilityZones: [`${options.place.region}a`],
      LaunchTemplate: { LaunchTemplateName: autoScalingGroup, Version: '$Default' },
      Tags: [{ Key: 'JoinAD', Value: 'true', PropagateAtLaunch: true }],
    }),
  );
  autoScaling.destroy();
}
