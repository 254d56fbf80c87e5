/** One action under its lease, and what the work on it asks of the outside: the parts below the handler, each by itself. */
import { candidateNames } from '../../../agent/directory/names.ts';
import { createLedger, type Lease } from '../../../agent/ledger/ledger.ts';
import type { Work, WorkPorts } from '../../../agent/lifecycle/work.ts';
import type { ProbeFacts } from '../../../agent/nodes/contract.ts';
import type { LifecycleAction } from '../../../agent/terms.ts';
import { createMemoryDirectory, type MemoryDirectory } from '../../support/memory-directory.ts';
import { createMemoryLog, type MemoryLog } from '../../support/memory-log.ts';
import { createMemoryTable, type MemoryTable } from '../../support/memory-table.ts';
import { createVirtualClock, type VirtualClock } from '../../support/virtual-clock.ts';
import { noNodeDefaults } from '../../support/node-facts.ts';

export const INSTANCE = 'i-0123456789abcdef0';
/** The name that staging gives to the instance's account. */
export const NAME = candidateNames(INSTANCE, ['A'])[0] ?? '';
export const LEASE_MS = 96_000;
export const GLOBAL_MS = 30_000_000;

export const launch: LifecycleAction = {
  token: 'launch-token',
  hook: 'join',
  group: 'fleet',
  instanceId: INSTANCE,
  transition: 'launching',
  origin: 'EC2',
  destination: 'AutoScalingGroup',
  startedAt: 0,
};
export const termination: LifecycleAction = {
  ...launch,
  token: 'termination-token',
  hook: 'unjoin',
  transition: 'terminating',
  origin: 'AutoScalingGroup',
  destination: 'EC2',
};

export interface LeasedWork {
  readonly clock: VirtualClock;
  readonly table: MemoryTable;
  readonly domain: MemoryDirectory;
  readonly log: MemoryLog;
  /** Stops the work. */
  readonly stop: AbortController;
  /** What the ports were asked, in order. */
  readonly calls: string[];
  /** Called before each call to a port; throws to make it fail. */
  fault: (call: string, signal?: AbortSignal) => void | Promise<void>;
  /** Called where the work asks whether it may go on. */
  check: () => void;
  isReady: boolean;
  /** Whether the group's instances are joined by others. */
  isUnjoinOnly: boolean;
  /** What a probe with this challenge answers. */
  probed: (challenge: string | undefined) => ProbeFacts;
  readonly ports: WorkPorts;
  take(action: LifecycleAction): Promise<Lease>;
  /** The work on an action, under a lease that it takes. */
  begin(action: LifecycleAction): Promise<Work>;
  /** The instance's account, as staged: in the directory, and in the ledger under the lease. */
  stage(lease: Lease): Promise<void>;
}

const refuse = (): Promise<never> => Promise.reject(new Error('Nothing here asks for it.'));

export function createLeasedWork(operationMs = 15_000): LeasedWork {
  const clock = createVirtualClock();
  const memory = createMemoryTable();
  const domain = createMemoryDirectory(() => clock.now());
  const log = createMemoryLog();
  const stop = new AbortController();

  async function call(name: string, signal?: AbortSignal): Promise<void> {
    scene.calls.push(name);
    await scene.fault(name, signal);
  }

  let owners = 0;
  const ledger = createLedger({
    table: {
      ...memory,
      async write(membership, expected, seen) {
        await call(`table.write ${membership.state}`);
        return memory.put(membership, expected, seen);
      },
    },
    clock,
    nextOwner: () => `worker/${(owners += 1)}`,
    leaseMs: LEASE_MS,
  });

  const scene: LeasedWork = {
    clock,
    table: memory,
    domain,
    log,
    stop,
    calls: [],
    fault: () => undefined,
    check: () => undefined,
    isReady: true,
    isUnjoinOnly: false,
    probed: () => {
      throw new Error('Nothing here asks for it.');
    },
    ports: {
      directory: domain.ports(async (name, _subject, carryOut, signal) => {
        await call(name, signal);
        signal?.throwIfAborted();
        return carryOut();
      }),
      nodes: {
        readiness: {
          async isReady() {
            await call('nodes.isReady');
            return scene.isReady;
          },
          wait: refuse,
        },
        async probe(_node, signal, { challenge } = {}) {
          await call('nodes.probe', signal);
          return scene.probed(challenge);
        },
        join: refuse,
        async leave(_node, _domain, _notAfter, signal) {
          await call('nodes.leave', signal);
          return { adjoin: 1, document: 'leave', result: 'left', detail: '' };
        },
        postJoin: refuse,
      },
      clock,
      patience: {
        joinMs: 1_800_000,
        unjoinMs: 3_600_000,
        leaveMs: 15_000,
        postJoinMs: 600_000,
        joinAttempts: 3,
        operationMs,
        pauses: { firstMs: 2_000, longestMs: 30_000, random: () => 0 },
      },
      nodeDefaults: noNodeDefaults,
      newChallenge: () => `adjoin-${'0'.repeat(32)}`,
      newOneTimePassword: () => ({ value: 'one-time', forget: () => undefined }),
      seal: (_key, oneTimePassword) => `sealed:${oneTimePassword}`,
    },
    take: (action) => ledger.take(action),
    async begin(action) {
      return {
        action,
        admission: {
          hook: { name: action.hook, transition: '', heartbeatMs: 300_000, globalMs: GLOBAL_MS },
          failurePolicy: 'ABANDON',
          isUnjoinOnly: scene.isUnjoinOnly,
          tags: new Map(),
          isHeld: false,
          globalDeadline: clock.now() + GLOBAL_MS,
        },
        lease: await ledger.take(action),
        signal: stop.signal,
        slot: { take: async () => undefined, rest: () => undefined },
        attempted: () => undefined,
        check: () => scene.check(),
        log,
      };
    },
    async stage(lease) {
      const { objectGuid } = domain.add(NAME, INSTANCE);
      await lease.update({ state: 'staged', computerName: NAME, objectGuid });
    },
  };
  return scene;
}
