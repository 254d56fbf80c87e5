/** Watches the fleet as an operator would: what Auto Scaling says of each instance, and what the ledger says. */
import {
  type AutoScalingClient,
  DescribeAutoScalingInstancesCommand,
  DescribeScalingActivitiesCommand,
} from '@aws-sdk/client-auto-scaling';
import { type DynamoDBClient, paginateScan } from '@aws-sdk/client-dynamodb';
import type { Clock } from '../clock.ts';
import { type Membership, readMembership } from './memberships.ts';

/** One look at the fleet. */
export interface Sighting {
  /** Instance ID to lifecycle state, for every instance that Auto Scaling lists. */
  readonly states: ReadonlyMap<string, string>;
  readonly memberships: ReadonlyMap<string, Membership>;
}

/** What is known of an instance since the watch began. */
export interface Watched {
  readonly instanceId: string;
  /** Undefined once Auto Scaling no longer lists the instance. */
  readonly lifecycleState: string | undefined;
  readonly membership: Membership | undefined;
  /** When the lifecycle state was first seen as it is, in milliseconds since the epoch. */
  readonly since: number;
}

export interface Watch {
  /** In the order in which they appeared. */
  instances(): readonly Watched[];
  /** Looks once more. */
  refresh(): Promise<void>;
  /**
   * Looks again and again until `done` says so.
   * @throws StoryTimeout at the deadline (milliseconds since the epoch), or the signal's reason.
   */
  until(
    done: (instances: readonly Watched[]) => boolean,
    deadline: number,
    signal: AbortSignal,
  ): Promise<void>;
}

/** The story did not get there in time. */
export class StoryTimeout extends Error {
  override readonly name = 'StoryTimeout';
}

/** Short enough that no state that lasts for a network round trip of the agent's is missed by much. */
const pollMs = 250;

export function createWatch(
  look: () => Promise<Sighting>,
  clock: Clock,
  onLook: (instances: readonly Watched[]) => void,
): Watch {
  const known = new Map<string, Watched>();

  const update = (sighting: Sighting): void => {
    const now = clock.now();
    const ids = new Set([...known.keys(), ...sighting.states.keys(), ...sighting.memberships.keys()]);
    for (const instanceId of ids) {
      const before = known.get(instanceId);
      const lifecycleState = sighting.states.get(instanceId);
      known.set(instanceId, {
        instanceId,
        lifecycleState,
        // A ledger may forget a membership that is over; the story does not.
        membership: sighting.memberships.get(instanceId) ?? before?.membership,
        since: before && before.lifecycleState === lifecycleState ? before.since : now,
      });
    }
  };

  return {
    instances: () => [...known.values()],
    refresh: async () => update(await look()),
    async until(done, deadline, signal) {
      for (;;) {
        update(await look());
        const instances = [...known.values()];
        onLook(instances);
        if (done(instances)) return;
        if (clock.now() >= deadline) throw new StoryTimeout('the deadline passed');
        await clock.sleep(pollMs, signal);
      }
    },
  };
}

/** Asks Auto Scaling and the ledger, following their pages. */
export async function lookAtFleet(
  autoscaling: AutoScalingClient,
  dynamodb: DynamoDBClient,
  groups: readonly string[],
  table: string,
): Promise<Sighting> {
  const states = new Map<string, string>();
  const memberships = new Map<string, Membership>();
  let NextToken: string | undefined;
  do {
    const page = await autoscaling.send(
      new DescribeAutoScalingInstancesCommand({ ...(NextToken && { NextToken }) }),
    );
    for (const instance of page.AutoScalingInstances ?? []) {
      if (!groups.includes(instance.AutoScalingGroupName ?? '') || instance.InstanceId === undefined)
        continue;
      states.set(instance.InstanceId, instance.LifecycleState ?? '');
    }
    NextToken = page.NextToken;
  } while (NextToken);
  for await (const page of paginateScan({ client: dynamodb }, { TableName: table, ConsistentRead: true })) {
    for (const item of page.Items ?? []) {
      const membership = readMembership(item);
      if (membership) memberships.set(membership.instanceId, membership);
    }
  }
  return { states, memberships };
}

/** When each launch of the groups ended, which is when the instance entered service; milliseconds since the epoch. */
export async function inServiceTimes(
  autoscaling: AutoScalingClient,
  groups: readonly string[],
): Promise<Map<string, number>> {
  const times = new Map<string, number>();
  for (const AutoScalingGroupName of groups) {
    let NextToken: string | undefined;
    do {
      const page = await autoscaling.send(
        new DescribeScalingActivitiesCommand({ AutoScalingGroupName, ...(NextToken && { NextToken }) }),
      );
      for (const activity of page.Activities ?? []) {
        const instanceId = /^Launching a new EC2 instance: (i-[0-9a-f]+)/.exec(
          activity.Description ?? '',
        )?.[1];
        if (instanceId && activity.StatusCode === 'Successful' && activity.EndTime) {
          times.set(instanceId, activity.EndTime.getTime());
        }
      }
      NextToken = page.NextToken;
    } while (NextToken);
  }
  return times;
}
