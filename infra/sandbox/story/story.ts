/**
 * The story: the group scales out, in, and to nothing, and after each part the claims are proven.
 *
 * The agent has no part in the telling. Its ledger gives the times of the steps, and nothing else.
 */
import type { Clock } from '../clock.ts';
import {
  type Baseline,
  type Expectations,
  proveAbsence,
  proveMembers,
  takeBaseline,
  type Witnesses,
} from './checks.ts';
import { currentStep, launchSteps, terminateSteps } from './memberships.ts';
import { type Proof, proofLines } from './proof.ts';
import { type CallCount, callLines, summaryLines, systemLines } from './summary.ts';
import type { View } from './view.ts';
import { createWatch, type Sighting, StoryTimeout, type Watched } from './watch.ts';

/** How a process ended. */
export interface Ending {
  readonly code: number | null;
  readonly signal: string | null;
}

/** What the story needs of a running sandbox. */
export interface Subject {
  readonly witnesses: Witnesses;
  readonly expected: Expectations;
  look(): Promise<Sighting>;
  setDesiredCapacity(size: number): Promise<void>;
  /** How often the agent died by itself. */
  agentDeaths(): number | Promise<number>;
  /** Sends SIGTERM to the agent and waits for its end; null when it had to be killed. */
  stopAgent(): Promise<Ending | null>;
  /** Calls that the worker made, by operation. */
  calls(): readonly CallCount[];
  /** Milliseconds that the join of one instance more may take on two cores. Default: 5,000, as on Linux. */
  readonly joinMs?: number;
  /** The system of an instance's machine, where there are several. */
  systemOf?(instanceId: string): string | undefined;
  /** What else this fleet shows, after each chapter. */
  alsoProve?(chapter: ChapterFacts): Promise<readonly Proof[]>;
  /** Where a person reads what happened. */
  readonly logFile: string;
}

/** A chapter as it went. */
export interface ChapterFacts {
  readonly size: number;
  /** The size before it. */
  readonly previous: number;
  /** All that have been seen so far. */
  readonly instances: readonly Watched[];
}

/** A part of a story: something happens, the fleet comes to rest, and claims are proven. */
export interface Part {
  readonly title: string;
  /** The size that the fleet has then. */
  readonly size: number;
  act(): Promise<void>;
  /** @param living the instances that Auto Scaling lists @param seen all that have been seen so far */
  prove(living: readonly string[], seen: readonly Watched[], signal: AbortSignal): Promise<readonly Proof[]>;
}

/** Makes the parts of a story. @param known what was there before the fleet */
export type Plot = (known: Baseline) => readonly Part[];

export interface Chapter {
  readonly title: string;
  readonly size: number;
  readonly seconds: number;
  readonly proofs: readonly Proof[];
}

export interface StoryResult {
  readonly proven: boolean;
  readonly seconds: number;
  readonly chapters: readonly Chapter[];
  readonly instances: readonly Watched[];
  /** The system of each instance, where there are several. */
  readonly systems: ReadonlyMap<string, string>;
  readonly calls: readonly CallCount[];
}

/** The sizes that the group takes one after the other. */
export function sizesOf(instances: number): number[] {
  const sizes = [instances, Math.min(2, instances), 0];
  return sizes.filter((size, index) => size !== sizes[index - 1]);
}

/**
 * How long a chapter may take. A join of six takes seconds; the rest is for a busy machine, since a story that ends too
 * early proves nothing. Every instance adds its own join on two cores.
 */
const chapterLimitMs = (instances: number, joinMs = 5_000): number => 120_000 + joinMs * instances;

/** What an instance that did not get there in time is stuck in, or why it was given up. */
function stuck({ instanceId, lifecycleState, membership }: Watched): string {
  const error = membership?.lastError;
  const why = error ? `; last error ${error.code}: ${error.message}` : '';
  if (lifecycleState === undefined) return `${instanceId} is gone, its membership ${membership?.state}${why}`;
  const leaving = lifecycleState.startsWith('Terminating');
  const times = leaving ? membership?.terminate : membership?.launch;
  if (times === undefined)
    return `${instanceId} is ${lifecycleState}, no message about it was received${why}`;
  const step = currentStep(times, leaving ? terminateSteps : launchSteps);
  return `${instanceId} is ${lifecycleState}, ${step === undefined ? 'answered' : `in step ${step}`}${why}`;
}

function timeoutProof(
  title: string,
  size: number,
  limitMs: number,
  instances: readonly Watched[],
  logFile: string,
): Proof {
  const there = instances.filter((watched) => watched.lifecycleState === 'InService').length;
  // An instance that was given up is gone, but it knows why the group is not where it should be.
  const failures = instances
    .filter(({ lifecycleState, membership }) =>
      lifecycleState === undefined ? membership?.lastError !== undefined : lifecycleState !== 'InService',
    )
    .map(stuck);
  return {
    claim: `${title} within ${limitMs / 1000} s`,
    proven: false,
    figures: `${there} of ${size} in service`,
    failures: [...failures, `look into ${logFile}`],
  };
}

function agentProof(deaths: number, ending: Ending | null): Proof {
  const failures: string[] = [];
  if (deaths > 0) failures.push(`it died ${deaths} times and was restarted`);
  if (ending === null) failures.push('it did not end in time and was killed');
  else if (ending.code !== 0) failures.push(`it ended with ${ending.code ?? ending.signal}`);
  return {
    claim: 'agent: never died, and ended with 0 on SIGTERM',
    proven: failures.length === 0,
    figures: `${deaths} deaths`,
    failures,
  };
}

/** The group takes the sizes one after the other; who is in service is a member, and nothing is left of who is gone. */
export function scaling(sizes: readonly number[], subject: Subject, clock: Clock): Plot {
  const { witnesses, expected } = subject;
  return (known) =>
    sizes.map((size, index) => {
      const previous = sizes[index - 1] ?? 0;
      return {
        title: `scale ${size > previous ? 'out' : 'in'} to ${size}`,
        size,
        act: () => subject.setDesiredCapacity(size),
        async prove(living, seen, signal) {
          const proofs: Proof[] = [];
          if (size > 0) proofs.push(...(await proveMembers(size, witnesses, expected, known, clock, signal)));
          if (size < previous) proofs.push(...(await proveAbsence(living, witnesses, expected, known)));
          proofs.push(...((await subject.alsoProve?.({ size, previous, instances: seen })) ?? []));
          return proofs;
        },
      };
    });
}

/**
 * Tells a story. Rejects only when the signal aborts.
 * @param plot what happens. Default: the group goes out, in to two, and to nothing
 */
export async function tellStory(
  instances: number,
  subject: Subject,
  view: View,
  clock: Clock,
  signal: AbortSignal,
  plot: Plot = scaling(sizesOf(instances), subject, clock),
): Promise<StoryResult> {
  const startedAt = clock.now();
  const chapters: Chapter[] = [];
  const watch = createWatch(
    () => subject.look(),
    clock,
    (seen) => view.update(seen),
  );
  const baseline = await takeBaseline(subject.witnesses.auditor);

  for (const part of plot(baseline)) {
    const chapter = await tellChapter(part);
    chapters.push(chapter);
    if (chapter.proofs.some((proof) => !proof.proven)) break;
  }
  chapters.push(await tellEnd());

  return {
    proven: chapters.every((chapter) => chapter.proofs.every((proof) => proof.proven)),
    seconds: (clock.now() - startedAt) / 1000,
    chapters,
    instances: watch.instances(),
    systems: new Map(
      watch.instances().flatMap(({ instanceId }) => {
        const system = subject.systemOf?.(instanceId);
        return system === undefined ? [] : [[instanceId, system] as const];
      }),
    ),
    calls: subject.calls(),
  };

  async function tellChapter(part: Part): Promise<Chapter> {
    const { title, size } = part;
    const chapterStart = clock.now();
    const limitMs = chapterLimitMs(instances, subject.joinMs);
    view.begin(title);
    const proofs: Proof[] = [];
    let seconds = 0;
    try {
      await part.act();
      await watch.until((seen) => settled(seen, size), chapterStart + limitMs, signal);
      seconds = (clock.now() - chapterStart) / 1000;
      const living = [...(await subject.witnesses.lifecycleStates()).keys()];
      proofs.push(...(await part.prove(living, watch.instances(), signal)));
    } catch (error) {
      signal.throwIfAborted();
      seconds = (clock.now() - chapterStart) / 1000;
      proofs.push(
        error instanceof StoryTimeout
          ? timeoutProof(title, size, limitMs, watch.instances(), subject.logFile)
          : broken(title, error),
      );
    }
    for (const proof of proofs) for (const line of proofLines(proof)) view.say(line);
    view.say('');
    return { title, size, seconds, proofs };
  }

  async function tellEnd(): Promise<Chapter> {
    const chapterStart = clock.now();
    const deaths = await subject.agentDeaths();
    const proof = agentProof(deaths, await subject.stopAgent());
    // The agent writes down that it answered only after it answered: the last steps are in the ledger now.
    await watch.refresh();
    for (const line of proofLines(proof)) view.say(line);
    return {
      title: 'stop the agent',
      size: 0,
      seconds: (clock.now() - chapterStart) / 1000,
      proofs: [proof],
    };
  }
}

const broken = (title: string, error: unknown): Proof => ({
  claim: `${title} could be looked at`,
  proven: false,
  figures: 'it failed',
  failures: [error instanceof Error ? error.message : String(error)],
});

/** Auto Scaling lists as many instances as were asked for, and all of them are in service. */
function settled(instances: readonly Watched[], size: number): boolean {
  const listed = instances.filter((watched) => watched.lifecycleState !== undefined);
  return listed.length === size && listed.every((watched) => watched.lifecycleState === 'InService');
}

/** The end of what a person reads. */
export function closingLines(result: StoryResult): string[] {
  const proofs = result.chapters.flatMap((chapter) => chapter.proofs);
  const failed = proofs.filter((proof) => !proof.proven);
  const verdict =
    failed.length === 0
      ? `✔ all ${proofs.length} claims proven in ${result.seconds.toFixed(1)} s`
      : `✘ ${failed.length} of ${proofs.length} claims not proven, after ${result.seconds.toFixed(1)} s`;
  return [
    '',
    ...summaryLines(result.instances),
    ...systemLines(result.instances, result.systems),
    '',
    ...callLines(result.calls),
    '',
    verdict,
    ...(failed.length === 0 ? [] : failed.flatMap(proofLines)),
  ];
}
