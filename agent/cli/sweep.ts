/** `adjoin sweep`: one sweep now. With `--dry-run` it changes nothing: no account, no record, no lease. */
import { systemClock } from '../clock.ts';
import { createSweeper, type Sweeper } from '../compose.ts';
import type { Config } from '../config.ts';
import { createRedactor } from '../redact.ts';
import type { SweepReport } from '../sweep/report.ts';
import { sweepUnderLease, sweepStops } from '../sweep/schedule.ts';
import { logBeside, untilInterrupted } from './attended.ts';
import { EXIT } from './exit.ts';
import { renderSweep } from './sweep-table.ts';
import type { Terminal } from './terminal.ts';

async function sweepOnce(
  sweeper: Sweeper,
  dryRun: boolean,
  log: Parameters<typeof sweepUnderLease>[1]['log'],
  signal: AbortSignal,
): Promise<SweepReport | string> {
  if (dryRun) return sweeper.sweep(true, signal);
  const lease = await sweeper.leases.take(0);
  if (!lease.taken) return `${lease.reason}; try again after ${new Date(lease.notBefore).toISOString()}.`;
  const run = (stopped: AbortSignal): Promise<SweepReport> => sweeper.sweep(false, stopped);
  return sweepUnderLease(lease, { sweep: run, clock: systemClock, log }, signal);
}

/** @returns the exit code: 0 when everything was looked at and nothing failed */
export async function sweepNow(
  config: Config,
  { dryRun }: { readonly dryRun: boolean },
  terminal: Terminal,
): Promise<number> {
  const redactor = createRedactor();
  const log = logBeside(config.logLevel, redactor, terminal);
  const sweeper = createSweeper(config, systemClock, redactor, log);
  try {
    const report = await untilInterrupted(sweepStops, (signal) => sweepOnce(sweeper, dryRun, log, signal));
    if (typeof report === 'string') {
      terminal.err(`${report}\n`);
      return EXIT.busy;
    }
    terminal.out(redactor.clean(renderSweep(report, systemClock.now())));
    return report.complete && report.errors.length === 0 ? EXIT.ok : EXIT.failed;
  } finally {
    await sweeper.close();
  }
}
