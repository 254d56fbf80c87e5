/**
 * A chaos run: the whole sandbox with two workers and two domain controllers, a plan of faults, the heal, the audit.
 *
 *   start ─▶ turmoil (the plan's time) ─▶ heal ─▶ rest ─▶ sweep ─▶ workers stopped ─▶ audit
 */
import { setTimeout as wait } from 'node:timers/promises';
import type { GroundFacts } from '../host/namespace.ts';
import { systemClock } from '../clock.ts';
import type { Sandbox } from '../inside/sandbox.ts';
import { stampOf } from '../inside/subject.ts';
import type { Proof } from '../story/proof.ts';
import { audit, type WorkerLife } from './audit.ts';
import { createSpoiltCalls } from './calls.ts';
import { accountsUnder } from './directory.ts';
import { gather } from './evidence.ts';
import type { Timeline } from './picture.ts';
import { playOn } from './overtime.ts';
import { makePlan, type Plan } from './plan.ts';
import { awaitRest, unrestOf } from './quiet.ts';
import { type CloudRecord, inService, listed } from './record.ts';
import type { Life } from '../story/lives.ts';
import * as settings from './settings.ts';
import { type SweepOutcome, sweepOnce } from './sweep.ts';
import { openSystem, replicate } from './system.ts';
import type { Tally } from './table.ts';
import { createTurmoil } from './turmoil.ts';
import type { Lane } from './world.ts';

export interface ChaosOptions {
  readonly ground: Pick<GroundFacts, 'image' | 'runtime'>;
  /** Where files for people go. */
  readonly directory: string;
  readonly seed: string;
  readonly minutes: number;
  /** Whether enough has come about. If not, scaling goes on after the plan's time. */
  readonly enough: (seen: Seen) => boolean;
  /** For how long at most; as long again as the plan unless told otherwise. */
  readonly overtimeMinutes?: number;
  /** Told what is being waited for. */
  readonly progress: (step: string | undefined) => void;
  /** Told how it goes, some seconds apart, in lines of at most 80 columns. */
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

/** What has come about so far. */
export interface Seen {
  readonly tallies: readonly Tally[];
  readonly instances: readonly Life[];
}

export interface ChaosResult {
  readonly plan: Plan;
  readonly tallies: readonly Tally[];
  readonly proofs: readonly Proof[];
  readonly timeline: Timeline;
  readonly launched: number;
}

const workers = 2;
const controllers = 2;
const groupCount = 2;
/** What each group is told to be at the end: some members must be there to be looked at. */
const finalSize = 2;
const sayEveryMs = 4_000;
const listenEveryMs = 1_000;
/** What a worker may take to end: its drain and the long poll before it. */
const workerStopLimitMs = 30_000;

/** Rejects only when the signal aborts or the sandbox itself does not work. */
export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const { signal } = options;
  const clock = systemClock;
  const plan = makePlan({
    seed: options.seed,
    minutes: options.minutes,
    workers,
    controllers,
    groups: groupCount,
    leaseSeconds: settings.visibilitySeconds,
  });
  const calls = createSpoiltCalls((fault) => turmoil.spoilt(fault));
  const system = await openSystem({ ...options, calls, clock });
  const { sandbox, groups, machines, record, world } = system;
  const turmoil = createTurmoil({ plan, world, calls, groups, clock });
  try {
    signal.throwIfAborted();
    return await tell();
  } finally {
    await system.close();
  }

  async function tell(): Promise<ChaosResult> {
    const { domain } = sandbox;
    const placed = await accountsUnder(domain.controller, domain.organizationalUnit);
    const dnsBefore = new Set((await sandbox.auditor.dnsNames()).map((name) => name.toLowerCase()));
    for (let number = 1; number <= workers; number += 1) sandbox.startAgent();

    const startedAt = clock.now();
    const listening = every(listenEveryMs, () => machines.listen(sandbox.fleet.machines()));
    let phase = 'turmoil';
    const telling = every(sayEveryMs, async () => {
      const done = turmoil.tallies().filter((each) => each.injected).length;
      options.say(progressLine(clock.now() - startedAt, phase, record, done));
    });
    try {
      const overtimeMs = (options.overtimeMinutes ?? plan.minutes) * 60_000;
      const enough = (): boolean =>
        options.enough({ tallies: turmoil.tallies(), instances: [...record.instances.values()] });
      await turmoil.run(signal, (over) => {
        phase = 'overtime';
        return playOn({ groups, record, clock }, enough, overtimeMs, over);
      });
      phase = 'healing';
      calls.disarm();
      await world.heal();
      const healedAt = clock.now();
      for (const group of groups.names.keys()) await groups.scale(group + 1, finalSize);
      phase = 'coming to rest';
      const look = () => unrestOf(sandbox, record, groups);
      const tellUnrest = ([first = 'nothing']: readonly string[]): void => {
        phase = `coming to rest (${first})`;
      };
      const unrest = await awaitRest(look, clock, tellUnrest, signal);
      phase = 'sweeping';
      // What the last ones left must be old enough for the sweep.
      await clock.sleep(settings.ageGuardSeconds * 1000, signal);
      const sweeps: SweepOutcome[] = [];
      // The first one settles what is left, the second one must find nothing more to do.
      for (let number = 1; number <= 2; number += 1) {
        // Whatever controller it asks must have heard of what the others know.
        await replicate(sandbox);
        sweeps.push(await sweepOnce(sandbox, clock, signal));
      }
      await listening.stop();
      await machines.listen(sandbox.fleet.machines());
      const lives = await stopWorkers(sandbox, turmoil.marks);
      await telling.stop();
      await replicate(sandbox);
      const evidence = await gather(sandbox, {
        record,
        answers: system.answers,
        writes: system.ledger.writes,
        suspensions: world.suspensions,
        strangers: placed,
        unrest,
        sweeps,
        workers: lives,
        secrets: [...world.passwords, ...machines.oneTimePasswords()],
        dnsBefore,
        directory: options.directory,
        stampOf: (instanceId) => stampOf(sandbox, instanceId),
      });
      return {
        plan,
        tallies: turmoil.tallies(),
        proofs: audit(evidence),
        launched: record.instances.size,
        timeline: {
          title: `adjoin chaos, seed ${plan.seed}: ${plan.minutes} min, ${record.instances.size} instances`,
          from: startedAt,
          to: clock.now(),
          healedAt,
          lanes: lanes(),
          marks: turmoil.marks,
          instances: [...record.instances.values()],
        },
      };
    } finally {
      await listening.stop();
      await telling.stop();
    }
  }
}

const numbered = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);

function lanes(): Lane[] {
  return [
    'AWS',
    ...numbered(workers).map((number): Lane => `worker ${number}`),
    ...numbered(controllers).map((number): Lane => `dc${number}`),
  ];
}

async function stopWorkers(
  sandbox: Sandbox,
  marks: readonly { readonly kind: string; readonly lane: string }[],
): Promise<WorkerLife[]> {
  return Promise.all(
    sandbox.agents().map(async (agent, index) => {
      const name = `worker ${index + 1}`;
      const ending = await agent.stop(workerStopLimitMs);
      const kills = marks.filter((mark) => mark.kind === 'worker-killed' && mark.lane === name).length;
      return { name, deaths: agent.deaths.length, kills, exitCode: ending?.code ?? null };
    }),
  );
}

function progressLine(ms: number, phase: string, record: CloudRecord, injected: number): string {
  const seconds = Math.round(ms / 1000);
  const time = `${String(Math.floor(seconds / 60)).padStart(2, '0')}:${String(seconds % 60).padStart(2, '0')}`;
  const there = listed(record);
  const serving = inService(record).length;
  const leaving = there.filter((each) => each.leavingAt !== undefined).length;
  const launching = there.length - serving - leaving;
  const counts = `${launching} launching, ${serving} serving, ${leaving} leaving, ${injected} faults`;
  return `${time}  ${counts}  ${phase}`.slice(0, 80);
}

/** Does something again and again until it is stopped. Its failures do not fail the run. */
function every(ms: number, work: () => Promise<void>): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const loop = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      await work().catch(() => undefined);
      await wait(ms, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  };
  const done = loop();
  return {
    async stop() {
      stopping.abort();
      await done;
    },
  };
}
