/** The whole system for a test file, and what tests ask of it. */
import { CreateAutoScalingGroupCommand } from '@aws-sdk/client-auto-scaling';
import { PutSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { GetQueueAttributesCommand, SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { Ground } from '../../infra/sandbox/host/ground.ts';
import {
  accountId,
  region,
  type Sandbox,
  type SandboxOptions,
  startSandbox,
} from '../../infra/sandbox/inside/sandbox.ts';
import { subjectOf } from '../../infra/sandbox/inside/subject.ts';
import type { Membership } from '../../infra/sandbox/story/memberships.ts';
import type { Subject } from '../../infra/sandbox/story/story.ts';

export interface System extends Sandbox {
  readonly subject: Subject;
}

/** Starts everything but the agent. */
export async function openSystem(ground: Ground, options: Partial<SandboxOptions> = {}): Promise<System> {
  const sandbox = await startSandbox({
    image: ground.image,
    runtime: ground.runtime,
    directory: join(process.cwd(), '.sandbox'),
    port: 0,
    maximumInstances: 20,
    ...options,
  });
  return { ...sandbox, subject: subjectOf(sandbox) };
}

/** Real daemons take real time; this is how often they are asked. Asking is work for the processors that they need. */
const pollMs = 200;

/** Asks until there is an answer other than undefined. Fails with `what` after the limit. */
export async function eventually<Answer>(
  what: string,
  limitMs: number,
  ask: () => Promise<Answer | undefined>,
): Promise<Answer> {
  const deadline = Date.now() + limitMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (Date.now() > deadline) throw new Error(`not within ${limitMs / 1000} s: ${what}`);
    await wait(pollMs);
  }
}

/** Waits until exactly this many instances are listed and all of them are in service; their instance IDs. */
export function inService(system: System, count: number, limitMs: number): Promise<string[]> {
  return eventually(`${count} instances in service`, limitMs, async () => {
    const { states } = await system.subject.look();
    const ready = [...states.values()].every((state) => state === 'InService');
    return ready && states.size === count ? [...states.keys()] : undefined;
  });
}

export async function membershipOf(system: System, instanceId: string): Promise<Membership | undefined> {
  return (await system.subject.look()).memberships.get(instanceId);
}

/** Waits until the only instance that is listed has got this far. */
export function onlyInstance(system: System, state: string, limitMs: number): Promise<string> {
  return eventually(`one instance ${state}`, limitMs, async () => {
    const { states } = await system.subject.look();
    return [...states].find(([, seen]) => seen === state)?.[0];
  });
}

/** Computer accounts that are not the domain controllers'. */
export async function computerNames(system: System): Promise<string[]> {
  return (await system.auditor.computers()).map((account) => account.computerName).toSorted();
}

/** What the agent has logged: one object a line. */
export async function logEntries(system: System): Promise<Record<string, unknown>[]> {
  const text = await readFile(system.agentLogFile, 'utf8');
  return text
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line): Record<string, unknown> => JSON.parse(line));
}

export interface Queues {
  /** Sends as the role whose messages the queue takes: what it says is still for the agent to doubt. */
  send(body: string): Promise<void>;
  /** Messages that wait and messages that somebody holds. */
  depth(url?: string): Promise<number>;
  close(): void;
}

export function queuesOf(system: System): Queues {
  const sqs = new SQSClient(system.developer);
  const publisher = new SQSClient(system.session(system.stack.publisherRoleArn, 'test'));
  return {
    async send(body) {
      await publisher.send(new SendMessageCommand({ QueueUrl: system.stack.queueUrl, MessageBody: body }));
    },
    async depth(url = system.stack.queueUrl) {
      const { Attributes } = await sqs.send(
        new GetQueueAttributesCommand({
          QueueUrl: url,
          AttributeNames: ['ApproximateNumberOfMessages', 'ApproximateNumberOfMessagesNotVisible'],
        }),
      );
      return Object.values(Attributes ?? {}).reduce((total, value) => total + Number(value), 0);
    },
    close() {
      sqs.destroy();
      publisher.destroy();
    },
  };
}

/**
 * Puts the service account into the secret, as the secret's administrator.
 * @param password @default the right one
 * @param organizationalUnit @default the one with the service account's rights
 */
export async function putCredential(
  { domain, stack, developer, keys }: System,
  password = domain.serviceAccount.password,
  organizationalUnit = domain.organizationalUnit,
): Promise<void> {
  const secrets = new SecretsManagerClient({ ...developer, credentials: keys.administrator });
  const value = {
    domain_name: domain.domainName,
    domain_user: domain.serviceAccount.user,
    domain_password: password,
    directory_ou: organizationalUnit,
  };
  const SecretString = JSON.stringify(value);
  await secrets.send(new PutSecretValueCommand({ SecretId: stack.secretId, SecretString }));
  secrets.destroy();
}

/** From now on every event on the bus goes to the audit topic, whole. */
export function hearEverything({ cloud, stack }: System): void {
  const name = 'adjoin-audit-everything';
  cloud.bus.addRule({
    name,
    arn: `arn:aws:events:${region}:${accountId}:rule/${name}`,
    pattern: { account: [accountId] },
    state: 'ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS',
    targets: [{ arn: stack.auditTopicArn }],
  });
}

/** What the audit rules have told so far. */
export function notices({ cloud, stack }: System): Record<string, string>[] {
  const messages = cloud.topics.find(stack.auditTopicArn)?.messages ?? [];
  return messages.map((body): Record<string, string> => JSON.parse(body));
}

/** A group of somebody else's, as the pages find it: without instances, hooks and tags. */
export const emptyFleet = (): CreateAutoScalingGroupCommand =>
  new CreateAutoScalingGroupCommand({
    AutoScalingGroupName: 'fleet',
    MinSize: 0,
    MaxSize: 2,
    DesiredCapacity: 0,
    AvailabilityZones: [`${region}a`],
    LaunchTemplate: { LaunchTemplateName: 'fleet', Version: '$Default' },
  });
