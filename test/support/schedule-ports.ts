/** The ports of the core over a wire to the world. */
import { AdjoinError } from '../../agent/errors.ts';
import { createLedger, type Ledger, type MembershipTable } from '../../agent/ledger/ledger.ts';
import type { Membership } from '../../agent/ledger/membership.ts';
import type { AdmissionPorts } from '../../agent/lifecycle/admit.ts';
import type { CompletionPort, MessagePort } from '../../agent/lifecycle/process.ts';
import type { DirectoryPort, NodesPort } from '../../agent/lifecycle/work.ts';
import { VISIBILITY_MS, type Cloud, type Delivery } from './schedule-cloud.ts';
import { DOMAIN, type Domain } from './schedule-domain.ts';
import type { Deed, Invariants } from './schedule-invariants.ts';
import type { Kernel } from './schedule-kernel.ts';
import type { Wire, Worker } from './schedule-wire.ts';

export interface Ports {
  readonly queue: MessagePort<Delivery>;
  readonly admission: AdmissionPorts;
  readonly completion: CompletionPort;
  readonly ledger: Ledger;
  readonly directory: DirectoryPort;
  readonly nodes: NodesPort;
}

/** A mistake put between the core and its ports, for the tests of the test. */
export interface Defect {
  readonly table?: (table: MembershipTable) => MembershipTable;
  readonly ports?: (ports: Ports, domain: Domain) => Ports;
}

export interface PortsOptions {
  readonly kernel: Kernel;
  readonly cloud: Cloud;
  readonly domain: Domain;
  readonly table: Map<string, Membership>;
  readonly wire: Wire;
  readonly invariants: Invariants;
  readonly defect: Defect;
}

/** Milliseconds; a lease ends before the message shows again, as in the agent. */
export const LEASE_MS = VISIBILITY_MS * 0.8;
/** Milliseconds that Run Command tries to deliver: the agent's defaults. */
const DELIVERY = { probe: 120_000, join: 120_000, leave: 30_000 };
const EXECUTION = { probe: 2_000, join: 12_000, leave: 3_000 };
/** Milliseconds between looks at a node that is not there. */
const LOOK = 15_000;
/** Milliseconds after which a leave that hangs is delivered after all: right before Run Command gives it up. */
const HANG = DELIVERY.leave - 5_000;

let owners = 0;

export function createPorts(options: PortsOptions, worker: Worker): Ports {
  const { kernel, cloud, domain, table, wire, invariants, defect } = options;
  const clock = kernel.clockOf(worker.process);
  const { process } = worker;

  const memberships: MembershipTable = {
    read: (instanceId) => wire.call(worker, 'table.read', instanceId, () => table.get(instanceId)),
    write: (membership, expected, lease) =>
      wire.call(worker, 'table.write', membership.instanceId, () => {
        const stored = table.get(membership.instanceId);
        if (stored?.fencingToken !== expected) return false;
        if (lease && stored?.leaseExpiresAt !== lease.expiresAt) return false;
        invariants.written(process, membership, stored);
        table.set(membership.instanceId, membership);
        return true;
      }),
  };
  const ledger = createLedger({
    table: defect.table ? defect.table(memberships) : memberships,
    clock,
    nextOwner: () => {
      owners += 1;
      return `${process.name}/${owners}`;
    },
    leaseMs: LEASE_MS,
  });

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
  function begins(deed: Deed, instanceId: string, signal: AbortSignal | undefined): void {
    if (!signal?.aborted) invariants.acting(process, deed, instanceId);
  }

  const isReady = (instanceId: string, signal: AbortSignal): Promise<boolean> =>
    wire.call(worker, 'nodes.isReady', instanceId, () => domain.isUp(instanceId), signal);

  const ports: Ports = {
    queue: {
      remove: (delivery) =>
        wire.call(worker, 'queue.remove', subjectOf(delivery), () => {
          invariants.deleting(process, delivery);
          cloud.remove(delivery);
        }),
      hide: (delivery, seconds) =>
        wire.call(worker, 'queue.hide', subjectOf(delivery), () => cloud.hide(delivery, seconds)),
    },
    admission: {
      instance: (instanceId, signal) =>
        wire.call(worker, 'autoscaling.instance', instanceId, () => cloud.instance(instanceId), signal),
      group: (name) => wire.call(worker, 'autoscaling.group', name, () => cloud.group()),
      instanceTag: () => Promise.resolve(undefined),
      heartbeat: (action, signal) =>
        wire.call(
          worker,
          'autoscaling.heartbeat',
          action.instanceId,
          () => cloud.heartbeat(action.token),
          signal,
        ),
      clock,
    },
    completion: {
      complete(action, result, signal) {
        begins('complete', action.instanceId, signal);
        return wire.call(
          worker,
          'autoscaling.complete',
          action.instanceId,
          () => {
            cloud.complete(action.token, result);
            invariants.completed(action, result);
          },
          signal,
        );
      },
    },
    ledger: {
      ...ledger,
      async take(action) {
        const holding = await ledger.take(action);
        invariants.took(process, action, holding.membership.fencingToken);
        return holding;
      },
    },
    directory: {
      async stage(instanceId, oneTimePassword, beforeWrite, signal) {
        await beforeWrite();
        begins('stage', instanceId, signal);
        return wire.call(
          worker,
          'directory.stage',
          instanceId,
          () => domain.stage(instanceId, oneTimePassword),
          signal,
        );
      },
      inspect: (instanceId, staged, signal) =>
        wire.call(
          worker,
          'directory.inspect',
          instanceId,
          () => domain.inspect(staged.objectGuid, instanceId),
          signal,
        ),
      remove(instanceId, _knownNames, signal) {
        begins('remove', instanceId, signal);
        return wire.call(
          worker,
          'directory.remove',
          instanceId,
          () => ({ accounts: domain.remove(instanceId), dnsRecords: [] }),
          signal,
        );
      },
      domain: (signal) => wire.call(worker, 'directory.domain', 'domain', () => DOMAIN, signal),
    },
    nodes: {
      readiness: {
        isReady,
        async wait(instanceId, signal) {
          while (!(await isReady(instanceId, signal))) await clock.sleep(LOOK, signal);
        },
      },
      probe: (node, signal) => command('probe', node.instanceId, () => domain.probe(node.instanceId), signal),
      join(node, entry, _target, signal) {
        begins('join', node.instanceId, signal);
        return command('join', node.instanceId, () => domain.join(entry), signal);
      },
      leave(node, _domain, signal) {
        begins('leave', node.instanceId, signal);
        return command('leave', node.instanceId, () => domain.leave(node.instanceId), signal);
      },
    },
  };
  return defect.ports ? defect.ports(ports, domain) : ports;
}

function subjectOf(delivery: Delivery): string {
  return /i-[0-9a-f]{17}/.exec(delivery.body)?.[0] ?? '';
}
