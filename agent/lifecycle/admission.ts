/** What an admission is decided with, and what it says. */
import type { Clock } from '../clock.ts';
import type { Renewal } from '../keep-alive.ts';
import type { Membership } from '../ledger/membership.ts';
import type { Ec2Instance, InstanceState, LifecycleAction } from '../terms.ts';

/** The tag that opts a group or an instance in; the name is that of the AWS Security Blog's solution. */
export const OPT_IN_TAG = 'JoinAD';
/** The tag that says how a launch that cannot join is answered: `ABANDON` (default) or `HOLD`. */
export const FAILURE_POLICY_TAG = 'adjoin:OnJoinFailure';

/**
 * The tag of a group that others join, by seamless domain join for example: `true` lets adjoin remove the accounts of its
 * instances. Only the group's own tag counts.
 */
export const UNJOIN_ONLY_TAG = 'adjoin:UnjoinOnly';

/** `ABANDON`: terminate and replace. `HOLD`: give no answer, so that people can look; the hook's own time-out decides. */
export type FailurePolicy = 'ABANDON' | 'HOLD';

export interface Hook {
  readonly name: string;
  readonly transition: string;
  /** Milliseconds between heartbeats before Auto Scaling gives the action up. */
  readonly heartbeatMs: number;
  /** Milliseconds after which the action ends whatever the heartbeats say. */
  readonly globalMs: number;
}

export interface Group {
  readonly tags: ReadonlyMap<string, string>;
  readonly hooks: readonly Hook[];
}

/** How much time there is for a heartbeat. One that is wanted for what it proves is never unwanted. */
export type HeartbeatTime = Pick<Renewal, 'until' | 'lastsMs'> & Partial<Pick<Renewal, 'unwanted'>>;

export interface AdmissionPorts {
  /** What Auto Scaling shows of an instance; undefined when it knows none. */
  instance(instanceId: string, signal: AbortSignal): Promise<InstanceState | undefined>;
  /** Undefined when there is no such group. Not cancelled: the answer may be shared with others. */
  group(name: string): Promise<Group | undefined>;
  instanceTag(instanceId: string, key: string, signal: AbortSignal): Promise<string | undefined>;
  /** What EC2 shows of an instance; undefined when it shows none. @throws AdjoinError `account-unproven`, `aws-*` */
  ec2(instanceId: string, signal: AbortSignal): Promise<Ec2Instance | undefined>;
  /**
   * @param time where it is known
   * @throws AdjoinError `action-void` when Auto Scaling does not know the token
   */
  heartbeat(action: LifecycleAction, signal: AbortSignal, time?: HeartbeatTime): Promise<void>;
}

/** What an admission is decided with. */
export interface AdmissionContext extends AdmissionPorts {
  /** What the ledger has of the instance: a member is let go even if the tag was taken away since. */
  known(): Promise<Membership | undefined>;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

export interface Admission {
  readonly hook: Hook;
  readonly failurePolicy: FailurePolicy;
  /** Whether others join the group's instances, and their accounts are to be removed all the same. */
  readonly isUnjoinOnly: boolean;
  /** The group's tags, as they were when the action was admitted. */
  readonly tags: ReadonlyMap<string, string>;
  /** A launch that failed and is not answered: it is left to the hook's time-out, which no heartbeat may prolong. */
  readonly isHeld: boolean;
  /** Milliseconds since the Unix epoch, after which Auto Scaling ends the action by itself. */
  readonly globalDeadline: number;
}

/**
 * Looks, two seconds apart, at a state that is early, before the action counts as void; and at a missing tag, before the
 * instance counts as not opted in: tags are eventually consistent, too, and a group's are cached for a few seconds.
 */
export const EARLY_LOOKS = 5;
export const EARLY_PAUSE_MS = 2_000;

export const asksFor = (value: string | undefined): boolean => value?.toLowerCase() === 'true';
