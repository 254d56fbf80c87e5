/** `adjoin doctor`: runs the checks, shows them as they come, and says by its exit code whether a fatal one failed. */
import { type Finding, isFatal, runChecks } from '../../checks/check.ts';
import { createReport } from '../../cli/check-report.ts';
import { EXIT } from '../../cli/exit.ts';
import type { Terminal } from '../../cli/terminal.ts';
import type { Clock } from '../../clock.ts';
import { placeFindings } from '../../checks/place-checks.ts';
import { groupChecks } from './group-checks.ts';
import { nodeChecks } from './node-checks.ts';
import { deploymentChecks } from './deployment-checks.ts';
import type { DeskPorts } from './ports.ts';
import { preChecks } from './pre-checks.ts';
import type { PrePorts } from './pre-ports.ts';

export interface DoctorOptions {
  /** Groups to look at. */
  readonly groups: readonly string[];
  readonly nodes: readonly string[];
  /** Milliseconds for which the checks are repeated while a fatal one fails. */
  readonly waitMs: number;
  readonly json: boolean;
  readonly colors: boolean;
}

export interface DoctorPorts {
  readonly desk: DeskPorts;
  readonly clock: Clock;
  /** What a worker finds at its own place. Why not, where it can't be asked. */
  askWorker?(signal: AbortSignal): Promise<readonly Finding[] | string>;
}

/** Milliseconds that one look may take. */
const LOOK_MS = 30_000;
/** Milliseconds between two rounds. */
const PAUSE_MS = 5_000;

/** What to say of the checks that only a worker can make, when it was not asked. */
export const ASK = 'only a worker can look: ask one, with --ask-worker';

/** @param show told each finding as it comes */
async function round(
  options: DoctorOptions,
  ports: DoctorPorts,
  show: (finding: Finding) => void,
  signal: AbortSignal,
): Promise<Finding[]> {
  const { clock, desk } = ports;
  const run = { clock, signal, limitMs: LOOK_MS, denied: 'skipped', onFinding: show } as const;
  const findings = await runChecks(deploymentChecks, desk, run);
  const asked = ports.askWorker ? await ports.askWorker(signal) : ASK;
  const place = typeof asked === 'string' ? placeFindings(asked) : asked;
  for (const finding of place) show(finding);
  findings.push(...place);
  for (const name of options.groups)
    findings.push(...(await runChecks(groupChecks(name), desk, { ...run, earlier: findings })));
  for (const id of options.nodes)
    findings.push(...(await runChecks(nodeChecks(id), desk, { ...run, earlier: findings })));
  return findings;
}

/** How rounds of checks are shown and repeated. */
export type RoundOptions = Pick<DoctorOptions, 'waitMs' | 'json' | 'colors'>;

/**
 * Goes round until no fatal check fails, or the time is up.
 * @param look makes all checks once, and shows each finding
 * @returns the exit code: 0 when no fatal check failed
 */
async function goRound(
  options: RoundOptions,
  clock: Clock,
  look: (show: (finding: Finding) => void) => Promise<Finding[]>,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<number> {
  const deadline = clock.now() + options.waitMs;
  for (;;) {
    const report = createReport(options.colors);
    // A round that will be repeated is not shown: only the last one counts.
    const isQuiet = options.json || options.waitMs > 0;
    const show = (finding: Finding): void => {
      if (!isQuiet) terminal.out(report.show(finding));
    };
    const findings = await look(show);
    const isWell = !findings.some(isFatal);
    if (!isWell && clock.now() + PAUSE_MS <= deadline) {
      terminal.err(
        `Not well yet: ${findings
          .filter(isFatal)
          .map(({ id }) => id)
          .join(', ')}.\n`,
      );
      await clock.sleep(PAUSE_MS, signal);
      continue;
    }
    if (options.json) terminal.out(`${JSON.stringify({ well: isWell, checks: findings }, null, 2)}\n`);
    else {
      if (isQuiet) for (const finding of findings) terminal.out(report.show(finding));
      terminal.out(report.sum(findings));
    }
    return isWell ? EXIT.ok : EXIT.failed;
  }
}

/** @returns the exit code: 0 when no fatal check failed */
export const doctor = (
  options: DoctorOptions,
  ports: DoctorPorts,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<number> =>
  goRound(options, ports.clock, (show) => round(options, ports, show, signal), terminal, signal);

/**
 * Before there is a stack.
 * @param prepare finds afresh, for each round, what the checks look at
 * @returns as `doctor`
 */
export const doctorBefore = (
  options: RoundOptions,
  prepare: () => Promise<PrePorts>,
  clock: Clock,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<number> =>
  goRound(
    options,
    clock,
    async (show) =>
      runChecks(preChecks, await prepare(), {
        clock,
        signal,
        limitMs: LOOK_MS,
        denied: 'skipped',
        onFinding: show,
      }),
    terminal,
    signal,
  );
