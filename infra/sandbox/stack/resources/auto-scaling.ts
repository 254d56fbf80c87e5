import {
  type AutoScalingClient,
  CreateAutoScalingGroupCommand,
  DeleteAutoScalingGroupCommand,
  DeleteLifecycleHookCommand,
  DescribeAutoScalingGroupsCommand,
  DisableMetricsCollectionCommand,
  EnableMetricsCollectionCommand,
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
import { roll, rollingUpdateOf } from '../rolling-update.ts';
import { isList, isMap, scalar } from '../template.ts';

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
      'MetricsCollection',
    ],
    // Instances here are as healthy as their machines.
    inert: [
      'HealthCheckType',
      'HealthCheckGracePeriod',
      'DefaultInstanceWarmup',
      'MaxInstanceLifetime',
      'NewInstancesProtectedFromScaleIn',
    ],
    fixed: ['AutoScalingGroupName'],
    async update(made, wanted, { clients, rolling }, report) {
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
      await collectMetrics(made.ref, wanted, clients.autoScaling);
      const policy = rollingUpdateOf(wanted.updatePolicy);
      if (rolling && policy)
        await roll(made.ref, policy, { ...rolling, autoScaling: clients.autoScaling, report });
      return asBefore(made);
    },
    async create(wanted, { clients }) {
      // What a later update can't be carried out by is refused now.
      rollingUpdateOf(wanted.updatePolicy);
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
      await collectMetrics(AutoScalingGroupName, wanted, clients.autoScaling);
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

/** As the template says: all metrics of a group, or none. */
async function collectMetrics(
  AutoScalingGroupName: string,
  wanted: Wanted,
  autoScaling: AutoScalingClient,
): Promise<void> {
  const [collection] = maps(wanted, 'MetricsCollection');
  if (collection === undefined) {
    await autoScaling.send(new DisableMetricsCollectionCommand({ AutoScalingGroupName }));
    return;
  }
  const Metrics = collection['Metrics'];
  await autoScaling.send(
    new EnableMetricsCollectionCommand({
      AutoScalingGroupName,
      Granularity: scalar(collection['Granularity'], 'Granularity'),
      ...(isList(Metrics) && { Metrics: Metrics.map((each) => scalar(each, 'Metrics')) }),
    }),
  );
}

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
