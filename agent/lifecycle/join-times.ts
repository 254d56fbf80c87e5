/** How long a join took, as a user of the instance sees it: from the time that its SSM agent was online until it may go into service. */
import type { ActionRecord } from '../ledger/membership.ts';

/** The steps in their order, as the ledger and as the log names them: a hyphen is no letter to those who search the log. */
const STEPS = [
  ['probe', 'probe'],
  ['stage', 'stage'],
  ['join', 'join'],
  ['verify', 'verify'],
  ['post-join', 'postJoin'],
] as const;

const secondsFrom = (from: number, to: number): number => Math.max(0, Math.round(to - from)) / 1000;

/**
 * Seconds of each step, and in all. A step counts from the end of the one before it, `slot` is the wait for a slot, and one that did not
 * happen is absent.
 * @param onlineAt when the node was seen to be there, and `now` when Auto Scaling had the answer; milliseconds since the Unix epoch
 * @returns undefined for a launch whose beginning is not known: an earlier worker has seen it
 */
export function joinSeconds(
  times: ActionRecord['times'],
  onlineAt: number | undefined,
  now: number,
): Readonly<Record<string, number>> | undefined {
  const began = onlineAt ?? times.node;
  if (began === undefined) return undefined;
  const seconds: Record<string, number> = { total: secondsFrom(began, now) };
  let previous = times.node ?? began;
  seconds['slot'] = secondsFrom(began, previous);
  for (const [step, name] of STEPS) {
    const ended = times[step];
    if (ended === undefined) continue;
    seconds[name] = secondsFrom(previous, ended);
    previous = Math.max(previous, ended);
  }
  seconds['complete'] = secondsFrom(previous, now);
  return seconds;
}
