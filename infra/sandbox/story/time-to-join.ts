/**
 * How long a join took as a user of the instance sees it: from the time that its agent was online until its launch was answered with
 * CONTINUE. Both ends are what the cloud saw; the ledger only says which step took how much of it.
 */
import type { Life } from './lives.ts';
import { launchSteps, type Membership } from './memberships.ts';

/** What is measured: each step, and all of it. `node` is the wait for a worker and a slot. */
export const joinParts = [...launchSteps, 'total'] as const;
type Part = (typeof joinParts)[number];

/** Seconds by part. */
export type JoinSeconds = ReadonlyMap<Part, number>;

/** @returns undefined for an instance whose join was not seen from its beginning to its end */
export function joinSeconds(
  life: Life | undefined,
  membership: Membership | undefined,
): JoinSeconds | undefined {
  const times = membership?.launch;
  const { onlineAt, continuedAt } = life ?? {};
  if (times === undefined || onlineAt === undefined || continuedAt === undefined) return undefined;
  const seconds = new Map<Part, number>();
  let previous = onlineAt;
  for (const step of launchSteps) {
    // The ledger notes the answer when it has something else to write.
    const ended = step === 'complete' ? continuedAt : times[step];
    if (ended === undefined) continue;
    seconds.set(step, Math.max(0, ended - previous) / 1000);
    previous = Math.max(previous, ended);
  }
  return seconds.set('total', Math.max(0, continuedAt - onlineAt) / 1000);
}

/** The value that so many per cent of them do not exceed: the nearest rank. Undefined for none. */
export function percentile(values: readonly number[], percent: number): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)];
}

export interface GroupJoins {
  readonly group: string;
  readonly joins: number;
  readonly p50: JoinSeconds;
  readonly p99: JoinSeconds;
}

interface Joined {
  readonly instanceId: string;
  readonly membership: Membership | undefined;
}

/** The joins of each group, in the order of their first launches. */
export function timeToJoin(
  instances: readonly Joined[],
  lives: ReadonlyMap<string, Life>,
): readonly GroupJoins[] {
  const groups = new Map<string, JoinSeconds[]>();
  for (const { instanceId, membership } of instances) {
    const life = lives.get(instanceId);
    const seconds = joinSeconds(life, membership);
    if (life === undefined || seconds === undefined) continue;
    groups.set(life.group, [...(groups.get(life.group) ?? []), seconds]);
  }
  return [...groups].map(([group, joins]) => {
    const at = (percent: number): JoinSeconds =>
      new Map(
        joinParts.flatMap((part) => {
          const value = percentile(
            joins.flatMap((seconds) => seconds.get(part) ?? []),
            percent,
          );
          return value === undefined ? [] : [[part, value] as const];
        }),
      );
    return { group, joins: joins.length, p50: at(50), p99: at(99) };
  });
}
