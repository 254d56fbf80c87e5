/** Carries out the faults of a plan on a running sandbox, and takes every one of them back. */
import { AutoScalingClient, TerminateInstanceInAutoScalingGroupCommand } from '@aws-sdk/client-auto-scaling';
import { EC2Client, TerminateInstancesCommand } from '@aws-sdk/client-ec2';
import { PutSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { SendMessageCommand, SetQueueAttributesCommand, SQSClient } from '@aws-sdk/client-sqs';
import { randomUUID } from 'node:crypto';
import { randomPassword } from '../domain/password.ts';
import { accountId, type Sandbox } from '../inside/sandbox.ts';
import { stampOf } from '../inside/subject.ts';
import { network } from '../machine/network.ts';
import { mustRun, runProcess } from '../machine/process.ts';
import type { Clock } from '../clock.ts';
import { deleteStamp, moveAccount } from './directory.ts';
import type { Groups } from './groups.ts';
import type { LedgerWatch, LedgerWrite } from './ledger.ts';
import type { SpoiltMachines } from './machines.ts';
import type { WorldFault } from './plan.ts';
import { chosen, messageToRepeat } from './choice.ts';
import { type CloudRecord, inService, listed } from './record.ts';

/** Where a fault shows in the picture: a worker, a controller, AWS, or an instance. */
export type Lane = `worker ${number}` | `dc${number}` | 'AWS' | `i-${string}`;

export interface Injection {
  readonly lane: Lane;
  /** Resolves when the fault is over; at once for one without duration. */
  readonly over: Promise<void>;
}

/** A worker was suspended beyond its lease. */
export interface Suspension {
  /** From 1. */
  readonly worker: number;
  /** What it held by then, and how many writes the ledger had accepted. */
  readonly held: readonly LedgerWrite[];
  readonly after: number;
  /** How often the worker had died. */
  readonly deaths: number;
}

export interface World {
  readonly suspensions: readonly Suspension[];
  /** Every password that the service account has had. */
  readonly passwords: readonly string[];
  /** @returns undefined when there is nothing now that it could befall */
  inject(fault: WorldFault): Promise<Injection | undefined>;
  /** Ends every fault that lasts. */
  heal(): Promise<void>;
  close(): void;
}

export interface WorldParts {
  readonly sandbox: Sandbox;
  /** The client configuration of the user to whom no policy applies. */
  readonly owner: Sandbox['developer'];
  readonly machines: SpoiltMachines;
  readonly groups: Pick<Groups, 'names' | 'refresh' | 'pool'>;
  readonly record: CloudRecord;
  readonly ledger: Pick<LedgerWatch, 'heldBy' | 'writes'>;
  readonly clock: Clock;
}

/** How often something that lasts is looked at: has it ended by itself? */
const lookMs = 250;

/** An address of the second layer that no machine has: what is sent there is dropped without an answer. */
const nowhere = '02:00:00:00:00:01';

export function createWorld(parts: WorldParts): World {
  const { sandbox, machines, groups, record, ledger, clock } = parts;
  const { controllers } = sandbox.domain;
  const ec2 = new EC2Client(parts.owner);
  const autoScaling = new AutoScalingClient(parts.owner);
  const sqs = new SQSClient(parts.owner);
  const secrets = new SecretsManagerClient(parts.owner);
  const publisher = new SQSClient(sandbox.session(sandbox.stack.publisherRoleArn, 'chaos'));
  const healing = new AbortController();
  const lasting = new Set<Promise<void>>();
  const suspensions: Suspension[] = [];
  const passwords = [sandbox.domain.serviceAccount.password];
  /** What is under a fault of this name now: a second one waits for the first. */
  const busy = new Set<string>();

  /** Begins something that ends after the time, with the heal, or by itself. */
  async function forSeconds(
    name: string,
    lane: Lane,
    seconds: number,
    begin: () => Promise<void>,
    end: () => Promise<void>,
    lasts: () => boolean = () => true,
  ): Promise<Injection | undefined> {
    if (busy.has(name)) return undefined;
    busy.add(name);
    await begin();
    const last = async (): Promise<void> => {
      try {
        for (let left = seconds * 1000; left > 0 && lasts() && !healing.signal.aborted; left -= lookMs)
          await clock.sleep(Math.min(left, lookMs), healing.signal).catch(() => undefined);
      } finally {
        await end();
        busy.delete(name);
      }
    };
    const over = last();
    lasting.add(over);
    // Only the caller that waits for the end, or for the heal, hears of its failure.
    over.then(
      () => lasting.delete(over),
      () => undefined,
    );
    return { lane, over };
  }

  const send = async (body: string, delaySeconds: number): Promise<void> => {
    const QueueUrl = sandbox.stack.queueUrl;
    await publisher.send(
      new SendMessageCommand({
        QueueUrl,
        MessageBody: body,
        // Without one, the queue's own delay holds.
        ...(delaySeconds === 0 ? {} : { DelaySeconds: delaySeconds }),
      }),
    );
  };
  const delayQueue = async (seconds: number): Promise<void> => {
    const Attributes = { DelaySeconds: String(seconds) };
    await sqs.send(new SetQueueAttributesCommand({ QueueUrl: sandbox.stack.queueUrl, Attributes }));
  };

  /** A new version of the secret, even if it holds what the last one held: a version that was refused is dead. */
  const putSecret = async (password: string): Promise<void> => {
    const { domainName, organizationalUnit, serviceAccount } = sandbox.domain;
    const SecretString = JSON.stringify({
      domain_name: domainName,
      domain_user: serviceAccount.user,
      domain_password: password,
      directory_ou: organizationalUnit,
    });
    await secrets.send(new PutSecretValueCommand({ SecretId: sandbox.stack.secretId, SecretString }));
  };

  return {
    suspensions,
    passwords,
    async inject(fault) {
      switch (fault.kind) {
        case 'worker-killed': {
          const agent = sandbox.agents()[fault.worker - 1];
          if (agent?.pid() === undefined) return undefined;
          agent.kill('SIGKILL');
          return once(`worker ${fault.worker}`);
        }
        case 'worker-paused':
        case 'worker-paused-past-lease': {
          const agent = sandbox.agents()[fault.worker - 1];
          const pid = agent?.pid();
          if (agent === undefined || pid === undefined) return undefined;
          const held = ledger.heldBy(pid, clock.now());
          const pastLease = fault.kind === 'worker-paused-past-lease';
          // One that holds nothing has no lease to sleep through.
          if (pastLease && held.length === 0) return undefined;
          return forSeconds(
            `worker ${fault.worker}`,
            `worker ${fault.worker}`,
            fault.seconds,
            async () => {
              agent.kill('SIGSTOP');
              if (!pastLease) return;
              const [after, deaths] = [ledger.writes.length, agent.deaths.length];
              suspensions.push({ worker: fault.worker, held, after, deaths });
            },
            async () => agent.kill('SIGCONT'),
            // If it was killed meanwhile, its successor is not paused.
            () => agent.pid() === pid,
          );
        }
        case 'controller-stopped': {
          const controller = controllers[fault.controller - 1];
          if (!controller) return undefined;
          return forSeconds(
            `controller ${fault.controller}`,
            `dc${fault.controller}`,
            fault.seconds,
            () => controller.stop(),
            () => controller.start(),
          );
        }
        case 'packets-dropped': {
          const controller = controllers[fault.controller - 1];
          if (!controller) return undefined;
          const { address } = controller;
          const { bridge } = network;
          return forSeconds(
            `controller ${fault.controller}`,
            `dc${fault.controller}`,
            fault.seconds,
            async () =>
              void (await mustRun(['ip', '-batch', '-'], {
                input: `neigh replace ${address} lladdr ${nowhere} dev ${bridge} nud permanent\n`,
              })),
            async () => void (await runProcess(['ip', 'neigh', 'del', address, 'dev', bridge])),
          );
        }
        case 'password-rotated': {
          const password = randomPassword();
          return forSeconds(
            'password',
            'dc1',
            fault.seconds,
            async () => {
              passwords.push(password);
              if (fault.first === 'secret') await putSecret(password);
              else await sandbox.domain.setServicePassword(password);
            },
            async () => {
              if (fault.first === 'secret') await sandbox.domain.setServicePassword(password);
              await putSecret(password);
            },
          );
        }
        case 'message-duplicated': {
          const message = messageToRepeat(record, fault.choice);
          if (!message) return undefined;
          await send(message.body, fault.delaySeconds);
          return once('AWS');
        }
        case 'messages-delayed':
          return forSeconds(
            'queue',
            'AWS',
            fault.seconds,
            () => delayQueue(fault.delaySeconds),
            () => delayQueue(0),
          );
        case 'message-malformed':
          await send(fault.body, 0);
          return once('AWS');
        case 'message-forged': {
          // About an instance in service, which would be harmed if a worker believed it.
          const victim = chosen(inService(record), fault.choice);
          if (!victim) return undefined;
          await send(forged(victim.instanceId, victim.group, fault.transition), 0);
          return once('AWS');
        }
        case 'instance-died': {
          const living = listed(record).flatMap(({ instanceId }) => sandbox.fleet.machine(instanceId) ?? []);
          const machine = chosen(living, fault.choice);
          if (machine?.pid === undefined) return undefined;
          process.kill(machine.pid, 'SIGKILL');
          return once(laneOf(machine.name));
        }
        case 'instance-terminated': {
          const victim = chosen(
            listed(record).filter((each) => each.leavingAt === undefined),
            fault.choice,
          );
          if (!victim) return undefined;
          await ec2.send(new TerminateInstancesCommand({ InstanceIds: [victim.instanceId] }));
          return once(laneOf(victim.instanceId));
        }
        case 'account-moved':
        case 'stamp-deleted': {
          const victim = chosen(
            inService(record).filter((each) => each.leavingAt === undefined),
            fault.choice,
          );
          // Both need the first controller's directory to be there, and so does what is done to that.
          if (!victim || busy.has('controller 1')) return undefined;
          const stamp = stampOf(sandbox, victim.instanceId);
          const spoil = fault.kind === 'account-moved' ? moveAccount : deleteStamp;
          if (!(await spoil(sandbox.domain.controller, sandbox.domain.baseDn, stamp))) return undefined;
          await autoScaling.send(
            new TerminateInstanceInAutoScalingGroupCommand({
              InstanceId: victim.instanceId,
              ShouldDecrementDesiredCapacity: false,
            }),
          );
          return once(laneOf(victim.instanceId));
        }
        case 'dns-right-missing':
          return forSeconds(
            'controller 1',
            'dc1',
            fault.seconds,
            () => sandbox.domain.setDnsRight(false),
            () => sandbox.domain.setDnsRight(true),
          );
        case 'pool-reused':
          return forSeconds(
            `pool of ${fault.group}`,
            'AWS',
            fault.seconds,
            () => groups.pool(fault.group, fault.state),
            () => groups.pool(fault.group, undefined),
          );
        case 'root-volume-replaced':
        case 'group-refreshed': {
          const name = groups.names[fault.group - 1];
          if (!inService(record).some(({ group }) => group === name)) return undefined;
          const strategy = fault.kind === 'group-refreshed' ? 'Rolling' : 'ReplaceRootVolume';
          return (await groups.refresh(fault.group, strategy)) ? once('AWS') : undefined;
        }
        case 'node-silent':
        case 'join-broken':
        case 'package-missing':
        case 'users-unknown':
          return once(laneOf(await machines.arm(fault.kind)));
      }
    },
    async heal() {
      machines.disarm();
      healing.abort();
      await Promise.all(lasting);
    },
    close() {
      for (const client of [ec2, autoScaling, sqs, secrets, publisher]) client.destroy();
    },
  };
}

/** A fault without duration. */
const once = (lane: Lane): Injection => ({ lane, over: Promise.resolve() });

const laneOf = (instanceId: string): Lane => `i-${instanceId.replace(/^i-/, '')}`;

/** True to Auto Scaling's form in everything but the token. */
function forged(instanceId: string, group: string, transition: string): string {
  const launching = transition.endsWith('LAUNCHING');
  return JSON.stringify({
    Origin: launching ? 'EC2' : 'AutoScalingGroup',
    Destination: launching ? 'AutoScalingGroup' : 'EC2',
    Service: 'AWS Auto Scaling',
    AccountId: accountId,
    RequestId: randomUUID(),
    LifecycleTransition: transition,
    AutoScalingGroupName: group,
    LifecycleHookName: launching ? 'adjoin-launch' : 'adjoin-terminate',
    EC2InstanceId: instanceId,
    LifecycleActionToken: randomUUID(),
    Time: new Date().toISOString(),
  });
}
