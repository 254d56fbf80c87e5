/** The cloud's own record of a run: what became of each message, each lifecycle action, each instance. */
import type { ActionEnd, CloudEvent } from '../cloud/seams.ts';
import { createLives } from '../inside/lives.ts';
import type { Life } from '../story/lives.ts';

export interface MessageRecord {
  readonly messageId: string;
  readonly queue: string;
  readonly body: string;
  readonly sentAt: number;
  receives: number;
  /** `dead`: in the dead-letter queue. Undefined while it is under way. */
  end: 'deleted' | 'dead' | 'expired' | undefined;
  endedAt: number | undefined;
}

export interface ActionRecord {
  readonly token: string;
  readonly group: string;
  readonly instanceId: string;
  readonly transition: 'launch' | 'terminate';
  /** Where it leads: `EC2`, `AutoScalingGroup` or `WarmPool`. */
  readonly destination: string;
  readonly begunAt: number;
  /** One, if all is well. */
  readonly ends: { readonly end: ActionEnd; readonly result: string | undefined; readonly at: number }[];
}

export interface CloudRecord {
  readonly messages: ReadonlyMap<string, MessageRecord>;
  readonly actions: ReadonlyMap<string, ActionRecord>;
  readonly instances: ReadonlyMap<string, Life>;
  note(event: CloudEvent): void;
}

/** @param now milliseconds since the epoch */
export function createRecord(now: () => number): CloudRecord {
  const messages = new Map<string, MessageRecord>();
  const actions = new Map<string, ActionRecord>();
  const lives = createLives(now);

  const noteMessage = (kind: CloudEvent['kind'], queue: string, messageId: string): void => {
    const message = messages.get(messageId);
    // In the dead-letter queue it is no longer the workers'.
    if (!message || message.queue !== queue) return;
    if (kind === 'message-received') {
      message.receives += 1;
      return;
    }
    message.end = kind === 'message-deleted' ? 'deleted' : kind === 'message-dead' ? 'dead' : 'expired';
    message.endedAt = now();
  };

  return {
    messages,
    actions,
    instances: lives.all,
    note(event) {
      lives.note(event);
      switch (event.kind) {
        case 'message-sent':
          messages.set(event.messageId, {
            messageId: event.messageId,
            queue: event.queue,
            body: event.body,
            sentAt: now(),
            receives: 0,
            end: undefined,
            endedAt: undefined,
          });
          break;
        case 'message-received':
        case 'message-deleted':
        case 'message-dead':
        case 'message-expired':
          noteMessage(event.kind, event.queue, event.messageId);
          break;
        case 'action-begun':
          actions.set(event.token, {
            token: event.token,
            group: event.group,
            instanceId: event.instanceId,
            transition: event.transition === 'autoscaling:EC2_INSTANCE_LAUNCHING' ? 'launch' : 'terminate',
            destination: event.destination,
            begunAt: now(),
            ends: [],
          });
          break;
        case 'action-ended':
          actions.get(event.token)?.ends.push({ end: event.end, result: event.result, at: now() });
          break;
        // These are the instances' lives.
        case 'instance':
        case 'node-registered':
          break;
      }
    },
  };
}

/** Instances that are in service now and not on their way out. */
export function inService(record: Pick<CloudRecord, 'instances'>): Life[] {
  return [...record.instances.values()].filter(
    (each) => each.inServiceAt !== undefined && each.leavingAt === undefined && each.goneAt === undefined,
  );
}

/** Instances that Auto Scaling still lists. */
export function listed(record: Pick<CloudRecord, 'instances'>): Life[] {
  return [...record.instances.values()].filter((each) => each.goneAt === undefined);
}

/** The lifecycle action that a message speaks of; undefined for garbage and for test notifications. */
export function tokenOf(body: string): string | undefined {
  try {
    const value: unknown = JSON.parse(body);
    if (typeof value !== 'object' || value === null) return undefined;
    const token: unknown = Reflect.get(value, 'LifecycleActionToken');
    return typeof token === 'string' ? token : undefined;
  } catch {
    return undefined;
  }
}
