export type LifecycleTransition =
  'autoscaling:EC2_INSTANCE_LAUNCHING' | 'autoscaling:EC2_INSTANCE_TERMINATING';

export interface NotifiedAction {
  accountId: string;
  requestId: string;
  transition: LifecycleTransition;
  groupName: string;
  hookName: string;
  instanceId: string;
  token: string;
  metadata: string | undefined;
  time: Date;
}

/** The body that Auto Scaling puts on the hook's queue when an instance begins to wait. */
export function lifecycleMessage(action: NotifiedAction): string {
  const launching = action.transition === 'autoscaling:EC2_INSTANCE_LAUNCHING';
  return JSON.stringify({
    Origin: launching ? 'EC2' : 'AutoScalingGroup',
    Destination: launching ? 'AutoScalingGroup' : 'EC2',
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
