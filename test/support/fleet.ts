/**
 * A fleet in simulated time: the agent's core, its worker, its nodes and its adapters for AWS over the cloud and the domain of
 * the schedules, for thousands of instances at once. AWS never fails here; some nodes never register, or can't join.
 */
import { createAutoScaling } from '../../agent/aws/auto-scaling.ts';
import { createMembershipTable } from '../../agent/aws/membership-table.ts';
import { createQueue } from '../../agent/aws/queue.ts';
import { createRunCommand } from '../../agent/aws/run-command.ts';
import { createLedger } from '../../agent/ledger/ledger.ts';
import { firstVisibility } from '../../agent/lifecycle/delivery.ts';
import { createHandler } from '../../agent/lifecycle/handler.ts';
import { createSlots } from '../../agent/lifecycle/slots.ts';
import { createNodes } from '../../agent/nodes/nodes.ts';
import { createWorker, type Worker } from '../../agent/worker.ts';
import { CALL_MS, createFleetAws } from './fleet-aws.ts';
import { createMemoryLog, silentLog, type MemoryLog } from './memory-log.ts';
import { DOMAIN } from './memory-directory.ts';
import { ACCOUNT, createCloud, REGION, VISIBILITY_MS, type Cloud } from './schedule-cloud.ts';
import { createDomain, type Domain } from './schedule-domain.ts';
import { createKernel, type Kernel, type Process } from './schedule-kernel.ts';
import { LEASE_MS, OPERATION_MS } from './schedule-settings.ts';
import { noNodeDefaults } from './node-facts.ts';
import { createBuckets, type Quota } from './throttle.ts';

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
  /** As `launch`; its join fails. */
  launchBroken(instanceId: string): void;
  /** Starts a worker process with so many slots of each kind, and places of each kind. */
  start(slots: number, places?: number): Worker;
  /** Lets time pass, for at most so many milliseconds, until this holds. @returns the milliseconds that passed */
  until(done: () => boolean, limitMs: number): Promise<number>;
}

/** Milliseconds that a node boots and that a command runs, if nothing else is said. */
const RUN_MS = 3_000;

type Parameters = Readonly<Record<string, string[]>>;

export interface FleetOptions {
  /** Milliseconds from the launch of an instance until it is a managed node. */
  readonly bootMs?: (instanceId: string) => number;
  /** Milliseconds that a document takes on a node. */
  readonly runMs?: (document: string, instanceId: string) => number;
  readonly groupOf?: (instanceId: string) => string;
  /** What AWS takes of all workers together. @default - anything */
  readonly quotas?: readonly Quota[];
  /** Whether nothing is kept of what the workers log. @default false */
  readonly silent?: boolean;
}

/** The shape of a ciphertext, with the key that opens it in front. */
const seal = (key: string, password: string): string =>
  Buffer.from(`${key}|${password}`.padEnd(258)).toString('base64');
const unwrap = (sealed: string): string => Buffer.from(sealed, 'base64').toString().trimEnd();

const documentOf = (name: string) => ({ name, version: '1', hash: '' });

/** @param options what differs from a fleet of one group, with nodes that boot and work for three seconds */
export function createFleet(options: FleetOptions = {}): Fleet {
  const { bootMs = () => RUN_MS, runMs = () => RUN_MS, groupOf } = options;
  const kernel = createKernel('answer');
  const domain = createDomain(kernel);
  const stuck = new Set<string>();
  const broken = new Set<string>();
  const cloud = createCloud({
    kernel,
    nodes: {
      boot(instanceId, _afterMs, disk) {
        if (!stuck.has(instanceId)) domain.booting.boot(instanceId, bootMs(instanceId), disk);
      },
      down: (instanceId) => domain.booting.down(instanceId),
    },
    heartbeats: { launching: 300, terminating: 300 },
    capped: false,
    hold: false,
    hookAfterAbandon: false,
    ...(groupOf && { groupOf }),
  });
  const log = createMemoryLog();
  const calls = new Map<string, number>();
  let workers = 0;

  const answerOf = (document: string, instanceId: string, parameters: Parameters): object => {
    if (document === 'probe') return domain.probe(instanceId);
    if (document === 'leave') return domain.leave(instanceId, Number(parameters['notAfter']?.[0]) * 1000);
    const entry = parameters['entries']?.find((text) => text.startsWith(instanceId)) ?? '';
    const [, computerName = '', sealed = ''] = entry.split(':');
    if (broken.has(instanceId)) {
      const told = { adjoin: 1, document: 'join', domain: DOMAIN, computerName, detail: 'no network' };
      return { ...told, result: 'failed', code: 'adcli-failed' };
    }
    return domain.join({ instanceId, computerName, sealed: unwrap(sealed) });
  };
  const countCall = (name: string): void => void calls.set(name, (calls.get(name) ?? 0) + 1);
  const aws = createFleetAws({
    kernel,
    cloud,
    nodes: {
      isUp: (instanceId) => domain.isUp(instanceId),
      runMs,
      run: (...ran) => JSON.stringify(answerOf(...ran)),
    },
    count: countCall,
    ...(options.quotas && { buckets: createBuckets(options.quotas, () => kernel.now()) }),
  });

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
    launchBroken(instanceId) {
      broken.add(instanceId);
      cloud.launch(instanceId, false, []);
    },
    start(each, places) {
      workers += 1;
      const process: Process = { name: `w${workers}`, dead: false, suspendedUntil: 0 };
      const clock = kernel.clockOf(process);
      const call = async <T>(name: string, carryOut: () => T): Promise<T> => {
        countCall(name);
        await clock.sleep(CALL_MS);
        return carryOut();
      };
      const clients = aws.clients(clock);
      const autoScaling = createAutoScaling(clients.autoScaling, clock);
      const queue = createQueue(clients.sqs, {
        url: 'queue',
        waitSeconds: 20,
        visibilitySeconds: firstVisibility(VISIBILITY_MS) / 1000,
        clock,
      });
      const pauses = { firstMs: 2_000, longestMs: 30_000, random: () => 0.5 };
      let owners = 0;
      let passwords = 0;
      const slots = createSlots(each, clock, places);
      const handler = createHandler({
        expected: { accountId: ACCOUNT, region: REGION },
        admission: {
          instance: (...asked) => autoScaling.instance(...asked),
          group: (name) => autoScaling.group(name),
          existence: (instanceId) => call('ec2.DescribeInstances', () => cloud.existence(instanceId)),
          instanceTag: () => Promise.resolve(undefined),
          ec2: () => Promise.resolve(undefined),
          heartbeat: (...beat) => autoScaling.heartbeat(...beat),
        },
        completion: autoScaling,
        ledger: createLedger({
          table: createMembershipTable(clients.dynamodb, 'table', clock),
          clock,
          nextOwner: () => `${process.name}/${(owners += 1)}`,
          leaseMs: LEASE_MS,
        }),
        work: {
          directory: domain.ports((name, _subject, carryOut) => call(name, carryOut)),
          nodes: createNodes({
            runCommand: createRunCommand(clients.ssm),
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
        outcomes: { find: () => Promise.resolve(undefined), note: () => Promise.resolve() },
        inquiries: { answer: () => Promise.resolve() },
        slots,
        log: options.silent ? silentLog : log,
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
        log: options.silent ? silentLog : log,
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
