/** `adjoin check`, on a worker: what only a worker can look at. It needs the worker's role, its network and nothing else. */
import { isFatal } from '../checks/check.ts';
import { checkPlace, type PlacePorts } from '../checks/place-checks.ts';
import { systemClock, type Clock } from '../clock.ts';
import { createPlaceCheck } from '../compose.ts';
import type { Config } from '../config.ts';
import { AdjoinError } from '../errors.ts';
import { createRedactor } from '../redact.ts';
import { logBeside, untilInterrupted } from './attended.ts';
import { createReport } from './check-report.ts';
import { EXIT } from './exit.ts';
import type { Terminal } from './terminal.ts';

export interface CheckOptions {
  readonly json: boolean;
  readonly colors: boolean;
}

/** @returns the exit code: 0 when no fatal check failed */
export async function showPlace(
  place: PlacePorts,
  { json, colors }: CheckOptions,
  clock: Clock,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<number> {
  const report = createReport(colors);
  const findings = await checkPlace(place, {
    clock,
    signal,
    onFinding(finding) {
      if (!json) terminal.out(report.show(finding));
    },
  });
  const isWell = !findings.some(isFatal);
  terminal.out(
    json ? `${JSON.stringify({ well: isWell, checks: findings }, null, 2)}\n` : report.sum(findings),
  );
  return isWell ? EXIT.ok : EXIT.failed;
}

const checkStops = (): AdjoinError => new AdjoinError('draining', 'The check was stopped.');

/** @returns the exit code */
export async function check(config: Config, options: CheckOptions, terminal: Terminal): Promise<number> {
  const redactor = createRedactor();
  const log = logBeside(config.logLevel === 'info' ? 'error' : config.logLevel, redactor, terminal);
  const opened = createPlaceCheck(config, systemClock, redactor, log);
  try {
    return await untilInterrupted(checkStops, (signal) =>
      showPlace(opened.place, options, systemClock, terminal, signal),
    );
  } finally {
    await opened.close();
  }
}
