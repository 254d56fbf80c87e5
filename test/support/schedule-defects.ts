/** Five mistakes that somebody could make in the core, put between it and its ports. The schedules must find each. */
import type { CompletionPort, MessagePort } from '../../agent/lifecycle/process.ts';
import type { Delivery } from './schedule-cloud.ts';
import { nameOf } from './schedule-domain.ts';
import type { Defect, Ports } from './schedule-ports.ts';

function deletingFirst({ queue, completion }: Ports): {
  queue: MessagePort<Delivery>;
  completion: CompletionPort;
} {
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
      async remove(delivery) {
        await queue.remove(delivery);
        for (const [token, complete] of put) if (delivery.body.includes(token)) await complete();
      },
    },
  };
}

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
        inspect: () => Promise.resolve({ passwordLastSet: 2n ** 62n, enabled: true, ours: true }),
      },
    }),
  },
  'the account is removed by its name, whatever its stamp': {
    ports: (ports, domain) => ({
      ...ports,
      directory: {
        ...ports.directory,
        async remove(instanceId, knownNames, signal) {
          const removed = await ports.directory.remove(instanceId, knownNames, signal);
          for (const letter of ['A', 'B']) domain.removeByName(nameOf(instanceId, letter));
          return removed;
        },
      },
    }),
  },
  'a renewal that fails does not stop the work': {
    ports: (ports) => {
      const admitted = new Set<string>();
      return {
        ...ports,
        queue: { ...ports.queue, hide: (delivery, seconds) => deaf(ports.queue.hide(delivery, seconds)) },
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
          async take(action) {
            const holding = await ports.ledger.take(action);
            return {
              get membership() {
                return holding.membership;
              },
              update: (change, step) => holding.update(change, step),
              renew: () => deaf(holding.renew()),
              release: () => holding.release(),
            };
          },
        },
      };
    },
  },
} as const satisfies Readonly<Record<string, Defect>>;
