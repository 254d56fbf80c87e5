/**
 * The ledger as the story reads it: the raw items of the table, and how long each step took. The agent writes when a step
 * ended; a step's duration is the time since the step before it.
 */
import type { AttributeValue } from '@aws-sdk/client-dynamodb';

/** The steps of a join after `received`, in their order. `node` is the wait for the node's registration. */
export const launchSteps = ['node', 'probe', 'stage', 'join', 'verify', 'complete'] as const;
/** The steps of an unjoin after `received`, in their order. */
export const terminateSteps = ['leave', 'remove', 'complete'] as const;

/** When each step of a lifecycle action ended, in milliseconds since the epoch; `received` is where it starts. */
export type StepTimes = Readonly<Record<string, number>>;

export interface Membership {
  readonly instanceId: string;
  /** As the agent names it: joining, staged, member, leaving, removed, failed or owed. */
  readonly state: string;
  readonly computerName?: string;
  readonly objectGuid?: string;
  readonly lastError?: { readonly code: string; readonly message: string };
  readonly launch?: StepTimes;
  readonly terminate?: StepTimes;
}

type Item = Readonly<Record<string, AttributeValue>>;

function stepTimes(action: AttributeValue | undefined): StepTimes | undefined {
  const times = action?.M?.['times']?.M;
  if (!times) return undefined;
  return Object.fromEntries(
    Object.entries(times).flatMap(([step, value]) =>
      value.N === undefined ? [] : [[step, Number(value.N)]],
    ),
  );
}

/** Reads one item; undefined when it is not a membership (the table also remembers refused credentials). */
export function readMembership(item: Item): Membership | undefined {
  const instanceId = item['instanceId']?.S;
  if (!instanceId?.startsWith('i-')) return undefined;
  const computerName = item['computerName']?.S;
  const objectGuid = item['objectGuid']?.S;
  const error = item['lastError']?.M;
  const launch = stepTimes(item['launch']);
  const terminate = stepTimes(item['terminate']);
  return {
    instanceId,
    state: item['state']?.S ?? '',
    ...(computerName === undefined ? {} : { computerName }),
    ...(objectGuid === undefined ? {} : { objectGuid }),
    ...(error ? { lastError: { code: error['code']?.S ?? '', message: error['message']?.S ?? '' } } : {}),
    ...(launch ? { launch } : {}),
    ...(terminate ? { terminate } : {}),
  };
}

/** Seconds that each step took. A step that did not happen is absent, and the next one counts from the last present one. */
export function durations(times: StepTimes | undefined, steps: readonly string[]): Map<string, number> {
  const seconds = new Map<string, number>();
  let previous = times?.['received'];
  if (times === undefined || previous === undefined) return seconds;
  for (const step of steps) {
    const ended = times[step];
    if (ended === undefined) continue;
    // A step that was retried can carry an older time than the one before it.
    seconds.set(step, Math.max(0, ended - previous) / 1000);
    previous = Math.max(previous, ended);
  }
  return seconds;
}

/** The step that is under way: the one after the last that ended. Undefined once the action is complete, or before it began. */
export function currentStep(times: StepTimes | undefined, steps: readonly string[]): string | undefined {
  if (times === undefined) return undefined;
  let last = -1;
  for (const [index, step] of steps.entries()) if (times[step] !== undefined) last = index;
  return steps[last + 1];
}

/** The middle value; the mean of the two middle ones when their number is even. Undefined for none. */
export function median(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle];
  if (upper === undefined || sorted.length % 2 === 1) return upper;
  return ((sorted[middle - 1] ?? upper) + upper) / 2;
}
