/** The ports of the core over a wire to the world. */
import { AdjoinError } from '../../agent/errors.ts';
import { createLedger, type Ledger, type MembershipTable } from '../../agent/ledger/ledger.ts';
import type { AdmissionPorts } from '../../agent/lifecycle/admission.ts';
import type { ExistencePorts } from '../../agent/lifecycle/void-action.ts';
import type { QueuePort } from '../../agent/lifecycle/delivery.ts';
import type { CompletionPort, DirectoryPort } from '../../agent/lifecycle/work.ts';
import type { Nodes } from '../../agent/nodes/nodes.ts';
import type { SweepLeaseStore } from '../../agent/sweep/lease.ts';
import type { SweepLimits, SweepPorts } from '../../agent/sweep/ports.ts';
import type { DirectoryCall, DirectoryPorts } from './memory-directory.ts';
import type { ReceivedMessage } from './memory-queue.ts';
import type { MemorySweepLease, MemoryTable } from './memory-table.ts';
import type { Cloud } from './schedule-cloud.ts';
import type { Domain } from './schedule-domain.ts';
import type { Actor, Deed, Invariants } from './schedule-invariants.ts';
import type { Kernel } from './schedule-kernel.ts';
import { LEASE_MS } from './schedule-settings.ts';
import { createSweepPorts } from './schedule-sweep.ts';
import type { Wire, Worker } from './schedule-wire.ts';

export interface Ports {
  readonly queue: Pick<QueuePort<ReceivedMessage>, 'remove' | 'hide'>;
  readonly admission: AdmissionPorts & ExistencePorts;
  readonly completion: CompletionPort;
  readonly ledger: Ledger;
  readonly directory: DirectoryPort;
  readonly nodes: Nodes;
  readonly sweep: Pick<SweepPorts, 'directory' | 'instances' | 'isInAutoScaling' | 'ledger'>;
  readonly sweepLease: SweepLeaseStore;
  readonly sweepLimits: SweepLimits;
}

/** What all workers share: the table in DynamoDB. */
export interface Tables {
  readonly memberships: MemoryTable;
  readonly sweepLease: MemorySweepLease;
}

/** A mistake put between the core and its ports, for the tests of the test. */
export interface Defect {
  readonly table?: (table: MembershipTable, actor: Actor) => MembershipTable;
  readonly ports?: (ports: Ports, domain: Domain) => Ports;
}

export interface PortsOptions {
  readonly kernel: Kernel;
  readonly cloud: Cloud;
  readonly domain: Domain;
  readonly tables: Tables;
  readonly wire: Wire;
  readonly invariants: Invariants;
  readonly defect: Defect;
}

/** Milliseconds that Run Command tries to deliver: the agent's defaults. */
const DELIVERY = { probe: 120_000, join: 120_000, leave: 30_000 };
const EXECUTION = { probe: 2_000, join: 12_000, leave: 3_000 };
/** Milliseconds between looks at a node that is not there. */
const LOOK = 15_000;
/** Milliseconds after which a leave that hangs on its way is delivered after all: the instance may have a new life. */
const HANG = 120_000;

let owners = 0;

export function createPorts(options: PortsOptions, worker: Worker): Ports {
  const { kernel, cloud, domain, tables, wire, invariants, defect } = options;
  const { memberships } = tables;
  const clock = kernel.clockOf(worker.process);
  const { process } = worker;
  const worked: Actor = { name: process.name, sweeps: false };
  const swept: Actor = { name: `${process.name}, sweeping,`, sweeps: true };

  function ledgerOf(actor: Actor): Ledger {
    const table: MembershipTable = {
      read: (instanceId) => wire.call(worker, 'table.read', instanceId, () => memberships.get(instanceId)),
      write: (membership, expected, lease) =>
        wire.call(worker, 'table.write', membership.instanceId, () => {
          const stored = memberships.get(membership.instanceId);
          if (!memberships.put(membership, expected, lease)) return false;
          invariants.written(actor, membership, stored);
          return true;
        }),
    };
    const ledger = createLedger({
      table: defect.table ? defect.table(table, actor) : table,
      clock,
      nextOwner: () => {
        owners += 1;
        return `${actor.name}/${owners}`;
      },
      leaseMs: LEASE_MS,
    });
    return {
      ...ledger,
      async take(action, request) {
        const lease = await ledger.take(action, request);
        invariants.took(actor, action.instanceId, action.token, lease.membership.fencingToken);
        return lease;
      },
      async claim(instanceId, first) {
        const lease = await ledger.claim(instanceId, first);
        invariants.took(actor, instanceId, undefined, lease.membership.fencingToken);
        return lease;
      },
    };
  }

  /** The directory as this actor reaches it. Each write is a deed that it must have the lease for. */
  function directoryOf(actor: Actor): DirectoryPorts {
    const deeds: Partial<Record<DirectoryCall, Deed>> = {
      'directory.stage': 'stage',
      'directory.disable': 'remove',
      'directory.remove': 'remove',
      'directory.unname': 'remove',
    };
    return domain.ports((call, subject, carryOut, signal) => {
      const deed = deeds[call];
      if (deed) begins(deed, subject, signal, actor);
      return wire.call(worker, call, subject, carryOut, signal);
    });
  }

  /** Runs a command on a node: delivered once the node is there, carried out whatever becomes of the worker. */
  async function command<T>(
    name: 'probe' | 'join' | 'leave',
    instanceId: string,
    run: () => T,
    signal: AbortSignal,
  ): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    promise.catch(() => undefined);
    const answer = (settle: () => void): void => void kernel.after(0, settle, process, 'answer');
    const deliver = (until: number): void => {
      if (domain.isUp(instanceId)) {
        const result = run();
        answer(() => resolve(result));
      } else if (kernel.now() < until) kernel.after(5_000, () => deliver(until));
      else answer(() => reject(new AdjoinError('command-undeliverable', 'DeliveryTimedOut')));
    };
    await wire.call(
      worker,
      `nodes.${name}`,
      instanceId,
      () => {
        if (!domain.isUp(instanceId)) throw new AdjoinError('node-not-ready', 'InvalidInstanceId');
        const hang = name === 'leave' && domain.mood.leavesHang ? HANG : 0;
        const until = kernel.now() + DELIVERY[name];
        kernel.after(EXECUTION[name] + hang, () => deliver(until));
      },
      signal,
    );
    const abort = (): void => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    return promise.finally(() => signal.removeEventListener('abort', abort));
  }

  /** A call whose signal has aborted is never sent. */
  function begins(deed: Deed, instanceId: string, signal: AbortSignal | undefined, actor = worked): void {
    if (!signal?.aborted) invariants.acting(actor, deed, instanceId);
  }

  const isReady = (instanceId: string, signal: AbortSignal): Promise<boolean> =>
    wire.call(worker, 'nodes.isReady', instanceId, () => domain.isUp(instanceId), signal);

  const ports: Ports = {
    queue: {
      remove: (received) =>
        wire.call(worker, 'queue.remove', subjectOf(received), () => {
          invariants.deleting(worked, received);
          cloud.remove(received);
        }),
      hide: (received, seconds) =>
        wire.call(worker, 'queue.hide', subjectOf(received), () => cloud.hide(received, seconds)),
    },
    admission: {
      instance: (instanceId, signal) =>
        wire.call(worker, 'autoscaling.instance', instanceId, () => cloud.instance(instanceId), signal),
      group: (name) => wire.call(worker, 'autoscaling.group', name, () => cloud.group()),
      existence: (instanceId, signal) =>
        wire.call(worker, 'ec2.existence', instanceId, () => cloud.existence(instanceId), signal),
      instanceTag: () => Promise.resolve(undefined),
      ec2: () => Promise.resolve(undefined),
      heartbeat: (action, signal) =>
        wire.call(
          worker,
          'autoscaling.heartbeat',
          action.instanceId,
          () => cloud.heartbeat(action.token),
          signal,
        ),
    },
    completion: {
      complete(action, result, signal) {
        begins('complete', action.instanceId, signal);
        return wire.call(
          worker,
          'autoscaling.complete',
          action.instanceId,
          () => {
            invariants.answering(action, result);
            cloud.complete(action.token, result);
            invariants.completed(action, result);
          },
          signal,
        );
      },
    },
    ledger: ledgerOf(worked),
    directory: directoryOf(worked),
    nodes: {
      readiness: {
        isReady,
        async wait(instanceId, signal, _boot, until = Infinity) {
          while (!(await isReady(instanceId, signal))) {
            const left = until - clock.now();
            if (left <= 0)
              throw new AdjoinError('node-not-ready', `${instanceId} has not registered in time.`);
            await clock.sleep(Math.min(LOOK, left), signal);
          }
        },
      },
      probe: (node, signal) => command('probe', node.instanceId, () => domain.probe(node.instanceId), signal),
      join(node, entry, _target, signal) {
        begins('join', node.instanceId, signal);
        return command('join', node.instanceId, () => domain.join(entry), signal);
      },
      leave(node, _domain, notAfter, signal) {
        begins('leave', node.instanceId, signal);
        return command('leave', node.instanceId, () => domain.leave(node.instanceId, notAfter), signal);
      },
      postJoin: () => Promise.reject(new Error('No group here has a document of its own.')),
    },
    ...createSweepPorts(options, worker, ledgerOf(swept), directoryOf(swept)),
  };
  return defect.ports ? defect.ports(ports, domain) : ports;
}

function subjectOf(received: ReceivedMessage): string {
  return /i-[0-9a-f]{17}/.exec(received.body)?.[0] ?? '';
}
