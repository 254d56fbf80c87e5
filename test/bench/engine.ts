/**
 * Actions a second through the whole core, with ports that answer at once, beside the simplest loop on the same queue. The queue is the
 * sandbox's SQS over the loopback, in a process of its own as SQS is nobody's process, and both ask it with the SDK's own client. The loop
 * waits for each answer; the core has its next messages on their way meanwhile. What each takes of a processor is measured beside.
 */
import {
  CreateQueueCommand,
  DeleteMessageBatchCommand,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SendMessageCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import { createQueue } from '../../agent/aws/queue.ts';
import { systemClock } from '../../agent/clock.ts';
import { createLedger, type MembershipTable } from '../../agent/ledger/ledger.ts';
import type { Membership } from '../../agent/ledger/membership.ts';
import { createHandler } from '../../agent/lifecycle/handler.ts';
import { createSlots } from '../../agent/lifecycle/slots.ts';
import { createWorker } from '../../agent/worker.ts';
import { accountId, region } from '../sandbox/cloud/bench.ts';
import { silentLog } from '../support/memory-log.ts';
import { honestProbe, noNodeDefaults } from '../support/node-facts.ts';
import type { Figure } from './figures.ts';
import { withOwnQueue } from './own-queue.ts';
import { idsOf, SLOTS } from './scene.ts';

const GOAL_SHARE = 0.8;
const HOUR_MS = 3_600_000;
/** Most messages of a request (SQS). */
const BATCH = 10;
/** As the agent polls. A short poll comes back with nothing while the last messages are in work, and of a hundred that is a share. */
const LONG_POLL_SECONDS = 20;
const DOMAIN = 'corp.example.test';
const CONTROLLER = 'dc1.corp.example.test';
const GUID = '00000000-0000-0000-0000-000000000001';

const group = {
  tags: new Map([['JoinAD', 'true']]),
  hooks: [
    {
      name: 'join',
      transition: 'autoscaling:EC2_INSTANCE_LAUNCHING',
      heartbeatMs: HOUR_MS,
      globalMs: 48 * HOUR_MS,
    },
  ],
};

const never = (): Promise<never> => Promise.reject(new TypeError('No launch asks for this.'));

const messageOf = (instanceId: string, index: number): string =>
  JSON.stringify({
    Origin: 'EC2',
    Destination: 'AutoScalingGroup',
    AccountId: accountId,
    LifecycleTransition: 'autoscaling:EC2_INSTANCE_LAUNCHING',
    AutoScalingGroupName: 'fleet',
    LifecycleHookName: 'join',
    EC2InstanceId: instanceId,
    LifecycleActionToken: `00000000-0000-0000-0000-${String(index).padStart(12, '0')}`,
    Time: new Date().toISOString(),
  });

async function fill(sqs: SQSClient, QueueUrl: string, messages: number): Promise<void> {
  const bodies = idsOf(1, messages).map(messageOf);
  for (let from = 0; from < bodies.length; from += BATCH) {
    const Entries = bodies
      .slice(from, from + BATCH)
      .map((MessageBody, index) => ({ Id: String(index), MessageBody }));
    await sqs.send(new SendMessageBatchCommand({ QueueUrl, Entries }));
  }
}

/** Receives ten and deletes ten, until there are none. */
async function simplestLoop(sqs: SQSClient, QueueUrl: string, messages: number): Promise<void> {
  for (let left = messages; left > 0;) {
    const { Messages = [] } = await sqs.send(
      new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: BATCH }),
    );
    const Entries = Messages.map(({ ReceiptHandle }, index) => ({ Id: String(index), ReceiptHandle }));
    await sqs.send(new DeleteMessageBatchCommand({ QueueUrl, Entries }));
    left -= Messages.length;
  }
}

interface Moment {
  readonly atMs: number;
  /** Microseconds of processor time that this process has had. */
  readonly processorUs: number;
}

function moment(): Moment {
  const { user, system } = process.cpuUsage();
  return { atMs: performance.now(), processorUs: user + system };
}

/** The ledger's table, which answers at once: the copies that the tests' table makes take longer than the core itself. */
function instantTable(): MembershipTable {
  const memberships = new Map<string, Membership>();
  return {
    read: async (instanceId) => memberships.get(instanceId),
    async write(membership, expected) {
      if (memberships.get(membership.instanceId)?.fencingToken !== expected) return false;
      memberships.set(membership.instanceId, membership);
      return true;
    },
  };
}

/**
 * The worker, to whom every port answers at once what a healthy world answers.
 * @returns how many launches joined, and when the last message was deleted: what is left of the last poll does nothing more
 */
async function throughTheCore(
  sqs: SQSClient,
  url: string,
  messages: number,
): Promise<{ readonly joined: number; readonly doneAt: Moment }> {
  const clock = systemClock;
  const pauses = { firstMs: 2_000, longestMs: 30_000, random: Math.random };
  const slots = createSlots(SLOTS, clock);
  const done = Promise.withResolvers<void>();
  let ended = 0;
  let joined = 0;
  let owners = 0;
  const handler = createHandler({
    expected: { accountId, region },
    admission: {
      instance: async () => ({ group: 'fleet', lifecycleState: 'Pending:Wait' }),
      group: async () => group,
      existence: never,
      instanceTag: never,
      ec2: never,
      heartbeat: () => Promise.resolve(),
    },
    completion: { complete: () => Promise.resolve() },
    ledger: createLedger({
      table: instantTable(),
      clock,
      nextOwner: () => `bench/${(owners += 1)}`,
      leaseMs: 96_000,
    }),
    work: {
      directory: {
        async stage(instanceId, _oneTimePassword, _earlier, beforeWrite) {
          const computerName = `A${instanceId.slice(3, 17).toUpperCase()}`;
          await beforeWrite({ computerName, domainController: CONTROLLER });
          return {
            computerName,
            distinguishedName: `CN=${computerName},DC=corp,DC=example,DC=test`,
            objectGuid: GUID,
            objectSid: 'S-1-5-21-1-2-3-1000',
            domainController: CONTROLLER,
            passwordLastSet: 1n,
          };
        },
        inspect: async () => ({ passwordLastSet: 2n, enabled: true, ours: true, isNameTaken: false }),
        domain: async () => DOMAIN,
        remove: never,
        prove: never,
      },
      nodes: {
        readiness: { isReady: async () => true, wait: () => Promise.resolve() },
        probe: async () => ({ ...honestProbe, missing: [] }),
        join: async (_node, { computerName }) => ({
          adjoin: 1,
          document: 'join',
          result: 'joined',
          domain: DOMAIN,
          computerName,
          code: '',
          detail: '',
        }),
        leave: never,
        postJoin: never,
      },
      clock,
      patience: {
        joinMs: HOUR_MS,
        unjoinMs: HOUR_MS,
        leaveMs: HOUR_MS,
        postJoinMs: HOUR_MS,
        joinAttempts: 5,
        operationMs: 15_000,
        pauses,
      },
      nodeDefaults: noNodeDefaults,
      newChallenge: () => 'adjoin-bench',
      newOneTimePassword: () => ({ value: 'one-time', forget: () => undefined }),
      seal: () => 'sealed',
    },
    outcomes: { find: never, note: never },
    inquiries: { answer: never },
    slots,
    log: silentLog,
    count(ending) {
      ended += 1;
      if (ending === 'joined') joined += 1;
      if (ended === messages) done.resolve();
    },
  });
  const worker = createWorker({
    queue: createQueue(sqs, { url, waitSeconds: LONG_POLL_SECONDS, visibilitySeconds: 60, clock }),
    visibilityMs: 120_000,
    handler,
    slots,
    drainMs: 60_000,
    pauses,
    clock,
    log: silentLog,
  });
  const running = worker.run();
  await done.promise;
  const doneAt = moment();
  worker.stop();
  // Ends the long poll; the worker hands it back.
  await sqs.send(new SendMessageCommand({ QueueUrl: url, MessageBody: 'no more' }));
  await running;
  await simplestLoop(sqs, url, 1);
  return { joined, doneAt };
}

/** What one of both takes. */
interface Cost {
  /** Messages a second. */
  readonly rate: number;
  /** Microseconds of this process's processor time for each message. */
  readonly microseconds: number;
}

export interface EngineRun {
  readonly loop: Cost;
  readonly core: Cost;
  /** How many times as fast as the loop the core is. */
  readonly share: number;
  /** Of all rounds the fewest. */
  readonly joined: number;
}

/**
 * Messages that both have had before they are measured, each in as many portions. The compiler of the JavaScript engine is done with
 * both by then: before, whichever comes second is the faster one.
 */
const WARM_UP = { portions: 10, messages: 500 };
/** Messages that a size is measured with at least, in an odd number of rounds: a round of a hundred takes less than a pause of the machine. */
const SAMPLE = 5_000;

const roundsOf = (messages: number): number => 2 * Math.floor(SAMPLE / messages / 2) + 1;

const medianOf = (values: readonly number[]): number =>
  values.toSorted((one, other) => one - other)[values.length >> 1] ?? NaN;

const mediansOf = (costs: readonly Cost[]): Cost => ({
  rate: medianOf(costs.map(({ rate }) => rate)),
  microseconds: medianOf(costs.map(({ microseconds }) => microseconds)),
});

/** Both on a queue that holds so many messages at the start; the first one is the other one each time. @returns the medians */
async function runEngine(
  sqs: SQSClient,
  QueueUrl: string,
  messages: number,
  rounds: number,
): Promise<EngineRun> {
  const loops: Cost[] = [];
  const cores: Cost[] = [];
  let joined = messages;
  /** @param run says when it was done */
  async function timed(into: Cost[], run: () => Promise<Moment>): Promise<void> {
    await fill(sqs, QueueUrl, messages);
    const from = moment();
    const to = await run();
    into.push({
      rate: messages / ((to.atMs - from.atMs) / 1000),
      microseconds: (to.processorUs - from.processorUs) / messages,
    });
  }
  const loop = (): Promise<void> =>
    timed(loops, async () => {
      await simplestLoop(sqs, QueueUrl, messages);
      return moment();
    });
  const core = (): Promise<void> =>
    timed(cores, async () => {
      const ended = await throughTheCore(sqs, QueueUrl, messages);
      joined = Math.min(joined, ended.joined);
      return ended.doneAt;
    });
  for (let round = 0; round < rounds; round += 1) {
    const [first, second] = round % 2 === 0 ? [loop, core] : [core, loop];
    await first();
    await second();
  }
  const shares = cores.map(({ rate }, round) => rate / (loops[round]?.rate ?? NaN));
  return { loop: mediansOf(loops), core: mediansOf(cores), share: medianOf(shares), joined };
}

export async function engineFigures(sizes: readonly number[]): Promise<Figure[]> {
  const section = 'Engine: launches through the core, ports that answer at once';
  const figures: Figure[] = [];
  await withOwnQueue(async (sqs) => {
    const { QueueUrl = '' } = await sqs.send(new CreateQueueCommand({ QueueName: 'actions' }));
    await runEngine(sqs, QueueUrl, WARM_UP.messages, WARM_UP.portions);
    for (const messages of sizes) {
      const { loop, core, share, joined } = await runEngine(sqs, QueueUrl, messages, roundsOf(messages));
      const name = `${messages} messages`;
      const rows = (who: string, { rate, microseconds }: Cost): Figure[] => [
        { section, name: `${name}: ${who}`, value: Math.round(rate), unit: '/s', onMachine: true },
        {
          section,
          name: '  processor time of a message',
          value: Math.round(microseconds),
          unit: 'µs',
          onMachine: true,
        },
      ];
      figures.push(
        ...rows('simplest loop', loop),
        ...rows('core', core),
        {
          section,
          name: `${name}: core, share of the loop`,
          value: share,
          unit: '×',
          least: GOAL_SHARE,
          onMachine: true,
        },
        { section, name: `${name}: launches that joined`, value: joined, unit: '', least: messages },
      );
    }
  });
  return figures;
}
