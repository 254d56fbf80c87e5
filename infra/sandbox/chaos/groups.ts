/** The groups that scale at random: the one of the sandbox, and one more whose instances opt in one by one. */
import {
  AutoScalingClient,
  DeleteWarmPoolCommand,
  DescribeAutoScalingGroupsCommand,
  InstanceRefreshInProgressFault,
  PutWarmPoolCommand,
  SetDesiredCapacityCommand,
  StartInstanceRefreshCommand,
} from '@aws-sdk/client-auto-scaling';
import { CreateTagsCommand, EC2Client } from '@aws-sdk/client-ec2';
import { addGroup } from '../inside/groups.ts';
import type { Sandbox } from '../inside/sandbox.ts';

export interface Groups {
  /** In the plan's order. */
  readonly names: readonly string[];
  scale(group: number, size: number): Promise<void>;
  desired(): Promise<ReadonlyMap<string, number>>;
  /** Begins an instance refresh. @returns whether it has; not while another one is under way */
  refresh(group: number, strategy: 'Rolling' | 'ReplaceRootVolume'): Promise<boolean>;
  /** Gives a group a warm pool that takes instances back, or takes the pool away. */
  pool(group: number, state: 'Stopped' | 'Running' | undefined): Promise<void>;
  /** To be told each launch: the second group's instances get their own tag, as their owner would give it. */
  launched(instanceId: string, group: string): void;
  close(): void;
}

const second = 'crew';
const mostInstances = 20;
/** Instances of a group and its pool together. */
const mostPrepared = 4;

/** @param owner signs as the user to whom no policy applies */
export async function openGroups(sandbox: Sandbox, owner: Sandbox['developer']): Promise<Groups> {
  const autoScaling = new AutoScalingClient(owner);
  const ec2 = new EC2Client(owner);
  const first = sandbox.stack.autoScalingGroup;
  await addGroup(autoScaling, first, {
    name: second,
    maximumInstances: mostInstances,
    // Present, as the workers' policy wants it of a group; but it is for each instance to opt in.
    tags: [{ Key: 'JoinAD', Value: 'per-instance', PropagateAtLaunch: false }],
  });
  const names = [first, second];
  return {
    names,
    async scale(group, size) {
      await autoScaling.send(
        new SetDesiredCapacityCommand({ AutoScalingGroupName: names[group - 1], DesiredCapacity: size }),
      );
    },
    async desired() {
      const { AutoScalingGroups = [] } = await autoScaling.send(
        new DescribeAutoScalingGroupsCommand({ AutoScalingGroupNames: [...names] }),
      );
      return new Map(
        AutoScalingGroups.map((each) => [each.AutoScalingGroupName ?? '', each.DesiredCapacity ?? 0]),
      );
    },
    async refresh(group, Strategy) {
      try {
        await autoScaling.send(
          new StartInstanceRefreshCommand({ AutoScalingGroupName: names[group - 1], Strategy }),
        );
        return true;
      } catch (error) {
        if (error instanceof InstanceRefreshInProgressFault) return false;
        throw error;
      }
    },
    async pool(group, PoolState) {
      const AutoScalingGroupName = names[group - 1];
      await autoScaling.send(
        PoolState === undefined
          ? new DeleteWarmPoolCommand({ AutoScalingGroupName, ForceDelete: true })
          : new PutWarmPoolCommand({
              AutoScalingGroupName,
              MaxGroupPreparedCapacity: mostPrepared,
              PoolState,
              InstanceReusePolicy: { ReuseOnScaleIn: true },
            }),
      );
    },
    launched(instanceId, group) {
      if (group !== second) return;
      const Tags = [{ Key: 'JoinAD', Value: 'true' }];
      // A launch without the tag is answered by its hook's time-out, which the audit shows.
      ec2.send(new CreateTagsCommand({ Resources: [instanceId], Tags })).catch(() => undefined);
    },
    close() {
      autoScaling.destroy();
      ec2.destroy();
    },
  };
}
