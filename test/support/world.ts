/**
 * A small world in memory for the agent's core: Auto Scaling, a queue, a directory, nodes and a table, each just strict
 * enough to be wrong about. It proves logic; that the real ones work is proven in test/integration and test/e2e.
 */
import { AdjoinError } from '../../agent/errors.ts';
import { createLedger, type MembershipTable } from '../../agent/ledger/ledger.ts';
import type { Membership } from '../../agent/ledger/membership.ts';
import type { Group } from '../../agent/lifecycle/admission.ts';
import { createDelivery, type Delivery, type QueuePort } from '../../agent/lifecycle/delivery.ts';
import { createHandler, type Handler } from '../../agent/lifecycle/handler.ts';
import type { Outcome } from '../../agent/lifecycle/request.ts';
import { createSlots, type Slots } from '../../agent/lifecycle/slots.ts';
import type { ProbeFacts } from '../../agent/nodes/contract.ts';
import type { NodeDefaults } from '../../agent/lifecycle/node-settings.ts';
import type { AccessSettings, NodeSettings, Nodes } from '../../agent/nodes/nodes.ts';
import type { Boot } from '../../agent/nodes/readiness.ts';
import {
  createMemoryDirectory,
  DOMAIN,
  type MemoryAccount,
  type MemoryDirectory,
} from './memory-directory.ts';
import { createMemoryLog, type LogLine } from './memory-log.ts';
import { createMemoryTable } from './memory-table.ts';
import { createVirtualClock, type VirtualClock } from './virtual-clock.ts';
import type { Ec2Instance, Ending, Existence, LifecycleAction } from '../../agent/terms.ts';
import { honestProbe, noNodeDefaults } from './node-facts.ts';

export const INSTANCE = 'i-0123456789abcdef0';
export const GROUP = 'fleet';
export const ACCOUNT = '123456789012';
export const REGION = 'eu-central-1';

export interface WorldMessage {
  readonly messageId: string;
  readonly body: string;
  readonly receiveCount: number;
  readonly senderId?: string;
}

export interface World {
  readonly clock: VirtualClock;
  readonly handler: Handler;
  /** Those of the first worker. */
  readonly slots: Slots;
  readonly endings: Ending[];
  readonly log: readonly LogLine[];
  /** Every effect on the outside, in order. */
  readonly effects: string[];
  readonly table: Map<string, Membership>;
  readonly accounts: MemoryDirectory['accounts'];
  /** The account with the instance's stamp. */
  account(): MemoryAccount | undefined;
  /** Makes an account with the instance's stamp. */
  add(name: string): void;
  /** Computer names that have records in DNS. */
  readonly records: Set<string>;
  /** Computer names that another account has registered in DNS. */
  readonly squatted: Set<string>;
  readonly hidden: { messageId: string; seconds: number }[];
  readonly removed: string[];
  readonly answers: { token: string; result: string }[];
  /** What Auto Scaling shows; a token is active while it stands here. */
  readonly instances: Map<string, { group: string; lifecycleState: string; token?: string }>;
  /** What EC2 shows of instances outside groups. */
  readonly machines: Map<string, Ec2Instance>;
  /** Of operators' requests. */
  readonly outcomes: Map<string, Outcome>;
  /** IDs of inquiries that were answered. */
  readonly answered: string[];
  /** What EC2 says, if that is not what Auto Scaling says. */
  existence: Existence | undefined;
  group: Group;
  /** Seals a one-time password to a key. */
  seal: (key: string, password: string) => string;
  /** Called before each call to a port; throws to make it fail. */
  fault: (call: string, signal?: AbortSignal) => void | Promise<void>;
  directory: 'answers' | 'hangs';
  /** What the configuration says of it. */
  nodeDefaults: NodeDefaults;
  /** One-time passwords that are known and not forgotten yet. */
  readonly secrets: Set<string>;
  node: {
    registered: boolean;
    domain: string;
    computerName: string;
    ready: boolean;
    /** `unusable`: it joins, and resolves no user of the domain. */
    joins: 'works' | 'fails' | 'hangs' | 'lies' | 'unusable';
    /** The computer name under which a node that lies has joined. */
    liesAbout: string;
    leaves: 'works' | 'hangs';
    /** What becomes of the group's post-join document. */
    postJoins: 'works' | 'fails' | 'hangs';
    /** The group's own documents that the node was sent, by purpose. */
    own: string[];
    /** What the node reports otherwise than it stands above. */
    facts: Partial<ProbeFacts>;
    /** What a join that fails reports. */
    failure: { code: string; detail: string };
    /** What the node was told of its group, with each probe and join. */
    settings: (NodeSettings & AccessSettings)[];
    /** What the last leave was given. */
    notAfter: number | undefined;
    /** The boot that was waited for last. */
    boot: Boot | undefined;
  };
  message(action: Partial<LifecycleAction>, id?: string): WorldMessage;
  launch(): WorldMessage;
  terminate(): WorldMessage;
  /** Another worker over the same table, directory and nodes. */
  anotherWorker(): Handler;
  /** A message as SQS delivers it. @param receivedAt milliseconds since the Unix epoch; now, unless the receive took a while */
  deliver(message: WorldMessage, receivedAt?: number): Delivery;
}

export const LAUNCH_TOKEN = '11111111-1111-1111-1111-111111111111';
export const TERMINATE_TOKEN = '22222222-2222-2222-2222-222222222222';

/** The password that a machine gives itself. */
const OWN = 'the machine’s own';

/** @param each slots of each kind */
export function createWorld(each = 64): World {
  const clock = createVirtualClock();
  const log = createMemoryLog();
  const domain = createMemoryDirectory(() => clock.now());
  const firstReceives = new Map<string, number>();
  const world: Omit<World, 'handler'> & { handler?: Handler } = {
    clock,
    slots: createSlots(each, clock, 8 * each),
    endings: [],
    log: log.lines,
    effects: [],
    table: new Map(),
    accounts: domain.accounts,
    records: domain.records,
    squatted: domain.squatted,
    account: () => domain.stampedFor(INSTANCE)[0],
    add: (name) => void domain.add(name, INSTANCE),
    hidden: [],
    removed: [],
    answers: [],
    instances: new Map(),
    machines: new Map(),
    outcomes: new Map(),
    answered: [],
    existence: undefined,
    group: {
      tags: new Map([['JoinAD', 'true']]),
      hooks: [
        {
          name: 'join',
          transition: 'autoscaling:EC2_INSTANCE_LAUNCHING',
          heartbeatMs: 300_000,
          globalMs: 30_000_000,
        },
        {
          name: 'unjoin',
          transition: 'autoscaling:EC2_INSTANCE_TERMINATING',
          heartbeatMs: 300_000,
          globalMs: 30_000_000,
        },
      ],
    },
    seal: (_key, password) => `sealed:${password}`,
    fault: () => undefined,
    directory: 'answers',
    nodeDefaults: { ...noNodeDefaults },
    secrets: new Set(),
    node: {
      registered: true,
      domain: '',
      computerName: '',
      ready: true,
      joins: 'works',
      liesAbout: '',
      leaves: 'works',
      postJoins: 'works',
      own: [],
      settings: [],
      notAfter: undefined,
      boot: undefined,
      facts: {},
      failure: { code: 'adcli-failed', detail: 'no' },
    },
    message: (action, id = `m-${world.removed.length + world.hidden.length}`) => ({
      messageId: id,
      receiveCount: 1,
      body: JSON.stringify({
        Origin: action.origin,
        Destination: action.destination,
        AccountId: ACCOUNT,
        LifecycleTransition:
          action.transition === 'terminating'
            ? 'autoscaling:EC2_INSTANCE_TERMINATING'
            : 'autoscaling:EC2_INSTANCE_LAUNCHING',
        AutoScalingGroupName: GROUP,
        LifecycleHookName: action.transition === 'terminating' ? 'unjoin' : 'join',
        EC2InstanceId: INSTANCE,
        LifecycleActionToken: action.token ?? LAUNCH_TOKEN,
        Time: new Date(clock.now()).toISOString(),
      }),
    }),
    launch() {
      world.instances.set(INSTANCE, { group: GROUP, lifecycleState: 'Pending:Wait', token: LAUNCH_TOKEN });
      return world.message({ transition: 'launching' }, 'launch');
    },
    terminate() {
      world.instances.set(INSTANCE, {
        group: GROUP,
        lifecycleState: 'Terminating:Wait',
        token: TERMINATE_TOKEN,
      });
      return world.message({ transition: 'terminating', token: TERMINATE_TOKEN }, 'terminate');
    },
    anotherWorker: () => workerOf(),
    deliver(message, receivedAt = clock.now()) {
      const first = firstReceives.get(message.messageId) ?? clock.now();
      firstReceives.set(message.messageId, first);
      const received = { ...message, firstReceivedAt: first };
      return createDelivery(received, receivedAt, { queue, clock, visibilityMs: 120_000 });
    },
  };

  async function call(name: string, signal?: AbortSignal): Promise<void> {
    await world.fault(name, signal);
  }

  const memory = createMemoryTable(world.table);
  const table: MembershipTable = {
    async read(instanceId) {
      await call('table.read');
      return memory.get(instanceId);
    },
    async write(membership, expected, lease) {
      await call(`table.write ${membership.state}`);
      const written = memory.put(membership, expected, lease);
      await call('table.written');
      return written;
    },
  };

  const directory = domain.ports(async (name, _subject, carryOut, signal) => {
    await call(name);
    if (name === 'directory.find' && world.directory === 'hangs') {
      await clock.sleep(Number.MAX_SAFE_INTEGER, signal);
    }
    const answer = carryOut();
    if (name === 'directory.stage') world.effects.push('stage');
    // By then each account is gone.
    if (name === 'directory.records') world.effects.push('remove');
    return answer;
  });

  const nodes: Nodes = {
    readiness: {
      async isReady() {
        await call('nodes.isReady');
        return world.node.registered;
      },
      async wait(instanceId, signal, boot, until = Infinity) {
        world.node.boot = boot;
        await call('nodes.wait');
        while (!world.node.registered) {
          if (clock.now() >= until)
            throw new AdjoinError('node-not-ready', `${instanceId} has not registered in time.`);
          await clock.sleep(Math.min(1_000, until - clock.now()), signal);
        }
      },
    },
    async probe(_node, _signal, { challenge: _challenge, ...settings } = {}) {
      await call('nodes.probe');
      world.node.settings.push(settings);
      return {
        ...honestProbe,
        domain: world.node.domain,
        computerName: world.node.computerName,
        ready: world.node.ready,
        missing: world.node.ready ? [] : ['adcli'],
        key: 'key',
        ...world.node.facts,
      };
    },
    async join(_node, entry, target, signal, own) {
      if (own) world.node.own.push(`join ${own.name}`);
      const { domain: _domain, domainController: _controller, platform: _platform, ...settings } = target;
      await call('nodes.join');
      world.node.settings.push(settings);
      if (world.node.joins === 'hangs') await clock.sleep(Number.MAX_SAFE_INTEGER, signal);
      const account = domain.stampedFor(entry.instanceId)[0];
      const facts = {
        adjoin: 1,
        document: 'join',
        domain: DOMAIN,
        computerName: entry.computerName,
      } as const;
      if (world.node.joins === 'lies') {
        return { ...facts, computerName: world.node.liesAbout, result: 'joined', code: '', detail: '' };
      }
      const isMember =
        world.node.computerName.toUpperCase() === entry.computerName && account?.password === OWN;
      if (world.node.joins === 'works' && isMember) {
        return { ...facts, result: 'already', code: '', detail: '' };
      }
      if (world.node.joins === 'unusable' && isMember) {
        return { ...facts, result: 'failed', ...world.node.failure };
      }
      if (world.node.joins === 'fails' || entry.sealed !== `sealed:${account?.password}`) {
        return { ...facts, result: 'failed', ...world.node.failure };
      }
      if (account) {
        domain.setPassword(account, OWN);
      }
      world.node.domain = DOMAIN;
      world.node.computerName = entry.computerName;
      world.effects.push('join');
      if (world.node.joins === 'unusable') return { ...facts, result: 'failed', ...world.node.failure };
      return { ...facts, result: 'joined', code: '', detail: '' };
    },
    async leave(_node, _domain, notAfter, signal, own) {
      await call('nodes.leave');
      if (own) world.node.own.push(`leave ${own.name}`);
      world.node.notAfter = notAfter;
      if (world.node.leaves === 'hangs') await clock.sleep(Number.MAX_SAFE_INTEGER, signal);
      world.effects.push('leave');
      return { adjoin: 1, document: 'leave', result: 'left', detail: '' };
    },
    async postJoin(_node, document, _member, signal) {
      await call('nodes.postJoin');
      world.node.own.push(`post-join ${document.name}`);
      if (world.node.postJoins === 'hangs') await clock.sleep(Number.MAX_SAFE_INTEGER, signal);
      if (world.node.postJoins === 'fails') throw new AdjoinError('post-join-failed', 'It ended as Failed.');
      world.effects.push('post-join');
    },
  };

  let passwords = 0;
  let owners = 0;
  const known = (action: LifecycleAction): void => {
    const shown = world.instances.get(action.instanceId);
    const hooked = world.group.hooks.some((hook) => hook.name === action.hook);
    if (shown?.token === action.token && shown.group === action.group && hooked) return;
    throw new AdjoinError('action-void', 'No active Lifecycle Action found');
  };

  const queue: Pick<QueuePort<WorldMessage>, 'remove' | 'hide'> = {
    async remove(message) {
      await call('queue.remove');
      world.removed.push(message.messageId);
      world.effects.push('delete');
    },
    async hide(message, seconds) {
      await call('queue.hide');
      world.hidden.push({ messageId: message.messageId, seconds });
    },
  };

  function workerOf(slots = createSlots(each, clock, 8 * each)): Handler {
    return createHandler({
      expected: {
        accountId: ACCOUNT,
        region: REGION,
        standaloneInstances: true,
        operatorRoleId: 'AROAOPERATOR',
      },
      admission: {
        async instance(instanceId) {
          await call('autoscaling.instance');
          return world.instances.get(instanceId);
        },
        async group() {
          await call('autoscaling.group');
          return world.group;
        },
        async existence(instanceId) {
          await call('ec2.existence');
          return world.existence ?? (world.instances.has(instanceId) ? 'living' : 'unknown');
        },
        async instanceTag() {
          await call('ec2.tag');
          return undefined;
        },
        async ec2(instanceId) {
          await call('ec2.instance');
          return world.machines.get(instanceId);
        },
        async heartbeat(action) {
          await call('autoscaling.heartbeat');
          known(action);
        },
      },
      completion: {
        async complete(action, result, signal) {
          await call(`autoscaling.complete ${result}`, signal);
          known(action);
          world.instances.set(action.instanceId, {
            group: GROUP,
            lifecycleState:
              action.transition === 'launching' && result === 'CONTINUE' ? 'InService' : 'Terminating',
          });
          world.answers.push({ token: action.token, result });
          world.effects.push(`answer ${result}`);
          await call(`autoscaling.complete ${result} answered`);
        },
      },
      ledger: createLedger({
        table,
        clock,
        nextOwner: () => {
          owners += 1;
          return `worker/${owners}`;
        },
        leaseMs: 96_000,
      }),
      work: {
        directory,
        nodes,
        clock,
        patience: {
          joinMs: 1_800_000,
          unjoinMs: 3_600_000,
          leaveMs: 15_000,
          postJoinMs: 600_000,
          joinAttempts: 3,
          operationMs: 15_000,
          pauses: { firstMs: 2_000, longestMs: 30_000, random: () => 0 },
        },
        get nodeDefaults() {
          return world.nodeDefaults;
        },
        newChallenge: () => `adjoin-${'0'.repeat(32)}`,
        newOneTimePassword: () => {
          passwords += 1;
          const value = `one-time-${passwords}`;
          world.secrets.add(value);
          return { value, forget: () => void world.secrets.delete(value) };
        },
        seal: (key, password) => world.seal(key, password),
      },
      inquiries: {
        async answer(id) {
          await call('dynamodb.answer');
          world.answered.push(id);
        },
      },
      outcomes: {
        async find(id) {
          await call('outcome.find');
          return world.outcomes.get(id);
        },
        async note(id, outcome) {
          await call('outcome.note');
          if (!world.outcomes.has(id)) world.outcomes.set(id, outcome);
        },
      },
      slots,
      log,
      count: (ending) => world.endings.push(ending),
    });
  }
  return Object.assign(world, { handler: workerOf(world.slots) });
}
