/**
 * A schedule: what happens to one or two instances and to the workers that look after them, and when. It is data, so that
 * it can be generated, shrunk and told.
 */
import * as fc from 'fast-check';

/** Every call that the core makes to a port. */
const calls = [
  'queue.receive',
  'queue.remove',
  'queue.hide',
  'autoscaling.instance',
  'autoscaling.group',
  'autoscaling.heartbeat',
  'autoscaling.complete',
  'ec2.existence',
  'table.read',
  'table.write',
  'directory.domain',
  'directory.stage',
  'directory.inspect',
  'directory.find',
  'directory.disable',
  'directory.remove',
  'directory.records',
  'directory.unname',
  'nodes.isReady',
  'nodes.probe',
  'nodes.join',
  'nodes.leave',
] as const;

/** Every call that only the sweep makes. */
const sweepCalls = [
  'sweep.read',
  'sweep.write',
  'table.scan',
  'directory.list',
  'directory.strays',
  'ec2.prove',
  'ec2.look',
  'autoscaling.counts',
] as const;
/** What only groups are asked for that others join, and what a quarantine does; no schedule has one. */
type Unplayed = 'directory.prove' | 'directory.enable';
export type Call = (typeof calls)[number] | (typeof sweepCalls)[number] | Unplayed;

/** What may become of one call. */
const faults = [
  /** The process dies before it sends the request. */
  'crash before',
  /** The process dies when the request is on its way. */
  'crash after',
  /** The other side refuses: nothing is carried out. */
  'refused',
  /** Carried out, and the caller sees an error. */
  'answer lost',
  /** An SDK that repeats a request whose answer it missed: carried out twice, the second answer counts. */
  'carried out twice',
  'request late',
  'answer late',
  /** SIGSTOP while the call is under way: for three minutes, which is longer than any lease, or for an hour. */
  'suspended for minutes',
  'suspended for an hour',
] as const;
export type Fault = (typeof faults)[number];

/** What may happen in the world. */
const turns = [
  'message again',
  'old message again',
  'forged message',
  'scale-in',
  'instance dies',
  /** A TerminateInstances of somebody's: no hook is told, and Auto Scaling itself learns of it later. */
  'terminated past the hooks',
  'hooks deleted',
  'detached',
  'a person continues',
  'a person abandons',
  'worker killed',
  'worker told to stop',
  'worker suspended',
  'directory away',
  'directory away for long',
  'password refused',
  'throttled',
  /** The ledger's table alone, for longer than a message bears to be received again and again. */
  'ledger away for long',
  'node away',
  'node lies',
  'joins fail',
  /** The script of a join is killed right after the password change: a member by keytab and directory, and nothing works. */
  'join cut short',
  /** sssd does not start on the node, or knows no user, until that heals by itself: before the last attempt, or long after. */
  'users unknown',
  'users unknown for long',
  'leaves hang',
  'group deleted',
  'account disabled',
  'account deleted',
  /** An administrator moves the account out of our unit, and another tool overwrites its stamp. */
  'account moved',
  /** The node deletes the stamp of its own account, which a computer may, and the account stays where it is. */
  'stamp deleted',
  /** As moved, to where our service account may not delete it for a while. */
  'account out of reach',
  /** The service account may not remove DNS records for a while. */
  'DNS right missing',
  /** Another account under our organizational unit gets the instance's stamp: a name that we would never give. */
  'stamped by a person',
  /** What EC2 and Auto Scaling show of instances lags behind. */
  'view stale',
] as const;
export type SweepLease = (typeof turns)[number];

/** What an instance goes through, each as soon as it has come to rest after the last. */
const lives = ['scale-in', 'root volume replaced', 'into the warm pool', 'out of the warm pool'] as const;
export type Life = (typeof lives)[number];

export type Moment =
  | { readonly call: Call; readonly nth: number }
  /** The n-th call of all. */
  | { readonly call: 'any'; readonly nth: number };

export interface Happening {
  readonly moment: Moment;
  /** A turn is taken right before the call's request is sent. */
  readonly what: readonly (Fault | SweepLease)[];
}

export interface Heartbeats {
  readonly launching: number;
  readonly terminating: number;
}

/** One worker, one instance, hooks of five minutes, and nothing that happens: what a test sets a single thing into. */
export const plainSchedule: Schedule = {
  workers: 1,
  instances: [{ warm: false, lives: [] }],
  latencies: [50],
  happenings: [],
  heartbeats: { launching: 300, terminating: 300 },
  capped: false,
  spread: 0.6,
  wakesTo: 'answer',
  nameTaken: false,
  hookAfterAbandon: false,
  hold: false,
};

export interface Schedule {
  readonly workers: 1 | 2;
  readonly instances: readonly { readonly warm: boolean; readonly lives: readonly Life[] }[];
  /** Milliseconds that requests and answers take, in turn and around again. */
  readonly latencies: readonly number[];
  readonly happenings: readonly Happening[];
  /** Seconds between heartbeats of the launching and of the terminating hook. */
  readonly heartbeats: Heartbeats;
  /** Whether an action ends after 240 s whatever its heartbeats say; otherwise after a hundred of them. */
  readonly capped: boolean;
  /** Where in its spread a worker's first sweep begins, from 0 to 1, exclusive. */
  readonly spread: number;
  /** What a worker that was suspended finds first. */
  readonly wakesTo: 'alarm' | 'answer';
  /** Whether somebody else's account holds the first name of the first instance. */
  readonly nameTaken: boolean;
  /** Whether the terminating hook comes after a launch that was abandoned (AWS promises neither). */
  readonly hookAfterAbandon: boolean;
  /** Whether a launch that cannot join is held instead of abandoned. */
  readonly hold: boolean;
}

const moment: fc.Arbitrary<Moment> = fc.oneof(
  fc.record({ call: fc.constantFrom(...calls), nth: fc.integer({ min: 1, max: 4 }) }),
  fc.record({ call: fc.constant('any' as const), nth: fc.integer({ min: 1, max: 60 }) }),
);

const happening: fc.Arbitrary<Happening> = fc.record({
  moment,
  what: fc.uniqueArray(fc.oneof(fc.constantFrom(...faults), fc.constantFrom(...turns)), {
    minLength: 1,
    maxLength: 3,
  }),
});

/** Calls whose outcome others depend on, and what makes two workers or two actions meet there. */
const crossing: fc.Arbitrary<Happening> = fc.record({
  moment: fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({
        call: fc.constantFrom(
          'directory.stage',
          'directory.inspect',
          'directory.find',
          'directory.disable',
          'directory.remove',
          'directory.records',
          'nodes.join',
          'autoscaling.heartbeat',
          'autoscaling.complete',
        ),
        nth: fc.integer({ min: 1, max: 4 }),
      }),
    },
    // A launch and a termination write to the ledger twenty times, renewals not counted.
    {
      weight: 1,
      arbitrary: fc.record({
        call: fc.constant('table.write' as const),
        nth: fc.integer({ min: 1, max: 20 }),
      }),
    },
  ),
  what: fc.uniqueArray(
    fc.constantFrom(
      'scale-in',
      'message again',
      'refused',
      'answer lost',
      'request late',
      'answer late',
      'crash after',
      'suspended for minutes',
    ),
    { minLength: 1, maxLength: 2 },
  ),
});

/** What befalls a sweep: in one that follows the launch, in one that finds something, or in one of the quiet time. */
const sweeping: fc.Arbitrary<Happening> = fc.record({
  moment: fc.record({ call: fc.constantFrom(...sweepCalls), nth: fc.integer({ min: 1, max: 6 }) }),
  what: fc.uniqueArray(
    fc.oneof(
      fc.constantFrom(...faults),
      fc.constantFrom(
        'scale-in',
        'instance dies',
        'terminated past the hooks',
        'hooks deleted',
        'detached',
        'directory away for long',
        'throttled',
        'stamped by a person',
        'account deleted',
        'view stale',
      ),
    ),
    { minLength: 1, maxLength: 2 },
  ),
});

const instance = fc.record({
  warm: fc.oneof({ weight: 4, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
  lives: fc.array(fc.constantFrom(...lives), { maxLength: 3 }),
});

const latency = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(5, 20, 50, 200) },
  { weight: 1, arbitrary: fc.constantFrom(1_000, 4_000) },
);

const rarely = fc.oneof(
  { weight: 5, arbitrary: fc.constant(false) },
  { weight: 1, arbitrary: fc.constant(true) },
);

/** Seconds; with this heartbeat, calls may take as long as they like. */
const USUAL_HEARTBEAT = 300;
/** From the shortest that a hook can have to the longest. */
const heartbeat = fc.oneof(
  { weight: 7, arbitrary: fc.constant(USUAL_HEARTBEAT) },
  { weight: 1, arbitrary: fc.constantFrom(30, 60, 3_600, 7_200) },
);

/**
 * What is hidden for 12 s can't be renewed in a world in which each request and each answer takes 9 s. So with a short hook
 * they take no more than a sixtieth of its heartbeat.
 */
function keepable(schedule: Schedule): Schedule {
  const { launching, terminating } = schedule.heartbeats;
  const shortest = Math.min(launching, terminating);
  if (shortest >= USUAL_HEARTBEAT) return schedule;
  const longestMs = (shortest * 1000) / 60;
  return { ...schedule, latencies: schedule.latencies.map((each) => Math.min(each, longestMs)) };
}

export const schedulesOf = (workers: Schedule['workers']): fc.Arbitrary<Schedule> =>
  anyOf(workers).map(keepable);

const anyOf = (workers: Schedule['workers']): fc.Arbitrary<Schedule> =>
  fc.record({
    workers: fc.constant(workers),
    instances: fc.oneof(
      { weight: 4, arbitrary: fc.array(instance, { minLength: 1, maxLength: 1 }) },
      { weight: 1, arbitrary: fc.array(instance, { minLength: 2, maxLength: 2 }) },
    ),
    latencies: fc.array(latency, { minLength: 1, maxLength: 8 }),
    happenings: fc.array(fc.oneof(happening, crossing, sweeping), { maxLength: 6 }),
    heartbeats: fc.record({ launching: heartbeat, terminating: heartbeat }),
    capped: rarely,
    spread: fc.constantFrom(0, 0.3, 0.6, 0.99),
    wakesTo: fc.constantFrom('alarm' as const, 'answer' as const),
    nameTaken: rarely,
    hookAfterAbandon: rarely,
    hold: rarely,
  });

const isOneOf = <T extends string>(known: readonly T[], text: string): text is T =>
  known.some((candidate) => candidate === text);

export const isFault = (what: Fault | SweepLease): what is Fault => isOneOf(faults, what);
