/** Mistakes that somebody could make in the core, put between it and its ports. The schedules must find each. */
import { AdjoinError, asAdjoinError } from '../../agent/errors.ts';
import type { Membership } from '../../agent/ledger/membership.ts';
import { CONTROLLER, DOMAIN } from './memory-directory.ts';
import { isMember, nameOf } from './schedule-domain.ts';
import type { Defect, Ports } from './schedule-ports.ts';
import type { Existence } from '../../agent/terms.ts';

function deletingFirst({ queue, completion }: Ports): Pick<Ports, 'queue' | 'completion'> {
  const put = new Map<string, () => Promise<void>>();
  return {
    completion: {
      complete(action, result) {
        put.set(action.token, () => completion.complete(action, result));
        return Promise.resolve();
      },
    },
    queue: {
      ...queue,
      async remove(received) {
        await queue.remove(received);
        for (const [token, complete] of put) if (received.body.includes(token)) await complete();
      },
    },
  };
}

/** The record as one would see it who does not care for leases. */
const unleased = <T extends Pick<Membership, 'leaseExpiresAt'>>(membership: T): T => ({
  ...membership,
  leaseExpiresAt: undefined,
});

/** A renewal that never says that it failed. */
const deaf = (renewal: Promise<void>): Promise<void> => renewal.catch(() => undefined);

export const defects = {
  'the message is deleted before its action is completed': {
    ports: (ports) => ({ ...ports, ...deletingFirst(ports) }),
  },
  'the ledger writes without looking at the fencing token': {
    table: (table) => ({
      ...table,
      async write(membership) {
        const stored = await table.read(membership.instanceId);
        return table.write(membership, stored?.fencingToken);
      },
    }),
  },
  'the join is not verified': {
    ports: (ports) => ({
      ...ports,
      directory: {
        ...ports.directory,
        inspect: () =>
          Promise.resolve({ passwordLastSet: 2n ** 62n, enabled: true, ours: true, isNameTaken: false }),
      },
    }),
  },
  'an earlier join is adopted by what keytab and directory say': {
    ports: (ports, domain) => ({
      ...ports,
      nodes: {
        ...ports.nodes,
        join(node, entry, target, signal) {
          const { instanceId, computerName } = entry;
          if (!isMember(domain, instanceId)) return ports.nodes.join(node, entry, target, signal);
          const adopted = { adjoin: 1, document: 'join', result: 'already', code: '', detail: '' } as const;
          return Promise.resolve({ ...adopted, domain: DOMAIN, computerName });
        },
      },
    }),
  },
  'the account is removed by its name, whatever its stamp': {
    ports: (ports, domain) => ({
      ...ports,
      directory: {
        ...ports.directory,
        async remove(instanceId, remembered, beforeDelete, signal) {
          const removed = await ports.directory.remove(instanceId, remembered, beforeDelete, signal);
          for (const letter of ['A', 'B']) domain.removeByName(nameOf(instanceId, letter));
          return removed;
        },
      },
    }),
  },
  'an account that is not in its unit is taken for gone': {
    ports: (ports, domain) => ({
      ...ports,
      directory: {
        ...ports.directory,
        async remove(instanceId, remembered, beforeDelete, signal) {
          const nothing = { accounts: [], dnsRecords: [], othersRecords: [], domainController: CONTROLLER };
          const account = domain.accounts.get(remembered.objectGuid ?? '');
          return account?.moved
            ? nothing
            : ports.directory.remove(instanceId, remembered, beforeDelete, signal);
        },
      },
    }),
  },
  'a renewal that fails does not stop the work': {
    ports: (ports) => {
      const admitted = new Set<string>();
      return {
        ...ports,
        queue: { ...ports.queue, hide: (received, seconds) => deaf(ports.queue.hide(received, seconds)) },
        admission: {
          ...ports.admission,
          async heartbeat(action, signal) {
            const beat = ports.admission.heartbeat(action, signal);
            if (admitted.has(action.token)) return deaf(beat);
            await beat;
            admitted.add(action.token);
          },
        },
        ledger: {
          ...ports.ledger,
          async take(action, request) {
            const lease = await ports.ledger.take(action, request);
            return {
              name: lease.name,
              lastsMs: lease.lastsMs,
              get membership() {
                return lease.membership;
              },
              update: (change, step) => lease.update(change, step),
              mark: (step) => lease.mark(step),
              renew: () => deaf(lease.renew()),
              release: () => lease.release(),
            };
          },
        },
      };
    },
  },
  'an account goes without a check of the keep-alive after the search': {
    ports: (ports) => ({
      ...ports,
      directory: {
        ...ports.directory,
        remove: (instanceId, remembered, _beforeDelete, signal) =>
          ports.directory.remove(instanceId, remembered, () => Promise.resolve(), signal),
      },
    }),
  },
  'a termination is answered although DNS still knows the computer': {
    ports: (ports, domain) => ({
      ...ports,
      directory: {
        ...ports.directory,
        async remove(instanceId, remembered, beforeDelete, signal) {
          const removed = await ports.directory.remove(instanceId, remembered, beforeDelete, signal);
          for (const name of removed.dnsRecords) domain.register(name.split('.')[0]?.toUpperCase() ?? '');
          return removed;
        },
      },
    }),
  },
  'an answer that seems lost is followed by another one': {
    ports: (ports) => ({
      ...ports,
      completion: {
        complete: (action, result, signal) =>
          ports.completion
            .complete(action, result, signal)
            .catch(() => ports.completion.complete(action, 'ABANDON', signal)),
      },
    }),
  },
  'a message goes back each time that the ledger is away': {
    ports: (ports) => ({
      ...ports,
      ledger: {
        ...ports.ledger,
        take: (action, request) =>
          ports.ledger.take(action, request).catch((error: unknown) => {
            throw new AdjoinError('lease-lost', asAdjoinError(error).message);
          }),
      },
    }),
  },
  'the names are not noted before the account is deleted': {
    ports: (ports) => ({
      ...ports,
      directory: {
        ...ports.directory,
        remove: (instanceId, remembered, beforeDelete, signal) =>
          ports.directory.remove(instanceId, { ...remembered, foundNames: [] }, beforeDelete, signal),
      },
      sweep: {
        ...ports.sweep,
        directory: {
          ...ports.sweep.directory,
          remove: (instanceId, remembered, beforeDelete, signal) =>
            ports.sweep.directory.remove(instanceId, { ...remembered, foundNames: [] }, beforeDelete, signal),
        },
      },
    }),
  },
  'the sweep forgets the age guard': {
    ports: (ports) => ({ ...ports, sweepLimits: { ...ports.sweepLimits, ageGuardMs: 0 } }),
  },
  'the sweep takes a failed call for an instance that is gone': {
    ports: (ports) => ({
      ...ports,
      sweep: {
        ...ports.sweep,
        instances: {
          ...ports.sweep.instances,
          look: (instanceIds, signal) =>
            ports.sweep.instances
              .look(instanceIds, signal)
              .catch(
                () => new Map(instanceIds.map((instanceId): [string, Existence] => [instanceId, 'unknown'])),
              ),
        },
        // Nor does it ask whether a group counts the instance.
        isInAutoScaling: () => Promise.resolve(false),
      },
    }),
  },
  'the sweep pays what another holds the lease on': {
    table: (table, actor) =>
      actor.sweeps
        ? {
            async read(instanceId) {
              const stored = await table.read(instanceId);
              return stored && unleased(stored);
            },
            write: (membership, expected) => table.write(membership, expected),
          }
        : table,
    ports: (ports) => ({
      ...ports,
      // What is in work is young as a rule: the guard would hide the mistake in all but a few schedules.
      sweepLimits: { ...ports.sweepLimits, ageGuardMs: 0 },
      sweep: {
        ...ports.sweep,
        ledger: {
          ...ports.sweep.ledger,
          async *pages(endedSince, signal) {
            for await (const page of ports.sweep.ledger.pages(endedSince, signal)) {
              yield { ...page, memberships: page.memberships.map(unleased) };
            }
          },
        },
      },
    }),
  },
  'two sweep at a time': {
    ports: (ports) => ({
      ...ports,
      sweepLease: {
        read: () => Promise.resolve(undefined),
        write: () => Promise.resolve(true),
      },
    }),
  },
} as const satisfies Readonly<Record<string, Defect>>;
