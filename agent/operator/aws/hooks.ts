/** Hooks and tags of a group, as an administrator changes them. */
import {
  CreateOrUpdateTagsCommand,
  DeleteLifecycleHookCommand,
  DescribeAutoScalingGroupsCommand,
  PutLifecycleHookCommand,
  type AutoScalingClient,
} from '@aws-sdk/client-auto-scaling';
import { callAws } from '../../aws/errors.ts';
import type { AttachPorts } from '../attach/attach.ts';
import { hookShape, hooksOf, tagsOf } from './groups.ts';

export function createHooks(client: AutoScalingClient): Omit<AttachPorts, 'queueArn' | 'publisherRoleArn'> {
  return {
    async tags(group) {
      const { AutoScalingGroups = [] } = await callAws(
        `autoscaling:DescribeAutoScalingGroups of ${group}`,
        undefined,
        () =>
          client.send(
            new DescribeAutoScalingGroupsCommand({ AutoScalingGroupNames: [group], IncludeInstances: false }),
          ),
      );
      const [found] = AutoScalingGroups;
      return found && tagsOf(found);
    },
    hooks: (group) => hooksOf(client, group),
    async setTag(group, Key, Value) {
      await callAws(`autoscaling:CreateOrUpdateTags of ${group}`, undefined, () =>
        client.send(
          new CreateOrUpdateTagsCommand({
            Tags: [
              { ResourceId: group, ResourceType: 'auto-scaling-group', Key, Value, PropagateAtLaunch: true },
            ],
          }),
        ),
      );
    },
    async putHook(group, hook) {
      await callAws(`autoscaling:PutLifecycleHook ${hook.name} of ${group}`, undefined, () =>
        client.send(new PutLifecycleHookCommand({ AutoScalingGroupName: group, ...hookShape(hook) })),
      );
    },
    async deleteHook(group, name) {
      await callAws(`autoscaling:DeleteLifecycleHook ${name} of ${group}`, undefined, () =>
        client.send(new DeleteLifecycleHookCommand({ AutoScalingGroupName: group, LifecycleHookName: name })),
      );
    },
  };
}
