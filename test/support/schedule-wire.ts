/** Between a worker and the world: each call as a request and an answer, with whatever a schedule has for it. */
import { AdjoinError } from '../../agent/errors.ts';
import type { Cloud } from './schedule-cloud.ts';
import type { Domain } from './schedule-domain.ts';
import type { Kernel, Process } from './schedule-kernel.ts';
import { isFault, type Call, type Fault, type Schedule, type SweepLease } from './schedule.ts';

/** A worker as the world can get at it. */
export interface Worker {
  readonly process: Process;
  /** SIGTERM. */
  stop(): void;
  /** SIGKILL. */
  kill(why: string): void;
}

export interface Wire {
  /** When the last thing that went wrong had passed, milliseconds since the Unix epoch. */
  readonly disturbedUntil: number;
  /**
   * @param carryOut what the other side does once the request has arrived
   * @param signal lets the caller go at once; the request stays on its way
   */
  call<T>(worker: Worker, name: Call, subject: string, carryOut: () => T, signal?: AbortSignal): Promise<T>;
}

/** Tells one event of the story; the words are made only if somebody listens. */
export type Tell = (who: string, what: () => string) => void;

export interface WireOptions {
  readonly schedule: Schedule;
  readonly kernel: Kernel;
  readonly cloud: Cloud;
  readonly domain: Domain;
  readonly tell: Tell;
  /** Somebody has spoilt an instance's membership. */
  readonly onTampering: (instanceId: string) => void;
}

/** Milliseconds that a late request or answer takes; less than any time-out of a client. */
const LATE = 12_000;
/** Milliseconds: longer than any lease. */
const MINUTES = 180_000;
const HOUR = 3_600_000;
/** Milliseconds that an outage lasts, and that throttling does. */
const OUTAGE = 200_000;
const LONG_OUTAGE = 1_000_000;
const THROTTLING = 60_000;
/** Milliseconds: longer than one attempt to join, shorter than all of them. */
const HEALING = 30_000;
/** Milliseconds: more than all receives of a message that comes back each time its visibility ends. */
const LEDGER_OUTAGE = 3_000_000;
/** Milliseconds for which the view of instances is stale. */
const STALE = 90_000;

type Outcome<T> = { readonly value: T } | { readonly error: unknown };

function attempt<T>(run: () => T): Outcome<T> {
  try {
    return { value: run() };
  } catch (error) {
    return { error };
  }
}

function told<T>(outcome: Outcome<T>): string {
  if (!('error' in outcome)) return outcome.value === false ? 'refused by its condition' : 'ok';
  return outcome.error instanceof AdjoinError ? outcome.error.code : String(outcome.error);
}

const listed = (faults: readonly Fault[]): string => (faults.length > 0 ? ` [${faults.join(', ')}]` : '');

const never = <T>(): Promise<T> => new Promise<T>(() => undefined);

export function createWire(options: WireOptions): Wire {
  const { schedule, kernel, cloud, domain, tell } = options;
  const counts = new Map<string, number>();
  let latencies = 0;
  let awayUntil = 0;
  let refusedUntil = 0;
  let throttledUntil = 0;
  let ledgerAwayUntil = 0;
  let disturbedUntil = 0;

  /** @returns milliseconds since the Unix epoch */
  function disturb(ms: number): number {
    const until = kernel.now() + ms;
    disturbedUntil = Math.max(disturbedUntil, until);
    return until;
  }

  function latency(): number {
    latencies += 1;
    return schedule.latencies[latencies % schedule.latencies.length] ?? 0;
  }

  function count(what: string): number {
    const next = (counts.get(what) ?? 0) + 1;
    counts.set(what, next);
    return next;
  }

  function dueAt(name: Call): (Fault | SweepLease)[] {
    const now = [
      { call: name, nth: count(name) },
      { call: 'any', nth: count('any') },
    ];
    return schedule.happenings
      .filter(({ moment }) => now.some(({ call, nth }) => call === moment.call && nth === moment.nth))
      .flatMap(({ what }) => what);
  }

  function take(turn: SweepLease, worker: Worker, subject: string): void {
    const [first = ''] = cloud.instances.keys();
    const instanceId = cloud.instances.has(subject) ? subject : first;
    tell('world', () => `${turn} (${instanceId})`);
    disturb(0);
    const all = [...cloud.actions.values()].filter((action) => action.instanceId === instanceId);
    const turns: Record<SweepLease, () => void> = {
      'message again': () => cloud.again(all.at(-1)?.token),
      'old message again': () => cloud.again(all[0]?.token),
      'forged message': () => cloud.forge(instanceId),
      'scale-in': () => cloud.scaleIn(instanceId),
      'instance dies': () => cloud.die(instanceId),
      'terminated past the hooks': () => cloud.terminate(instanceId),
      'hooks deleted': () => cloud.deleteHooks(),
      detached: () => cloud.detach(instanceId),
      'a person continues': () => cloud.person(instanceId, 'CONTINUE'),
      'a person abandons': () => cloud.person(instanceId, 'ABANDON'),
      'worker killed': () => worker.kill('killed'),
      'worker told to stop': () => worker.stop(),
      'worker suspended': () => suspend(worker, MINUTES),
      'directory away': () => (awayUntil = disturb(OUTAGE)),
      'directory away for long': () => (awayUntil = disturb(LONG_OUTAGE)),
      'password refused': () => (refusedUntil = disturb(OUTAGE)),
      throttled: () => (throttledUntil = disturb(THROTTLING)),
      'ledger away for long': () => (ledgerAwayUntil = disturb(LEDGER_OUTAGE)),
      'node away': () => domain.away(instanceId, OUTAGE),
      'node lies': () => (domain.mood.lies += 1),
      'joins fail': () => (domain.mood.failures += 2),
      'join cut short': () => (domain.mood.cuts += 1),
      'users unknown': () => domain.breakUsers(instanceId, disturb(HEALING) - kernel.now()),
      'users unknown for long': () => domain.breakUsers(instanceId, disturb(LONG_OUTAGE) - kernel.now()),
      'leaves hang': () => (domain.mood.leavesHang = true),
      'view stale': () => {
        disturb(STALE);
        cloud.lag(STALE);
      },
      'group deleted': () => cloud.deleteGroup(),
      'account disabled': () => {
        options.onTampering(instanceId);
        domain.disable(instanceId);
      },
      'account deleted': () => {
        options.onTampering(instanceId);
        domain.delete(instanceId);
      },
      'account moved': () => {
        options.onTampering(instanceId);
        domain.move(instanceId);
      },
      'stamp deleted': () => {
        options.onTampering(instanceId);
        domain.unstamp(instanceId);
      },
      'account out of reach': () => {
        options.onTampering(instanceId);
        const restore = domain.guard(domain.move(instanceId));
        kernel.after(disturb(LONG_OUTAGE) - kernel.now(), restore);
      },
      'DNS right missing': () => {
        const restore = domain.denyRecords();
        kernel.after(disturb(LONG_OUTAGE) - kernel.now(), restore);
      },
      'stamped by a person': () => domain.addForeign(instanceId),
    };
    turns[turn]();
  }

  function suspend(worker: Worker, ms: number): void {
    tell(worker.process.name, () => `suspended for ${ms / 1000} s`);
    worker.process.suspendedUntil = Math.max(worker.process.suspendedUntil, disturb(ms));
  }

  /** Why a request is not carried out at all, if it is not. */
  function refusal(name: Call, refused: boolean): AdjoinError | undefined {
    const now = kernel.now();
    if (now < ledgerAwayUntil && /^(table|sweep)\./.test(name)) {
      return new AdjoinError('aws-unavailable', 'no answer');
    }
    if (!name.startsWith('directory.')) {
      return refused || now < throttledUntil ? new AdjoinError('aws-throttled', 'Rate exceeded') : undefined;
    }
    if (now < refusedUntil) return new AdjoinError('credential-refused', 'wrong password');
    return refused || now < awayUntil ? new AdjoinError('directory-unavailable', 'no answer') : undefined;
  }

  const lost = (name: Call): AdjoinError =>
    name.startsWith('directory.')
      ? new AdjoinError('directory-unavailable', 'The answer was lost.')
      : new AdjoinError('aws-unavailable', 'The answer was lost.');

  function arrive<T>(name: Call, due: readonly (Fault | SweepLease)[], carryOut: () => T): Outcome<T> {
    const refused = refusal(name, due.includes('refused'));
    if (refused) return { error: refused };
    let outcome = attempt(carryOut);
    if (due.includes('carried out twice')) outcome = attempt(carryOut);
    return due.includes('answer lost') ? { error: lost(name) } : outcome;
  }

  return {
    get disturbedUntil() {
      return disturbedUntil;
    },
    call(worker, name, subject, carryOut, signal) {
      const { process } = worker;
      if (process.dead) return never();
      if (signal?.aborted) return Promise.reject(signal.reason);
      const due = dueAt(name);
      if (due.length > 0) disturb(0);
      if (due.includes('crash before')) {
        worker.kill(`dies before ${name}`);
        return never();
      }
      for (const what of due) if (!isFault(what)) take(what, worker, subject);
      if (process.dead) return never();
      if (due.includes('suspended for minutes')) suspend(worker, MINUTES);
      if (due.includes('suspended for an hour')) suspend(worker, HOUR);
      const there = latency() + (due.includes('request late') ? LATE : 0);
      const back = latency() + (due.includes('answer late') ? LATE : 0);
      return new Promise((resolve, reject) => {
        const abort = (): void => reject(signal?.reason);
        signal?.addEventListener('abort', abort, { once: true });
        kernel.after(
          there,
          () => {
            const outcome = arrive(name, due, carryOut);
            tell(process.name, () => `${name} ${subject}: ${told(outcome)}${listed(due.filter(isFault))}`);
            if (due.includes('crash after')) worker.kill(`dies before the answer to ${name}`);
            const answer = (): void => {
              signal?.removeEventListener('abort', abort);
              if ('error' in outcome) reject(outcome.error);
              else resolve(outcome.value);
            };
            kernel.after(back, answer, process, 'answer');
          },
          undefined,
          'request',
        );
      });
    },
  };
}
