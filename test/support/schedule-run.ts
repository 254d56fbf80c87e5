/**
 * Plays a schedule: the agent's core as one or two worker processes against the world in simulated time, with the
 * invariants looked at after every step.
 */
import type { Membership } from '../../agent/ledger/membership.ts';
import { createHandler } from '../../agent/lifecycle/handler.ts';
import { createSlots } from '../../agent/lifecycle/slots.ts';
import type { Log } from '../../agent/log.ts';
import { createSweepLeases } from '../../agent/sweep/lease.ts';
import type { Finding, SweepReport } from '../../agent/sweep/report.ts';
import { SPREAD_MS, sweepOnSchedule, sweepStops } from '../../agent/sweep/schedule.ts';
import { sweep } from '../../agent/sweep/sweep.ts';
import type { Ending } from '../../agent/terms.ts';
import { createWorker } from '../../agent/worker.ts';
import { logTo } from './memory-log.ts';
import type { ReceivedMessage } from './memory-queue.ts';
import { createMemorySweepLease, createMemoryTable } from './memory-table.ts';
import { ACCOUNT, createCloud, REGION, VISIBILITY_MS, type Cloud } from './schedule-cloud.ts';
import { createDomain, nameOf, seal, type Domain } from './schedule-domain.ts';
import { createInvariants } from './schedule-invariants.ts';
import { createKernel, type Process } from './schedule-kernel.ts';
import { createPorts, type Defect, type Ports, type Tables } from './schedule-ports.ts';
import { AGE_GUARD_MS, LEASE_MS, OPERATION_MS, SWEEP_INTERVAL_MS } from './schedule-settings.ts';
import { createWire, type Tell, type Worker } from './schedule-wire.ts';
import type { Schedule } from './schedule.ts';
import { noNodeDefaults } from './node-facts.ts';

export interface Outcome {
  readonly endings: readonly Ending[];
  /** What the sweeps came upon, `orphan removed`, and what became of each run, `run complete`. */
  readonly swept: ReadonlySet<string>;
  readonly cloud: Cloud;
  readonly domain: Domain;
  readonly table: ReadonlyMap<string, Membership>;
}

export interface PlayOptions {
  readonly defect?: Defect;
  /** Told of everything that happens, one line each. */
  readonly tell?: (line: string) => void;
}

/** Few, so that actions wait for them. */
const SLOTS = 2;
const DRAIN_MS = 30_000;
const LONG_POLL_MS = 20_000;
/** Milliseconds until a process that has ended is started again. */
const RESTART_MS = 5_000;
/** Virtual milliseconds in which everything must have come to an end. */
const LIMIT_MS = 16 * 3_600_000;
/** Calls, one after the other, of a sweep that has something to do. */
const SWEEP_CALLS = 30;

/** Milliseconds of quiet after which nothing may be left for the sweep: the age guard, two intervals, two sweeps. */
function quietMs({ latencies, spread }: Schedule): number {
  const sweepMs = SWEEP_CALLS * 2 * Math.max(...latencies);
  return AGE_GUARD_MS + 2 * (SWEEP_INTERVAL_MS + spread * SPREAD_MS + sweepMs);
}

const pauses = { firstMs: 2_000, longestMs: 30_000, random: () => 0 };
const patience = {
  joinMs: 600_000,
  unjoinMs: 600_000,
  leaveMs: 15_000,
  postJoinMs: 600_000,
  joinAttempts: 3,
  operationMs: OPERATION_MS,
  pauses,
};

const idOf = (index: number): string => `i-0000000000000000${index + 1}`;

/** @throws Error when a promise is broken */
export async function play(schedule: Schedule, options: PlayOptions = {}): Promise<Outcome> {
  const kernel = createKernel(schedule.wakesTo);
  const began = kernel.now();
  const tell: Tell = (who, what) => {
    if (!options.tell) return;
    const seconds = ((kernel.now() - began) / 1000).toFixed(3);
    options.tell(`${seconds.padStart(10)} s  ${who.padEnd(6)} ${what()}`);
  };
  const tables: Tables = { memberships: createMemoryTable(), sweepLease: createMemorySweepLease() };
  const table = tables.memberships.memberships;
  const endings: Ending[] = [];
  const swept = new Set<string>();
  let sweepOwners = 0;
  const domain = createDomain(kernel);
  const { heartbeats, capped, hold, hookAfterAbandon } = schedule;
  const cloud = createCloud({ kernel, nodes: domain.booting, heartbeats, capped, hold, hookAfterAbandon });
  const invariants = createInvariants({ cloud, domain, table, now: () => kernel.now() });
  const wire = createWire({
    schedule,
    kernel,
    cloud,
    domain,
    tell,
    onTampering: (instanceId) => invariants.tampered(instanceId),
  });
  /** Messages in the hands of processes that live. */
  const busy = new Map<Process, number>();
  let passwords = 0;

  function logOf(process: Process): Log {
    return logTo(({ level, event, fields: { error } }) => {
      if (process.dead) return;
      tell(process.name, () => `${level}: ${event}${error instanceof Error ? ` (${error.message})` : ''}`);
    });
  }

  /** A long poll: SQS answers it as soon as a message is sent or becomes visible. */
  async function receive(worker: Worker, maximum: number): Promise<readonly ReceivedMessage[]> {
    const clock = kernel.clockOf(worker.process);
    const end = kernel.now() + LONG_POLL_MS;
    for (;;) {
      if (cloud.nextVisible() === 0) {
        const found = await wire.call(worker, 'queue.receive', '', () => cloud.receive(maximum));
        if (found.length > 0) return found;
      }
      const left = end - kernel.now();
      if (left <= 0) return [];
      const pause = Math.min(left, Math.max(500, cloud.nextVisible()));
      await clock.sleep(pause, cloud.nextSent).catch(() => undefined);
    }
  }

  function sweepOf(hand: Worker, ports: Ports, log: Log, signal: AbortSignal): Promise<void> {
    const { process } = hand;
    const clock = kernel.clockOf(process);
    const nextOwner = (): string => `${process.name}/sweep/${(sweepOwners += 1)}`;
    return sweepOnSchedule(
      {
        leases: createSweepLeases({ store: ports.sweepLease, clock, nextOwner, leaseMs: LEASE_MS }),
        intervalMs: SWEEP_INTERVAL_MS,
        async sweep(stopped) {
          tell(process.name, () => 'begins to sweep');
          const done = invariants.sweeping(process, stopped);
          const report = await sweep(
            { ...ports.sweep, clock, log },
            { ...ports.sweepLimits, dryRun: false },
            stopped,
          );
          done();
          for (const line of linesOf(report)) swept.add(line);
          tell(process.name, () => `has swept: ${linesOf(report).join(', ')}`);
          return report;
        },
        clock,
        random: () => schedule.spread,
        log,
      },
      signal,
    );
  }

  function start(slot: string, life: number): void {
    const process: Process = { name: `${slot}.${life}`, dead: false, suspendedUntil: 0 };
    const clock = kernel.clockOf(process);
    const log = logOf(process);
    busy.set(process, 0);
    const ended = (why: string): void => {
      if (process.dead) return;
      tell(process.name, () => why);
      process.dead = true;
      busy.delete(process);
      kernel.after(RESTART_MS, () => start(slot, life + 1));
    };
    const inHand = (change: number): void => {
      if (!process.dead) busy.set(process, (busy.get(process) ?? 0) + change);
    };
    const sweeping = new AbortController();
    const stop = (): void => {
      worker.stop();
      sweeping.abort(sweepStops());
    };
    const hand: Worker = { process, stop, kill: ended };
    const defect = options.defect ?? {};
    const ports = createPorts({ kernel, cloud, domain, tables, wire, invariants, defect }, hand);
    const slots = createSlots(SLOTS, clock);
    const handler = createHandler({
      expected: { accountId: ACCOUNT, region: REGION },
      admission: ports.admission,
      completion: ports.completion,
      ledger: ports.ledger,
      outcomes: { find: () => Promise.resolve(undefined), note: () => Promise.resolve() },
      inquiries: { answer: () => Promise.resolve() },
      work: {
        directory: ports.directory,
        nodes: ports.nodes,
        clock,
        patience,
        nodeDefaults: noNodeDefaults,
        newChallenge: () => `adjoin-${'0'.repeat(32)}`,
        newOneTimePassword: () => {
          passwords += 1;
          return { value: `one-time-${passwords}`, forget: () => undefined };
        },
        seal,
      },
      slots,
      log,
      count: (ending) => {
        endings.push(ending);
        tell(process.name, () => `ends a message: ${ending}`);
      },
    });
    const worker = createWorker({
      queue: { ...ports.queue, receive: (maximum) => receive(hand, Math.min(10, maximum)) },
      visibilityMs: VISIBILITY_MS,
      handler: {
        ...handler,
        async handle(delivery) {
          inHand(1);
          await handler.handle(delivery);
          inHand(-1);
        },
      },
      slots,
      drainMs: DRAIN_MS,
      pauses,
      clock,
      log,
    });
    const swept = sweepOf(hand, ports, log, sweeping.signal);
    void Promise.all([worker.run(), swept]).then(() => ended('has drained'));
  }

  if (schedule.nameTaken) domain.addStranger(nameOf(idOf(0), 'A'));
  invariants.begin();
  for (const [index, { warm, lives }] of schedule.instances.entries()) cloud.launch(idOf(index), warm, lives);
  for (let number = 1; number <= schedule.workers; number += 1) start(`w${number}`, 1);
  const idle = (): boolean => {
    for (const count of busy.values()) if (count > 0) return false;
    return true;
  };
  let quietSince = began;
  await kernel.run(
    () => {
      if (kernel.pending > 0 || !idle() || !cloud.quiet) quietSince = kernel.now();
      return kernel.now() > Math.max(quietSince, wire.disturbedUntil) + quietMs(schedule);
    },
    LIMIT_MS,
    () => invariants.check(),
  );
  invariants.end();
  return { endings, swept, cloud, domain, table };
}

const lineOf = ({ kind, outcome }: Finding): string =>
  `${kind} ${outcome.result}${outcome.result === 'kept' ? ` ${outcome.reason}` : ''}`;

const linesOf = ({ complete, findings }: SweepReport): string[] => [
  `run ${complete ? 'complete' : 'incomplete'}`,
  ...findings.map(lineOf),
];

/** The schedule as it was played, one line an event. */
export async function story(schedule: Schedule, options: PlayOptions = {}): Promise<string> {
  const lines: string[] = [];
  try {
    await play(schedule, { ...options, tell: (line) => lines.push(line) });
    lines.push('and nothing broke');
  } catch (error) {
    lines.push(error instanceof Error ? error.message : String(error));
  }
  return lines.join('\n');
}
