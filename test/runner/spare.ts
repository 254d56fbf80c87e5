/** How much of the processors is to be had: what decides whether a further file begins beside those that run. */
import { cpus } from 'node:os';

export interface Used {
  /** Milliseconds of all processors together, since the system's start. */
  readonly total: number;
  /** Of them, those that were idle, or went to work that stands behind (`nice`): the plain tests make room by themselves. */
  readonly spare: number;
}

export function used(processors: readonly Pick<ReturnType<typeof cpus>[number], 'times'>[] = cpus()): Used {
  let total = 0;
  let spare = 0;
  for (const { times } of processors) {
    total += times.user + times.nice + times.sys + times.idle + times.irq;
    spare += times.idle + times.nice;
  }
  return { total, spare };
}

/** The share of the processors that was to be had between two looks: 0 to 1, and 0 when no time has passed. */
export function spareShare(before: Used, after: Used): number {
  const total = after.total - before.total;
  return total > 0 ? (after.spare - before.spare) / total : 0;
}
