/** What goes wrong when: pure data, made from a seed. The same seed and length give the same plan. */
import { createDice, type Dice } from './dice.ts';

/** Every AWS operation that a worker's policy lets it call. */
export const operations = [
  'autoscaling:CompleteLifecycleAction',
  'autoscaling:DescribeAutoScalingGroups',
  'autoscaling:DescribeAutoScalingInstances',
  'autoscaling:DescribeLifecycleHooks',
  'autoscaling:RecordLifecycleActionHeartbeat',
  'dynamodb:GetItem',
  'dynamodb:PutItem',
  'dynamodb:Scan',
  'ec2:DescribeInstances',
  'ec2:DescribeTags',
  'secretsmanager:GetSecretValue',
  'sqs:ChangeMessageVisibility',
  'sqs:DeleteMessage',
  'sqs:ReceiveMessage',
  'ssm:DescribeInstanceInformation',
  'ssm:ListCommandInvocations',
  'ssm:SendCommand',
] as const;

/** What befalls single AWS calls, attempt by attempt: the SDK tries again by itself. */
export const callKinds = ['call-throttled', 'call-failed', 'answer-lost', 'call-delayed'] as const;
export type CallKind = (typeof callKinds)[number];

/** What befalls the rest of the world. */
export const worldKinds = [
  'worker-killed',
  'worker-paused',
  'worker-paused-past-lease',
  'controller-stopped',
  'packets-dropped',
  'password-rotated',
  'message-duplicated',
  'messages-delayed',
  'message-malformed',
  'message-forged',
  'instance-died',
  'instance-terminated',
  'account-moved',
  'stamp-deleted',
  'dns-right-missing',
  'pool-reused',
  'root-volume-replaced',
  'group-refreshed',
  'node-silent',
  'join-broken',
  'package-missing',
  'users-unknown',
] as const;
type WorldKind = (typeof worldKinds)[number];

export type FaultKind = WorldKind | CallKind;

export interface CallFault {
  readonly kind: CallKind;
  readonly operation: string;
  /** How many calls in a row. */
  readonly times: number;
}

/** `choice` picks among what there is at that moment: a fraction of the list. Workers and controllers count from 1. */
export type WorldFault =
  | { readonly kind: 'worker-killed'; readonly worker: number }
  | {
      readonly kind: 'worker-paused' | 'worker-paused-past-lease';
      readonly worker: number;
      readonly seconds: number;
    }
  | {
      readonly kind: 'controller-stopped' | 'packets-dropped';
      readonly controller: number;
      readonly seconds: number;
    }
  /** The service account's: the directory and the secret hear of it so many seconds apart. */
  | {
      readonly kind: 'password-rotated';
      readonly first: 'directory' | 'secret';
      readonly seconds: number;
    }
  | { readonly kind: 'message-duplicated'; readonly choice: number; readonly delaySeconds: number }
  /** For so many seconds, each message that is sent shows only after the delay. */
  | { readonly kind: 'messages-delayed'; readonly seconds: number; readonly delaySeconds: number }
  | { readonly kind: 'message-malformed'; readonly body: string }
  | { readonly kind: 'message-forged'; readonly transition: string; readonly choice: number }
  | { readonly kind: 'instance-died' | 'instance-terminated'; readonly choice: number }
  /** A member's account is moved out of the unit, or stays there, without its stamp; then the instance is told to leave. */
  | { readonly kind: 'account-moved' | 'stamp-deleted'; readonly choice: number }
  /** The service account may not remove DNS records. */
  | { readonly kind: 'dns-right-missing'; readonly seconds: number }
  /** For so many seconds a group has a warm pool that takes instances back. Groups count from 1. */
  | {
      readonly kind: 'pool-reused';
      readonly group: number;
      readonly state: 'Stopped' | 'Running';
      readonly seconds: number;
    }
  /** Instance refreshes of a group: new root volumes, or new instances. */
  | { readonly kind: 'root-volume-replaced' | 'group-refreshed'; readonly group: number }
  /** These befall the next machine that boots. */
  | { readonly kind: 'node-silent' | 'join-broken' | 'package-missing' | 'users-unknown' };

export type Fault = WorldFault | CallFault;

export interface PlannedFault {
  /** Seconds since the start. */
  readonly at: number;
  readonly fault: Fault;
}

/** A group is told a new size. */
export interface PlannedScaling {
  readonly at: number;
  /** From 1. */
  readonly group: number;
  readonly size: number;
}

export interface Plan {
  readonly seed: string;
  readonly minutes: number;
  readonly faults: readonly PlannedFault[];
  readonly scalings: readonly PlannedScaling[];
}

export interface PlanOptions {
  readonly seed: string;
  readonly minutes: number;
  readonly workers: number;
  readonly controllers: number;
  readonly groups: number;
  /** Seconds after which another worker takes over from one that is silent. */
  readonly leaseSeconds: number;
}

/** Shares of the run: by then each kind was planned once, so that what is rare has the rest of the time to happen. */
const callRoundShare = 0.5;
const worldRoundShare = 0.6;
/** Nothing begins after this share: what begins late could not do its work. */
const lastShare = 0.95;
/** Seconds between faults beyond the rounds. Denser, and nothing ever gets done; sparser, and little ever meets. */
const worldGap = { least: 3, most: 8 } as const;
const callGap = { least: 1, most: 3 } as const;
/** Attempts that fail together: three are what the SDK makes of one call, so that four reach the agent. */
const mostTimes = 4;
const scalingGap = { least: 8, most: 16 } as const;
/** Instances of one group: two groups of these keep two cores busy without drowning them. */
export const mostInstances = 4;

const transitions = ['autoscaling:EC2_INSTANCE_LAUNCHING', 'autoscaling:EC2_INSTANCE_TERMINATING'] as const;

const malformed = [
  'not JSON',
  '{}',
  '[]',
  'null',
  '{"Message":"{"}',
  '{"LifecycleTransition":"autoscaling:EC2_INSTANCE_SLEEPING"}',
] as const;

export function makePlan(options: PlanOptions): Plan {
  const { seed, minutes } = options;
  const dice = createDice(seed);
  const seconds = minutes * 60;
  const faults: PlannedFault[] = [];

  const pairs = operations.flatMap((operation) => callKinds.map((kind) => ({ operation, kind })));
  for (const [at, pair] of spread(dice.shuffled(pairs), 0, seconds * callRoundShare))
    faults.push({ at, fault: { ...pair, times: 1 } });
  for (const at of moments(dice, seconds * callRoundShare, seconds * lastShare, callGap)) {
    const pair = { operation: dice.pick(operations), kind: dice.pick(callKinds) };
    faults.push({ at, fault: { ...pair, times: dice.between(1, mostTimes) } });
  }

  // The first launches take their time; before that there is nothing to disturb.
  const begin = Math.min(10, seconds / 20);
  for (const [at, kind] of spread(dice.shuffled(worldKinds), begin, seconds * worldRoundShare))
    faults.push({ at, fault: worldFault(kind, dice, options) });
  for (const at of moments(dice, seconds * worldRoundShare, seconds * lastShare, worldGap))
    faults.push({ at, fault: worldFault(dice.pick(worldKinds), dice, options) });

  const scalings = moments(dice, 0, seconds, scalingGap).map((at) => ({
    at,
    group: dice.between(1, options.groups),
    size: dice.between(0, mostInstances),
  }));
  // All groups have work from the start.
  const first = Array.from({ length: options.groups }, (_, index) => ({ at: 0, group: index + 1, size: 3 }));
  return { seed, minutes, faults: faults.toSorted((a, b) => a.at - b.at), scalings: [...first, ...scalings] };
}

function worldFault(kind: WorldKind, dice: Dice, options: PlanOptions): WorldFault {
  const worker = dice.between(1, options.workers);
  const controller = dice.between(1, options.controllers);
  const choice = dice.fraction();
  const group = dice.between(1, options.groups);
  const { leaseSeconds } = options;
  switch (kind) {
    case 'worker-killed':
      return { kind, worker };
    case 'worker-paused':
      return { kind, worker, seconds: dice.between(2, Math.max(3, Math.floor(leaseSeconds / 3))) };
    case 'worker-paused-past-lease':
      return { kind, worker, seconds: leaseSeconds + dice.between(5, 15) };
    case 'controller-stopped':
      return { kind, controller, seconds: dice.between(4, 15) };
    case 'packets-dropped':
      return { kind, controller, seconds: dice.between(4, 20) };
    case 'password-rotated':
      return { kind, first: dice.pick(['directory', 'secret']), seconds: dice.between(5, 15) };
    case 'message-duplicated':
      return { kind, choice, delaySeconds: dice.pick([0, 0, 5, 20]) };
    case 'messages-delayed':
      return { kind, seconds: dice.between(3, 10), delaySeconds: dice.between(2, 12) };
    case 'message-malformed':
      return { kind, body: dice.pick(malformed) };
    case 'message-forged':
      return { kind, choice, transition: dice.pick(transitions) };
    case 'instance-died':
    case 'instance-terminated':
    case 'account-moved':
    case 'stamp-deleted':
      return { kind, choice };
    case 'dns-right-missing':
      return { kind, seconds: dice.between(5, 20) };
    case 'pool-reused':
      return { kind, group, state: dice.pick(['Stopped', 'Running']), seconds: dice.between(20, 40) };
    case 'root-volume-replaced':
    case 'group-refreshed':
      return { kind, group };
    case 'node-silent':
    case 'join-broken':
    case 'package-missing':
    case 'users-unknown':
      return { kind };
  }
}

/** The items at even distances. */
function spread<Item>(items: readonly Item[], from: number, to: number): (readonly [number, Item])[] {
  return items.map((item, index) => [rounded(from + ((to - from) * index) / items.length), item]);
}

/** Moments at random distances. */
function moments(
  dice: Dice,
  from: number,
  to: number,
  gap: { readonly least: number; readonly most: number },
): number[] {
  const found: number[] = [];
  for (let at = from; ;) {
    at += gap.least + dice.fraction() * (gap.most - gap.least);
    // A moment is told to a tenth of a second: it must be early enough as it is told.
    if (rounded(at) >= to) return found;
    found.push(rounded(at));
  }
}

const rounded = (seconds: number): number => Math.round(seconds * 10) / 10;

/** One line of the plan. */
export function faultLine({ at, fault }: PlannedFault): string {
  return `${at.toFixed(1).padStart(6)} s  ${fault.kind}${detailOf(fault)}`;
}

function detailOf(fault: Fault): string {
  switch (fault.kind) {
    case 'worker-killed':
      return ` worker ${fault.worker}`;
    case 'worker-paused':
    case 'worker-paused-past-lease':
      return ` worker ${fault.worker} for ${fault.seconds} s`;
    case 'controller-stopped':
    case 'packets-dropped':
      return ` controller ${fault.controller} for ${fault.seconds} s`;
    case 'password-rotated':
      return ` ${fault.first} first, for ${fault.seconds} s`;
    case 'message-duplicated':
      return ` after ${fault.delaySeconds} s`;
    case 'messages-delayed':
      return ` by ${fault.delaySeconds} s, for ${fault.seconds} s`;
    case 'message-malformed':
      return ` ${fault.body}`;
    case 'message-forged':
      return ` ${fault.transition}`;
    case 'call-throttled':
    case 'call-failed':
    case 'answer-lost':
    case 'call-delayed':
      return ` ${fault.operation} × ${fault.times}`;
    case 'dns-right-missing':
      return ` for ${fault.seconds} s`;
    case 'pool-reused':
      return ` group ${fault.group}, ${fault.state}, for ${fault.seconds} s`;
    case 'root-volume-replaced':
    case 'group-refreshed':
      return ` group ${fault.group}`;
    case 'instance-died':
    case 'instance-terminated':
    case 'account-moved':
    case 'stamp-deleted':
    case 'node-silent':
    case 'join-broken':
    case 'package-missing':
    case 'users-unknown':
      return '';
  }
}
