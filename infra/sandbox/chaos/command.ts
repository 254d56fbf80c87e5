/** `npm run chaos`: runs it, prints what happened, writes the picture and the record. */
import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { GroundFacts } from '../host/namespace.ts';
import { giveToOwner } from '../host/namespace.ts';
import { createProgress } from '../inside/progress.ts';
import { proofLines } from '../story/proof.ts';
import { terminal } from '../story/view.ts';
import { parseChaosArguments } from '../command-line/chaos-arguments.ts';
import { type ChaosResult, runChaos } from './chaos.ts';
import { drawTimeline } from './picture.ts';
import { faultLine } from './plan.ts';
import { callTable, faultTable } from './table.ts';

const interruptedCode = 130;

/** @returns the exit code: 0 only when every claim holds and every kind of fault was injected */
export async function chaosCommand(
  argv: readonly string[],
  ground: GroundFacts,
  sandboxDirectory: string,
): Promise<number> {
  const args = parseChaosArguments(argv, () => randomBytes(4).toString('hex'));
  const interrupt = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => interrupt.abort());
  const screen = terminal(process.stdout, process.env);
  const say = (line: string): void => screen.write(`${line}\n`);
  const directory = join(process.cwd(), sandboxDirectory);
  say(`chaos for ${args.minutes} min with seed ${args.seed}`);
  try {
    const result = await runChaos({
      ground,
      directory,
      seed: args.seed,
      minutes: args.minutes,
      enough: ({ tallies }) => missingKinds({ tallies }).length === 0,
      progress: createProgress(screen, Date.now()),
      say,
      signal: interrupt.signal,
    });
    for (const line of closingLines(result)) say(line);
    const files = await writeReport(result, args.report ?? directory);
    say('');
    for (const file of files) say(`→ ${relative(process.cwd(), file)}`);
    return holds(result) ? 0 : 1;
  } catch (error) {
    if (!interrupt.signal.aborted) throw error;
    say('stopping');
    return interruptedCode;
  }
}

/** Kinds of fault that were planned and never met anything. */
export function missingKinds({ tallies }: Pick<ChaosResult, 'tallies'>): string[] {
  const met = new Set(tallies.flatMap(({ fault, injected }) => (injected ? [fault.kind] : [])));
  return [...new Set(tallies.map(({ fault }) => fault.kind))].filter((kind) => !met.has(kind));
}

export function holds(result: Pick<ChaosResult, 'tallies' | 'proofs'>): boolean {
  return result.proofs.every((proof) => proof.proven) && missingKinds(result).length === 0;
}

/** The end of what a person reads. */
export function closingLines(
  result: Pick<ChaosResult, 'tallies' | 'proofs' | 'launched' | 'plan'>,
): string[] {
  const { tallies, proofs, launched, plan } = result;
  const failed = proofs.filter((proof) => !proof.proven);
  const lost = failed.reduce((total, proof) => total + Math.max(1, proof.failures.length), 0);
  const missing = missingKinds(result);
  return [
    '',
    ...callTable(tallies),
    '',
    ...faultTable(tallies, lost),
    '',
    ...proofs.flatMap(proofLines),
    ...(missing.length === 0 ? [] : [`✘ never injected: ${missing.join(', ')}`]),
    '',
    holds(result)
      ? `✔ ${launched} instances, ${proofs.length} claims hold (seed ${plan.seed})`
      : `✘ ${failed.length} of ${proofs.length} claims broken (seed ${plan.seed})`,
  ];
}

/** @returns the files that were written */
async function writeReport(result: ChaosResult, directory: string): Promise<string[]> {
  await mkdir(directory, { recursive: true });
  const picture = join(directory, 'chaos.svg');
  const record = join(directory, 'chaos.json');
  const { plan, tallies, proofs, timeline } = result;
  const outcome = {
    seed: plan.seed,
    minutes: plan.minutes,
    holds: holds(result),
    plan: plan.faults.map((planned, index) => ({
      line: faultLine(planned),
      injected: tallies[index]?.injected ?? false,
      ...planned,
    })),
    scalings: plan.scalings,
    proofs,
    timeline,
  };
  await writeFile(picture, drawTimeline(timeline));
  await writeFile(record, `${JSON.stringify(outcome, null, 2)}\n`);
  for (const file of [picture, record]) await giveToOwner(file);
  return [picture, record];
}
