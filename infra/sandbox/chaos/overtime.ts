/** Goes on scaling after the plan's time: on a machine that is slow or busy, less happens in it. */
import type { Clock } from '../clock.ts';
import type { Groups } from './groups.ts';
import { mostInstances } from './plan.ts';
import { type CloudRecord, inService, listed } from './record.ts';

export interface OvertimeParts {
  readonly groups: Pick<Groups, 'names' | 'scale'>;
  readonly record: Pick<CloudRecord, 'instances'>;
  readonly clock: Clock;
}

const lookMs = 1_000;

/**
 * Fills all groups until every instance serves, empties them until every one is gone, and so on.
 * @returns when there is enough, or at the limit
 */
export async function playOn(
  { groups, record, clock }: OvertimeParts,
  enough: () => boolean,
  limitMs: number,
  signal: AbortSignal,
): Promise<void> {
  const deadline = clock.now() + limitMs;
  const over = (): boolean => enough() || clock.now() >= deadline;
  const most = groups.names.length * mostInstances;
  for (let filling = true; !over(); filling = !filling) {
    for (const group of groups.names.keys()) await groups.scale(group + 1, filling ? mostInstances : 0);
    const isDone = (): boolean => (filling ? inService(record).length >= most : listed(record).length === 0);
    while (!isDone() && !over()) await clock.sleep(lookMs, signal);
  }
}
