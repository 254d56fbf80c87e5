/** What `adjoin test` asks of Auto Scaling and of the ledger. Changes are not cancelled: whether one was made must be known. */
import type { Membership } from '../../ledger/membership.ts';
import type { AttachedHook } from '../attach/attach.ts';
import type { GroupTag } from '../doctor/ports.ts';

/** The group whose instances are tested. */
export interface Model {
  readonly tags: ReadonlyMap<string, GroupTag>;
  readonly hooks: readonly AttachedHook[];
  /** Whether it says what its instances are launched from. */
  readonly hasTemplate: boolean;
}

export interface Throwaway {
  readonly name: string;
  /** All of them are given to instances. */
  readonly tags: ReadonlyMap<string, string>;
  readonly hooks: readonly AttachedHook[];
}

export interface SeenInstance {
  readonly id: string;
  readonly state: string;
}

export interface Seen {
  readonly desired: number;
  readonly instances: readonly SeenInstance[];
}

export interface Leftover {
  readonly name: string;
  /** Value of the tag that says whose it is. */
  readonly mark: string;
}

export interface TestPorts {
  model(group: string, signal: AbortSignal): Promise<Model | undefined>;
  /**
   * Makes an empty group that launches from what the model launches from, into the same subnets. The group may have been made even if
   * this throws.
   */
  make(throwaway: Throwaway, model: string): Promise<void>;
  /** Has Auto Scaling empty the group at this time, whoever is there then. Milliseconds since the Unix epoch. */
  emptyAt(name: string, at: number): Promise<void>;
  scale(name: string, size: 0 | 1): Promise<void>;
  /** Nothing when there is no such group. */
  look(name: string, signal: AbortSignal): Promise<Seen | undefined>;
  /** Why launches failed, the last one first. */
  failures(name: string, signal: AbortSignal): Promise<readonly string[]>;
  /** Deletes the empty group. @returns false when Auto Scaling is not done with it yet */
  remove(name: string): Promise<boolean>;
  /** Groups with the tag. */
  marked(tag: string, signal: AbortSignal): Promise<readonly Leftover[]>;
  membership(instanceId: string): Promise<Membership | undefined>;
  /** Eight characters that nobody else has now. */
  newId(): string;
  /** Works under a signal of its own, which only a further interruption aborts. */
  insist<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T>;
}
