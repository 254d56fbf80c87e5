import {
  CreateAutoScalingGroupCommand,
  DeleteAutoScalingGroupCommand,
  DeleteLifecycleHookCommand,
  DescribeAutoScalingGroupsCommand,
  PutLifecycleHookCommand,
  UpdateAutoScalingGroupCommand,
} from '@aws-sdk/client-auto-scaling';
import {
  asBefore,
  maps,
  optionalText,
  present,
  text,
  texts,
  type ResourceTypes,
  type Target,
  type Wanted,
} from '../resource-type.ts';
import { isMap, scalar } from '../template.ts';

export const autoScaling: ResourceTypes = {
  'AWS::AutoScaling::AutoScalingGroup': {
    applied: [
      'AutoScalingGroupName',
      'MinSize',
      'MaxSize',
      'DesiredCapacity',
      'LaunchTemplate',
      'VPCZoneIdentifier',
      'Tags',
    ],
    // Instances here are as healthy as their machines, and nothing is measured.
    inert: [
      'HealthCheckType',
      'HealthCheckGracePeriod',
      'DefaultInstanceWarmup',
      'MaxInstanceLifetime',
      'MetricsCollection',
      'NewInstancesProtectedFromScaleIn',
    ],
    fixed: ['AutoScalingGroupName'],
    // Its instances stay as they are: the sandbox rolls no update over them.
    async update(made, wanted, { clients }) {
      const desired = optionalText(wanted, 'DesiredCapacity');
      await clients.autoScaling.send(
        new UpdateAutoScalingGroupCommand({
          AutoScalingGroupName: made.ref,
          MinSize: Number(text(wanted, 'MinSize')),
          MaxSize: Number(text(wanted, 'MaxSize')),
          ...(desired === undefined ? {} : { DesiredCapacity: Number(desired) }),
          LaunchTemplate: launchTemplateOf(wanted),
          VPCZoneIdentifier: texts(wanted, 'VPCZoneIdentifier').join(','),
        }),
      );
      return asBefore(made);
    },
    async create(wanted, { clients }) {
      const AutoScalingGroupName = optionalText(wanted, 'AutoScalingGroupName') ?? wanted.madeUpName;
      const desired = optionalText(wanted, 'DesiredCapacity');
      await clients.autoScaling.send(
        new CreateAutoScalingGroupCommand({
          AutoScalingGroupName,
          MinSize: Number(text(wanted, 'MinSize')),
          MaxSize: Number(text(wanted, 'MaxSize')),
          ...(desired === undefined ? {} : { DesiredCapacity: Number(desired) }),
          LaunchTemplate: launchTemplateOf(wanted),
          VPCZoneIdentifier: texts(wanted, 'VPCZoneIdentifier').join(','),
          Tags: maps(wanted, 'Tags').map(({ Key, Value, PropagateAtLaunch }) => ({
            Key: scalar(Key, 'Key'),
            Value: scalar(Value, 'Value'),
            PropagateAtLaunch: scalar(PropagateAtLaunch, 'PropagateAtLaunch') === 'true',
          })),
        }),
      );
      const { AutoScalingGroups } = await clients.autoScaling.send(
        new DescribeAutoScalingGroupsCommand({ AutoScalingGroupNames: [AutoScalingGroupName] }),
      );
      const AutoScalingGroupARN = AutoScalingGroups?.[0]?.AutoScalingGroupARN ?? '';
      return { ref: AutoScalingGroupName, attributes: { AutoScalingGroupARN } };
    },
    delete: ({ ref }, { clients }) =>
      clients.autoScaling.send(
        new DeleteAutoScalingGroupCommand({ AutoScalingGroupName: ref, ForceDelete: true }),
      ),
  },
  'AWS::AutoScaling::LifecycleHook': {
    applied: [
      'AutoScalingGroupName',
      'DefaultResult',
      'HeartbeatTimeout',
      'LifecycleHookName',
      'LifecycleTransition',
      'NotificationMetadata',
      'NotificationTargetARN',
      'RoleARN',
    ],
    fixed: ['AutoScalingGroupName', 'LifecycleHookName', 'LifecycleTransition'],
    async create(wanted, target) {
      const LifecycleHookName = optionalText(wanted, 'LifecycleHookName') ?? wanted.madeUpName;
      await putHook(LifecycleHookName, wanted, target);
      return { ref: LifecycleHookName, attributes: {} };
    },
    async update(made, wanted, target) {
      await putHook(made.ref, wanted, target);
      return asBefore(made);
    },
    delete: (made, { clients }) =>
      clients.autoScaling.send(
        new DeleteLifecycleHookCommand({
          AutoScalingGroupName: text(made, 'AutoScalingGroupName'),
          LifecycleHookName: made.ref,
        }),
      ),
  },
};

function launchTemplateOf(wanted: Wanted) {
  const given = wanted.properties['LaunchTemplate'];
  if (!isMap(given)) throw new Error('Only groups with a launch template are emulated.');
  return {
    LaunchTemplateId: scalar(given['LaunchTemplateId'], 'LaunchTemplateId'),
    ...(given['Version'] === undefined ? {} : { Version: scalar(given['Version'], 'Version') }),
  };
}

async function putHook(LifecycleHookName: string, wanted: Wanted, { clients }: Target): Promise<void> {
  const heartbeat = optionalText(wanted, 'HeartbeatTimeout');
  await clients.autoScaling.send(
    new PutLifecycleHookCommand({
      AutoScalingGroupName: text(wanted, 'AutoScalingGroupName'),
      LifecycleHookName,
      LifecycleTransition: text(wanted, 'LifecycleTransition'),
      ...(heartbeat === undefined ? {} : { HeartbeatTimeout: Number(heartbeat) }),
      ...present({
        DefaultResult: optionalText(wanted, 'DefaultResult'),
        NotificationMetadata: optionalText(wanted, 'NotificationMetadata'),
        NotificationTargetARN: optionalText(wanted, 'NotificationTargetARN'),
        RoleARN: optionalText(wanted, 'RoleARN'),
      }),
    }),
  );
}
