export type LifecycleTransition =
  | 'autoscaling:EC2_INSTANCE_LAUNCHING'
  | 'autoscaling:EC2_INSTANCE_TERMINATING';

export type Place = 'EC2' | 'AutoScalingGroup' | 'WarmPool';

/** Where an instance comes from and goes to. A new root volume leads from the group to the group. */
export interface Route {
  readonly origin: Place;
  readonly destination: Place;
}

export interface NotifiedAction {
  accountId: string;
  requestId: string;
  transition: LifecycleTransition;
  groupName: string;
  hookName: string;
  instanceId: string;
  route: Route;
  token: string;
  metadata: string | undefined;
  time: Date;
}

/** The body that Auto Scaling puts on the hook's queue when an instance begins to wait. */
export function lifecycleMessage(action: NotifiedAction): string {
  const { origin, destination } = action.route;
  return JSON.stringify({
    Origin: origin,
    Destination: destination,
    ...(origin === destination && { Action: 'ReplaceRootVolume' }),
    Service: 'AWS Auto Scaling',
    AccountId: action.accountId,
    RequestId: action.requestId,
    LifecycleTransition: action.transition,
    AutoScalingGroupName: action.groupName,
    LifecycleHookName: action.hookName,
    EC2InstanceId: action.instanceId,
    LifecycleActionToken: action.token,
    NotificationMetadata: action.metadata,
    Time: action.time.toISOString(),
  });
}

/** The body that Auto Scaling sends when a hook gets a notification target, to see that it may. */
export function testMessage(
  group: { arn: string; name: string },
  accountId: string,
  requestId: string,
  time: Date,
): string {
  return JSON.stringify({
    AccountId: accountId,
    RequestId: requestId,
    AutoScalingGroupARN: group.arn,
    AutoScalingGroupName: group.name,
    Service: 'AWS Auto Scaling',
    Event: 'autoscaling:TEST_NOTIFICATION',
    Time: time.toISOString(),
  });
}
