/** The scheduled sweep of a worker: all workers together sweep once per interval, whichever is first. */
import type { Clock } from '../clock.ts';
import { AdjoinError, asAdjoinError } from '../errors.ts';
import { createKeepAlive } from '../keep-alive.ts';
import type { Log } from '../log.ts';
import type { SweepLease, SweepLeases } from './lease.ts';
import { summaryOf, type SweepReport } from './report.ts';

export interface ScheduleOptions {
  readonly leases: SweepLeases;
  readonly intervalMs: number;
  /** One sweep; whatever goes wrong is in its report. */
  readonly sweep: (signal: AbortSignal) => Promise<SweepReport>;
  readonly clock: Clock;
  /** A number from 0 to 1, exclusive. */
  readonly random: () => number;
  readonly log: Log;
}

/**
 * Milliseconds over which workers that start, or wait for the same hour, spread themselves; also the pause after a sweep
 * that failed, so that one that always fails is no storm.
 */
export const SPREAD_MS = 60_000;

/** Sweeps under the lease, which is renewed meanwhile; its loss ends the sweep. @returns the report, which is logged. @throws AdjoinError `lease-lost` */
export async function sweepUnderLease(
  lease: SweepLease,
  { sweep, clock, log }: Pick<ScheduleOptions, 'sweep' | 'clock' | 'log'>,
  signal: AbortSignal,
): Promise<SweepReport> {
  const keepAlive = createKeepAlive(clock, (error) => log.warn('renewal failed, trying again', { error }));
  keepAlive.add(lease, lease.since);
  let complete = false;
  try {
    // A process may have been suspended while it waited to hear that the lease is its own.
    keepAlive.check();
    const report = await sweep(AbortSignal.any([signal, keepAlive.signal]));
    ({ complete } = report);
    log[complete && report.errors.length === 0 ? 'info' : 'warn']('sweep ended', summaryOf(report));
    return report;
  } finally {
    await keepAlive.stop();
    await lease
      .release(complete)
      .catch((error: unknown) => log.warn('lease on the sweep not given back', { error }));
  }
}

/** Sweeps when it is time, until the signal aborts. Never rejects. */
export async function sweepOnSchedule(options: ScheduleOptions, signal: AbortSignal): Promise<void> {
  const { leases, intervalMs, clock, random, log } = options;
  const spread = (): number => random() * Math.min(SPREAD_MS, intervalMs);

  /** @returns milliseconds since the Unix epoch, before which there is nothing to do */
  async function attempt(): Promise<number> {
    try {
      const lease = await leases.take(intervalMs);
      if (!lease.taken) return lease.notBefore;
      const { complete } = await sweepUnderLease(lease, options, signal);
      return clock.now() + (complete ? intervalMs : 0);
    } catch (error) {
      if (!signal.aborted) log.warn('no sweep', { error: asAdjoinError(error) });
      return clock.now();
    }
  }

  let pause = spread();
  while (!signal.aborted) {
    try {
      await clock.sleep(pause, signal);
    } catch {
      return;
    }
    const notBefore = await attempt();
    const wait = notBefore - clock.now();
    pause = (wait > 0 ? wait : Math.min(SPREAD_MS, intervalMs)) + spread();
  }
}

/** What stops a sweep when its worker stops. */
export const sweepStops = (): AdjoinError => new AdjoinError('draining', 'The worker stops.');
