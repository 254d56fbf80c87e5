/**
 * A fleet in simulated time: the agent's core, its worker and its nodes over the cloud and the domain of the schedules, for
 * hundreds of instances at once. Nothing fails here; some nodes never register.
 */
import { createLedger } from '../../agent/ledger/ledger.ts';
import { createHandler } from '../../agent/lifecycle/handler.ts';
import { createSlots } from '../../agent/lifecycle/slots.ts';
import { createNodes, type CommandRequest, type RunCommand } from '../../agent/nodes/nodes.ts';
import type { Invocation } from '../../agent/nodes/poller.ts';
import { AdjoinError } from '../../agent/errors.ts';
import { createWorker, type Worker } from '../../agent/worker.ts';
import { createMemoryLog, type MemoryLog } from './memory-log.ts';
import type { ReceivedMessage } from './memory-queue.ts';
import { createMemoryTable } from './memory-table.ts';
import { ACCOUNT, createCloud, REGION, VISIBILITY_MS, type Cloud } from './schedule-cloud.ts';
import { createDomain, type Domain } from './schedule-domain.ts';
import { createKernel, type Kernel, type Process } from './schedule-kernel.ts';
import { LEASE_MS, OPERATION_MS } from './schedule-settings.ts';
import { noNodeDefaults } from './node-facts.ts';

export interface Fleet {
  readonly kernel: Kernel;
  readonly cloud: Cloud;
  readonly domain: Domain;
  readonly log: MemoryLog;
  /** How often each call to AWS was made. */
  readonly calls: ReadonlyMap<string, number>;
  launch(instanceId: string): void;
  /** As `launch`; its SSM agent never comes. */
  launchStuck(instanceId: string): void;
  /** Starts a worker process with so many slots of each kind. */
  start(slots: number): Worker;
  /** Lets time pass, for at most so many milliseconds, until this holds. @returns the milliseconds that passed */
  until(done: () => boolean, limitMs: number): Promise<number>;
}

const LONG_POLL_MS = 20_000;
/** Milliseconds that each call to AWS or the directory takes. */
const CALL_MS = 20;
/** Milliseconds that a command runs. */
const RUN_MS = 3_000;

/** The shape of a ciphertext, with the key that opens it in front. */
const seal = (key: string, password: string): string =>
  Buffer.from(`${key}|${password}`.padEnd(258)).toString('base64');
const unwrap = (sealed: string): string => Buffer.from(sealed, 'base64').toString().trimEnd();

const documentOf = (name: string) => ({ name, version: '1', hash: '' });

export function createFleet(): Fleet {
  const kernel = createKernel('answer');
  const domain = createDomain(kernel);
  const stuck = new Set<string>();
  const cloud = createCloud({
    kernel,
    nodes: {
      boot(instanceId, ...boot) {
        if (!stuck.has(instanceId)) domain.booting.boot(instanceId, ...boot);
      },
      down: (instanceId) => domain.booting.down(instanceId),
    },
    heartbeats: { launching: 300, terminating: 300 },
    capped: false,
    hold: false,
    hookAfterAbandon: false,
  });
  const memberships = createMemoryTable();
  const log = createMemoryLog();
  const calls = new Map<string, number>();
  let workers = 0;

  function runCommandOf(call: <T>(name: string, carryOut: () => T) => Promise<T>): RunCommand {
    const commands = new Map<string, { readonly request: CommandRequest; readonly endsAt: number }>();
    const outputs = new Map<string, string>();
    const answerOf = ({ document, parameters }: CommandRequest, instanceId: string): object => {
      if (document.name === 'probe') return domain.probe(instanceId);
      if (document.name === 'leave')
        return domain.leave(instanceId, Number(parameters['notAfter']?.[0]) * 1000);
      const entry = parameters['entries']?.find((text) => text.startsWith(instanceId)) ?? '';
      const [, computerName = '', sealed = ''] = entry.split(':');
      return domain.join({ instanceId, computerName, sealed: unwrap(sealed) });
    };
    return {
      send: (request) =>
        call('ssm.SendCommand', () => {
          if (!request.instanceIds.every((instanceId) => domain.isUp(instanceId))) {
            throw new AdjoinError('node-not-ready', 'InvalidInstanceId');
          }
          const commandId = `command-${commands.size + 1}`;
          commands.set(commandId, { request, endsAt: kernel.now() + RUN_MS });
          kernel.after(RUN_MS, () => {
            for (const instanceId of request.instanceIds) {
              if (!domain.isUp(instanceId)) continue;
              outputs.set(`${commandId} ${instanceId}`, JSON.stringify(answerOf(request, instanceId)));
            }
          });
          return commandId;
        }),
      list: (commandId) =>
        call('ssm.ListCommandInvocations', () =>
          (commands.get(commandId)?.request.instanceIds ?? []).map((instanceId): Invocation => {
            const output = outputs.get(`${commandId} ${instanceId}`);
            const status = output === undefined ? 'InProgress' : 'Success';
            return { instanceId, status, detail: status, output: output ?? '' };
          }),
        ),
      registered: (instanceIds) =>
        call(
          'ssm.DescribeInstanceInformation',
          () => new Set(instanceIds.filter((instanceId) => domain.isUp(instanceId))),
        ),
    };
  }

  return {
    kernel,
    cloud,
    domain,
    log,
    calls,
    launch: (instanceId) => cloud.launch(instanceId, false, []),
    launchStuck(instanceId) {
      stuck.add(instanceId);
      cloud.launch(instanceId, false, []);
    },
    start(each) {
      workers += 1;
      const process: Process = { name: `w${workers}`, dead: false, suspendedUntil: 0 };
      const clock = kernel.clockOf(process);
      const call = async <T>(name: string, carryOut: () => T): Promise<T> => {
        calls.set(name, (calls.get(name) ?? 0) + 1);
        await clock.sleep(CALL_MS);
        return carryOut();
      };
      async function receive(maximum: number): Promise<readonly ReceivedMessage[]> {
        const end = kernel.now() + LONG_POLL_MS;
        for (;;) {
          const found = await call('sqs.ReceiveMessage', () => cloud.receive(Math.min(10, maximum)));
          const left = end - kernel.now();
          if (found.length > 0 || left <= 0) return found;
          await clock.sleep(Math.min(left, 1_000));
        }
      }
      const queue = {
        receive,
        remove: (received: ReceivedMessage) => call('sqs.DeleteMessage', () => cloud.remove(received)),
        hide: (received: ReceivedMessage, seconds: number) =>
          call('sqs.ChangeMessageVisibility', () => cloud.hide(received, seconds)),
      };
      const pauses = { firstMs: 2_000, longestMs: 30_000, random: () => 0.5 };
      let owners = 0;
      let passwords = 0;
      const slots = createSlots(each);
      const handler = createHandler({
        expected: { accountId: ACCOUNT, region: REGION },
        admission: {
          instance: (instanceId) =>
            call('autoscaling.DescribeAutoScalingInstances', () => cloud.instance(instanceId)),
          group: () => call('autoscaling.DescribeAutoScalingGroups', () => cloud.group()),
          existence: (instanceId) => call('ec2.DescribeInstances', () => cloud.existence(instanceId)),
          instanceTag: () => Promise.resolve(undefined),
          heartbeat: ({ token }) =>
            call('autoscaling.RecordLifecycleActionHeartbeat', () => cloud.heartbeat(token)),
        },
        completion: {
          complete: ({ token }, result) =>
            call('autoscaling.CompleteLifecycleAction', () => cloud.complete(token, result)),
        },
        ledger: createLedger({
          table: {
            read: (instanceId) => call('dynamodb.GetItem', () => memberships.get(instanceId)),
            write: (...write) => call('dynamodb.PutItem', () => memberships.put(...write)),
          },
          clock,
          nextOwner: () => `${process.name}/${(owners += 1)}`,
          leaseMs: LEASE_MS,
        }),
        work: {
          directory: domain.ports((name, _subject, carryOut) => call(name, carryOut)),
          nodes: createNodes({
            runCommand: runCommandOf(call),
            documents: {
              probe: documentOf('probe'),
              joinLinux: documentOf('join'),
              joinWindows: documentOf('join-windows'),
              leave: documentOf('leave'),
            },
            clock,
            coalesceMs: 200,
            commandPollMs: 1_000,
            registrationPollMs: 2_000,
            deliverySeconds: 120,
            executionSeconds: { probe: 60, join: 180, leave: 20, 'post-join': 600 },
            onCommand: () => undefined,
            onCancelled: () => undefined,
          }),
          clock,
          patience: {
            joinMs: 1_800_000,
            unjoinMs: 3_600_000,
            leaveMs: 15_000,
            postJoinMs: 600_000,
            joinAttempts: 5,
            operationMs: OPERATION_MS,
            pauses,
          },
          nodeDefaults: noNodeDefaults,
          newChallenge: () => `adjoin-${'0'.repeat(32)}`,
          newOneTimePassword: () => ({ value: `one-time-${(passwords += 1)}`, forget: () => undefined }),
          seal,
        },
        slots,
        log,
        count: () => undefined,
      });
      const worker = createWorker({
        queue,
        visibilityMs: VISIBILITY_MS,
        handler,
        slots,
        drainMs: 60_000,
        pauses,
        clock,
        log,
      });
      void worker.run();
      return worker;
    },
    async until(done, limitMs) {
      const began = kernel.now();
      const reached = (): boolean => done() || kernel.now() - began >= limitMs;
      // The world may have nothing to do before the limit.
      kernel.after(limitMs, () => undefined);
      await kernel.run(reached, Number.MAX_SAFE_INTEGER, () => undefined);
      return kernel.now() - began;
    },
  };
}
