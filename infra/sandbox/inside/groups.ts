import {
  type AutoScalingClient,
  CreateAutoScalingGroupCommand,
  DescribeLifecycleHooksCommand,
  PutLifecycleHookCommand,
  type Tag,
} from '@aws-sdk/client-auto-scaling';

export interface NewGroup {
  readonly name: string;
  readonly maximumInstances: number;
  readonly tags: readonly Tag[];
}

/** Makes one more group, with the hooks of the one that the stack has attached, as its owner would attach it. */
export async function addGroup(
  autoScaling: AutoScalingClient,
  attached: string,
  { name, maximumInstances, tags }: NewGroup,
): Promise<void> {
  const region = await autoScaling.config.region();
  await autoScaling.send(
    new CreateAutoScalingGroupCommand({
      AutoScalingGroupName: name,
      MinSize: 0,
      MaxSize: maximumInstances,
      DesiredCapacity: 0,
      AvailabilityZones: [`${region}a`],
      LaunchTemplate: { LaunchTemplateName: name, Version: '$Default' },
      Tags: [...tags],
    }),
  );
  const { LifecycleHooks = [] } = await autoScaling.send(
    new DescribeLifecycleHooksCommand({ AutoScalingGroupName: attached }),
  );
  for (const { LifecycleHookName, LifecycleTransition, ...hook } of LifecycleHooks) {
    await autoScaling.send(
      new PutLifecycleHookCommand({
        AutoScalingGroupName: name,
        LifecycleHookName,
        LifecycleTransition,
        HeartbeatTimeout: hook.HeartbeatTimeout,
        DefaultResult: hook.DefaultResult,
        NotificationTargetARN: hook.NotificationTargetARN,
        RoleARN: hook.RoleARN,
      }),
    );
  }
}
