/**
 * A lane: a group of one instance with a queue and an agent of its own, so that a kill in one lane is nothing to the
 * others. Table, secret, documents and domain are the stack's. Every call of its agent goes through taps.
 */
import {
  AutoScalingClient,
  CreateAutoScalingGroupCommand,
  DescribeAutoScalingGroupsCommand,
  PutLifecycleHookCommand,
  SetDesiredCapacityCommand,
} from '@aws-sdk/client-auto-scaling';
import { CreateQueueCommand, GetQueueAttributesCommand, SQSClient } from '@aws-sdk/client-sqs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startAgent, type Agent } from '../../../infra/sandbox/inside/agent.ts';
import { merge } from '../../../infra/sandbox/stack/agent-config.ts';
import { accountId, region } from '../../../infra/sandbox/inside/sandbox.ts';
import { mustRun } from '../../../infra/sandbox/machine/process.ts';
import { eventually, type System } from '../sandbox.ts';
import { openAwsTap } from './aws-tap.ts';
import { createJournal, type Journal, type Watch } from './journal.ts';
import { openLdapTap } from './ldap-tap.ts';
import { createNames } from './names.ts';

export interface Lane {
  readonly name: string;
  readonly journal: Journal;
  /** Milliseconds after which a dead agent's message shows again; its lease has ended by then. */
  readonly visibilityMs: number;
  /** How often the agent was killed, or died by itself. */
  deaths(): number;
  /**
   * Watches the calls of the next action.
   * @param fresh by a new agent, which has spoken to nobody and knows nothing yet
   */
  begin(watch: Omit<Watch, 'messageSent'>, fresh: boolean): Promise<void>;
  /** What the agent's log tells of, since `begin`, that is not so when an action goes its way undisturbed. */
  disturbances(): Promise<string[]>;
  /** Launches the instance, or terminates it. */
  scale(size: 0 | 1): Promise<void>;
  /** Lifecycle state of the instance that the group has. */
  instance(): Promise<{ readonly id: string; readonly state: string } | undefined>;
  /** Messages in the queue, hidden ones included. */
  depth(): Promise<number>;
  close(): Promise<void>;
}

export interface LanesOptions {
  readonly system: System;
  /** PEM texts of the controller's own certificate and key. */
  readonly certificate: string;
  readonly key: string;
  readonly ca: string;
  readonly visibilitySeconds: number;
}

/** What all lanes share. */
export interface Lanes {
  open(name: string): Promise<Lane>;
  /** Messages in the dead-letter queue of all lanes. */
  deadLetters(): Promise<number>;
  close(): void;
}

/**
 * Receives before a message is a dead letter: one for the work, one after the kill, one more where the dead agent's lease
 * outlasts the hiding of its message, for a renewal late by a second on a busy machine is enough, and whoever receives it
 * then finds it owned elsewhere; and two that should not be needed.
 */
const receives = 5;
/** The least that a hook of this length needs is not the subject here; long enough for any recovery. */
const heartbeatSeconds = 300;
/** Milliseconds between an agent's death and the next one's start. */
const restartDelayMs = 100;

export async function openLanes(options: LanesOptions): Promise<Lanes> {
  const { system, visibilitySeconds, ...tls } = options;
  // As the owner, whom no policy binds: the stack's policies are about the stack's one queue, and not the subject here.
  const owner = { endpoint: system.endpoint, region, credentials: { ...system.keys.operator } };
  const autoScaling = new AutoScalingClient(owner);
  const sqs = new SQSClient(owner);

  async function makeQueue(name: string, attributes: Record<string, string>): Promise<string> {
    const { QueueUrl = '' } = await sqs.send(
      new CreateQueueCommand({ QueueName: name, Attributes: attributes }),
    );
    return QueueUrl;
  }
  async function depthOf(QueueUrl: string): Promise<number> {
    const AttributeNames = ['ApproximateNumberOfMessages', 'ApproximateNumberOfMessagesNotVisible'] as const;
    const { Attributes } = await sqs.send(
      new GetQueueAttributesCommand({ QueueUrl, AttributeNames: [...AttributeNames] }),
    );
    return Object.values(Attributes ?? {}).reduce((total, value) => total + Number(value), 0);
  }
  const queueArn = (name: string): string => `arn:aws:sqs:${region}:${accountId}:${name}`;
  const deadLetterQueue = 'lanes-dead-letters';
  const deadLetterQueueUrl = await makeQueue(deadLetterQueue, {});

  // It is started again at every point, which is half the work of all: it is compiled once. A kill leaves no time to.
  const compiled = { NODE_COMPILE_CACHE: join(system.runtime, 'compiled') };
  await mustRun([process.execPath, system.stack.agentFile, '--help'], { env: compiled });

  async function makeGroup(group: string): Promise<void> {
    await autoScaling.send(
      new CreateAutoScalingGroupCommand({
        AutoScalingGroupName: group,
        MinSize: 0,
        MaxSize: 1,
        DesiredCapacity: 0,
        AvailabilityZones: [`${region}a`],
        LaunchTemplate: { LaunchTemplateName: group, Version: '$Default' },
        Tags: [{ Key: 'JoinAD', Value: 'true', PropagateAtLaunch: true }],
      }),
    );
    for (const [hook, transition] of [
      ['launch', 'autoscaling:EC2_INSTANCE_LAUNCHING'],
      ['terminate', 'autoscaling:EC2_INSTANCE_TERMINATING'],
    ]) {
      await autoScaling.send(
        new PutLifecycleHookCommand({
          AutoScalingGroupName: group,
          LifecycleHookName: hook,
          LifecycleTransition: transition,
          HeartbeatTimeout: heartbeatSeconds,
          DefaultResult: 'ABANDON',
          NotificationTargetARN: queueArn(group),
          RoleARN: system.stack.publisherRoleArn,
        }),
      );
    }
  }

  async function open(name: string): Promise<Lane> {
    const queueUrl = await makeQueue(name, {
      RedrivePolicy: JSON.stringify({
        deadLetterTargetArn: queueArn(deadLetterQueue),
        maxReceiveCount: receives,
      }),
      Policy: JSON.stringify({
        Version: '2012-10-17',
        Statement: [
          {
            Sid: 'HooksSend',
            Effect: 'Allow',
            Principal: { AWS: system.stack.publisherRoleArn },
            Action: ['sqs:GetQueueUrl', 'sqs:SendMessage'],
            Resource: queueArn(name),
          },
        ],
      }),
    });
    await makeGroup(name);

    const logFile = join(process.cwd(), '.sandbox', `agent-${name}.log`);
    /** Bytes of the log that are not about the action. */
    let logged = 0;
    let agent: Agent | undefined;
    let died = Promise.withResolvers<void>();
    const names = createNames({ documents: system.stack.documents, baseDn: system.domain.baseDn });
    const journal = createJournal(names, () => agent?.kill('SIGKILL'));
    const awsTap = await openAwsTap(system.vpcEndpoint, journal.aws);
    const { address: host, hostName: serverName } = system.domain;
    const ldapTap = await openLdapTap({ host, serverName, ...tls }, journal.ldap);

    const configFile = join(system.runtime, `${name}.json`);
    const config = merge(system.stack.agentConfig, {
      queueUrl: awsTap.url + new URL(queueUrl).pathname,
      concurrency: 4,
      receive: { waitSeconds: 20, visibilitySeconds },
      directory: { controllers: [ldapTap.controller] },
      // Belongs to no action.
      sweep: { enabled: false },
      // An agent reads the secret once: neither work nor the watch over it reads it again while a lane is open.
      credentialPollSeconds: 3600,
    });
    await writeFile(configFile, JSON.stringify(config), { mode: 0o600 });

    async function instance(): Promise<{ id: string; state: string } | undefined> {
      const { AutoScalingGroups = [] } = await autoScaling.send(
        new DescribeAutoScalingGroupsCommand({ AutoScalingGroupNames: [name] }),
      );
      const member = AutoScalingGroups[0]?.Instances?.[0];
      return member && { id: member.InstanceId ?? '', state: member.LifecycleState ?? '' };
    }

    const depth = (): Promise<number> => depthOf(queueUrl);
    const messageSent = async (): Promise<void> => {
      await eventually('a message', 60_000, async () => ((await depth()) > 0 ? true : undefined));
    };

    const lane: Lane = {
      name,
      journal,
      visibilityMs: visibilitySeconds * 1000,
      deaths: () => agent?.deaths.length ?? 0,
      async begin(watch, fresh) {
        // Between a death and the next start there is nobody to kill, and who comes next is new anyway.
        if (fresh && agent?.pid() !== undefined) {
          died = Promise.withResolvers();
          agent.kill('SIGKILL');
          // The next one has not even started then.
          await died.promise;
        }
        logged = (await readFile(logFile)).length;
        journal.begin({ ...watch, messageSent });
      },
      async disturbances() {
        const text = (await readFile(logFile)).subarray(logged).toString('utf8');
        const lines = text.split('\n').filter((line) => line.startsWith('{'));
        const entries = lines.map((line): Record<string, unknown> => JSON.parse(line));
        const receipts = entries.filter(({ event }) => event === 'lifecycle action received').length;
        return [
          ...(receipts === 1 ? [] : [`received ${receipts} times`]),
          ...entries.filter(({ level }) => level !== 'info').map((entry) => JSON.stringify(entry)),
        ];
      },
      async scale(size) {
        await autoScaling.send(
          new SetDesiredCapacityCommand({ AutoScalingGroupName: name, DesiredCapacity: size }),
        );
      },
      instance,
      depth,
      async close() {
        await agent?.stop(0);
        await awsTap.close();
        await ldapTap.close();
      },
    };

    agent = startAgent({
      argv: [process.execPath, system.stack.agentFile, '--config', configFile],
      env: {
        AWS_REGION: region,
        AWS_ENDPOINT_URL: awsTap.url,
        AWS_ACCESS_KEY_ID: system.keys.operator.accessKeyId,
        AWS_SECRET_ACCESS_KEY: system.keys.operator.secretAccessKey,
        ...compiled,
      },
      logFile,
      onPid: (pid) => {
        if (pid === undefined) died.resolve();
      },
      restartDelayMs,
    });
    // The hooks' test messages.
    await eventually('an empty queue', 30_000, async () => ((await depth()) === 0 ? true : undefined));
    return lane;
  }

  return {
    open,
    deadLetters: () => depthOf(deadLetterQueueUrl),
    close() {
      autoScaling.destroy();
      sqs.destroy();
    },
  };
}
