/** The ports of the sweep over the wire: what it reads of the world, and the one lease for which all workers compete. */
import type { Ledger, MembershipPage } from '../../agent/ledger/ledger.ts';
import type { DirectoryPorts } from './memory-directory.ts';
import type { Ports, PortsOptions } from './schedule-ports.ts';
import { AGE_GUARD_MS, OPERATION_MS } from './schedule-settings.ts';
import type { Worker } from './schedule-wire.ts';
import type { Existence } from '../../agent/terms.ts';

/** More than there ever are: a run that is cut short by its cap would only take another run. */
const MANY = 100;

export function createSweepPorts(
  { cloud, tables, wire }: PortsOptions,
  worker: Worker,
  ledger: Ledger,
  directory: DirectoryPorts,
): Pick<Ports, 'sweep' | 'sweepLease' | 'sweepLimits'> {
  /** One membership a page. */
  async function* pages(endedSince: number, signal: AbortSignal): AsyncGenerator<MembershipPage> {
    for (let at = 0; ; at += 1) {
      const scan = (): MembershipPage | undefined => {
        const memberships = tables.memberships.page(at, 1, endedSince);
        return memberships.length > 0 ? { memberships, unreadable: [] } : undefined;
      };
      const page = await wire.call(worker, 'table.scan', `page ${at + 1}`, scan, signal);
      if (!page) return;
      yield page;
    }
  }

  return {
    sweep: {
      directory,
      instances: {
        proveAccount: (signal) => wire.call(worker, 'ec2.prove', '', () => undefined, signal),
        look: (instanceIds, signal) =>
          wire.call(
            worker,
            'ec2.look',
            instanceIds.join(' '),
            () =>
              new Map(
                instanceIds.map((instanceId): [string, Existence] => [
                  instanceId,
                  cloud.existence(instanceId),
                ]),
              ),
            signal,
          ),
      },
      isInAutoScaling: (instanceId, signal) =>
        wire.call(
          worker,
          'autoscaling.counts',
          instanceId,
          () => cloud.instance(instanceId) !== undefined,
          signal,
        ),
      ledger: {
        pages,
        find: (instanceId) => ledger.find(instanceId),
        claim: (instanceId, first) => ledger.claim(instanceId, first),
      },
    },
    sweepLease: {
      read: () => wire.call(worker, 'sweep.read', '', () => tables.sweepLease.get()),
      write: (record, expected) =>
        wire.call(worker, 'sweep.write', '', () => tables.sweepLease.put(record, expected)),
    },
    sweepLimits: {
      ageGuardMs: AGE_GUARD_MS,
      maximumRemovals: MANY,
      // One or two instances are too few to be a loss.
      largestLoss: 0.5,
      quarantineMs: 0,
      operationMs: OPERATION_MS,
    },
  };
}
