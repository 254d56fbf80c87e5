/**
 * The stacks of the account, with their change sets and events. A stack's states, and who takes each transition:
 *
 *   (absent) ──CreateChangeSet of type CREATE or IMPORT (a caller)──▶ REVIEW_IN_PROGRESS
 *   REVIEW_IN_PROGRESS ──ExecuteChangeSet (a caller)──▶ CREATE_IN_PROGRESS ──the engine──▶ CREATE_COMPLETE,
 *     or ROLLBACK_IN_PROGRESS ──▶ ROLLBACK_COMPLETE or ROLLBACK_FAILED: such a stack can only be deleted
 *   …_COMPLETE ──ExecuteChangeSet of type UPDATE──▶ UPDATE_IN_PROGRESS ──the engine──▶ UPDATE_COMPLETE_CLEANUP_IN_PROGRESS
 *     ──▶ UPDATE_COMPLETE, or UPDATE_ROLLBACK_IN_PROGRESS ──▶ UPDATE_ROLLBACK_COMPLETE or UPDATE_ROLLBACK_FAILED
 *   REVIEW_IN_PROGRESS, …_COMPLETE ──ExecuteChangeSet of type IMPORT──▶ IMPORT_IN_PROGRESS ──the engine──▶ IMPORT_COMPLETE,
 *     or IMPORT_ROLLBACK_IN_PROGRESS ──▶ IMPORT_ROLLBACK_COMPLETE
 *   …_COMPLETE, …_FAILED ──DeleteStack (a caller)──▶ DELETE_IN_PROGRESS ──the engine──▶ DELETE_COMPLETE or DELETE_FAILED
 *
 * Source: View stack information from the CloudFormation console,
 * https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cfn-console-view-stack-data-resources.html
 */
import type { Capability, Change, StackEvent as EventShape, Tag } from '@aws-sdk/client-cloudformation';
import { ServiceFailure } from '../../cloud/failure.ts';
import type { Place } from '../../cloud/place.ts';
import { uuid, type Random } from '../../cloud/random.ts';
import type { Timers } from '../../cloud/timers.ts';
import type { ResourceEvent, ResourceStatus } from '../change.ts';
import type { Deletable } from '../rollback.ts';
import type { Json } from '../template.ts';

export type StackStatus =
  | 'REVIEW_IN_PROGRESS'
  | `${'CREATE' | 'UPDATE' | 'DELETE'}_${'IN_PROGRESS' | 'COMPLETE' | 'FAILED'}`
  | `IMPORT_${'IN_PROGRESS' | 'COMPLETE'}`
  | `${'' | 'UPDATE_'}ROLLBACK_${'IN_PROGRESS' | 'COMPLETE' | 'FAILED'}`
  | `IMPORT_ROLLBACK_${'IN_PROGRESS' | 'COMPLETE' | 'FAILED'}`
  | 'UPDATE_COMPLETE_CLEANUP_IN_PROGRESS';

/** Of a stack, the states are more than the SDK's type has. */
export interface StackEvent extends Omit<EventShape, 'ResourceStatus'> {
  readonly ResourceStatus: StackStatus | ResourceStatus;
}

/** A resource, with what the last event said of it. */
export interface StackResource extends Deletable {
  readonly status: ResourceStatus;
  readonly reason: string | undefined;
  readonly changedAt: Date;
}

/** What a change set, once it is executed, makes of a stack. */
export interface Wanted {
  readonly template: string;
  /** Only the given ones. */
  readonly parameters: Readonly<Record<string, string>>;
  readonly capabilities: readonly Capability[];
  readonly tags: readonly Tag[];
  readonly description: string;
}

export interface ChangeSet {
  readonly id: string;
  readonly name: string;
  readonly type: 'CREATE' | 'UPDATE' | 'IMPORT';
  readonly description: string | undefined;
  readonly createdAt: Date;
  readonly wanted: Wanted;
  readonly changes: readonly Change[];
  /** Physical IDs, by logical ID, of what it takes into the stack. */
  readonly imports: ReadonlyMap<string, string>;
  readonly keepFailed: boolean;
  status: 'CREATE_COMPLETE' | 'FAILED';
  executionStatus:
    | 'AVAILABLE'
    | 'UNAVAILABLE'
    | 'EXECUTE_IN_PROGRESS'
    | 'EXECUTE_COMPLETE'
    | 'EXECUTE_FAILED';
  readonly reason: string | undefined;
}

export interface Stack {
  readonly id: string;
  readonly name: string;
  readonly createdAt: Date;
  status: StackStatus;
  reason: string | undefined;
  updatedAt: Date | undefined;
  deletedAt: Date | undefined;
  /** Undefined until its first change set is executed. */
  now: Wanted | undefined;
  /** Values of all parameters, defaults as well. */
  values: ReadonlyMap<string, string>;
  resources: readonly Deletable[];
  /** What it had when its deletion began. */
  former: readonly Deletable[];
  outputs: ReadonlyMap<string, Json>;
  readonly seen: Map<string, Pick<StackResource, 'status' | 'reason' | 'changedAt'>>;
  readonly events: StackEvent[];
  readonly changeSets: Map<string, ChangeSet>;
  /** Ends with the operation that is going on. */
  going: Promise<void>;
}

export function isBusy({ status }: Stack): boolean {
  return status.endsWith('_IN_PROGRESS') && status !== 'REVIEW_IN_PROGRESS';
}

export class Stacks {
  readonly #stacks: Stack[] = [];
  readonly #parts: { readonly place: Place; readonly timers: Timers; readonly random: Random };

  constructor(parts: { place: Place; timers: Timers; random: Random }) {
    this.#parts = parts;
  }

  /** Those that are not deleted, the newest first. */
  all(): Stack[] {
    return this.#stacks.filter(({ status }) => status !== 'DELETE_COMPLETE').toReversed();
  }

  /** The deleted ones, too: the newest first. */
  ever(): Stack[] {
    return this.#stacks.toReversed();
  }

  /** By name, as long as it is not deleted, or by ID. */
  find(nameOrId: string): Stack | undefined {
    return this.#stacks.find(({ id }) => id === nameOrId) ?? this.all().find(({ name }) => name === nameOrId);
  }

  /** @throws ServiceFailure when there is none */
  get(nameOrId: string | undefined): Stack {
    const found = this.find(nameOrId ?? '');
    if (found) return found;
    throw new ServiceFailure('ValidationError', `Stack with id ${nameOrId} does not exist`);
  }

  /** The ARN that policies see: its ID, or one with an ID of its own where there is none yet. */
  arnOf(nameOrId: string | undefined): string {
    const { region, accountId } = this.#parts.place;
    return (
      this.find(nameOrId ?? '')?.id ??
      `arn:aws:cloudformation:${region}:${accountId}:stack/${nameOrId}/00000000-0000-4000-8000-000000000000`
    );
  }

  arn(kind: 'stack' | 'changeSet', name: string): string {
    const { place, random } = this.#parts;
    return `arn:aws:cloudformation:${place.region}:${place.accountId}:${kind}/${name}/${uuid(random)}`;
  }

  begin(name: string): Stack {
    const stack: Stack = {
      id: this.arn('stack', name),
      name,
      createdAt: this.#parts.timers.date(),
      status: 'REVIEW_IN_PROGRESS',
      reason: 'User Initiated',
      updatedAt: undefined,
      deletedAt: undefined,
      now: undefined,
      values: new Map(),
      resources: [],
      former: [],
      outputs: new Map(),
      seen: new Map(),
      events: [],
      changeSets: new Map(),
      going: Promise.resolve(),
    };
    this.#stacks.push(stack);
    this.turn(stack, 'REVIEW_IN_PROGRESS', 'User Initiated');
    return stack;
  }

  /** As if it had never been: the stack of a change set that was deleted unexecuted. */
  forget(stack: Stack): void {
    this.#stacks.splice(this.#stacks.indexOf(stack), 1);
  }

  turn(stack: Stack, status: StackStatus, reason?: string): void {
    stack.status = status;
    stack.reason = reason;
    const now = this.#parts.timers.date();
    if (status === 'DELETE_COMPLETE') stack.deletedAt = now;
    if (status.startsWith('UPDATE')) stack.updatedAt = now;
    this.#put(stack, {
      LogicalResourceId: stack.name,
      PhysicalResourceId: stack.id,
      ResourceType: 'AWS::CloudFormation::Stack',
      ResourceStatus: status,
      ResourceStatusReason: reason,
    });
  }

  tell(stack: Stack, { logicalId, type, ref, status, reason }: ResourceEvent): void {
    stack.seen.set(logicalId, { status, reason, changedAt: this.#parts.timers.date() });
    this.#put(stack, {
      LogicalResourceId: logicalId,
      PhysicalResourceId: ref ?? '',
      ResourceType: type,
      ResourceStatus: status,
      ResourceStatusReason: reason,
    });
  }

  #put(stack: Stack, event: Omit<StackEvent, 'StackId' | 'StackName' | 'EventId' | 'Timestamp'>): void {
    stack.events.push({
      ...event,
      StackId: stack.id,
      StackName: stack.name,
      EventId: uuid(this.#parts.random),
      Timestamp: this.#parts.timers.date(),
    });
  }
}
