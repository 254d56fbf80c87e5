import { expect, test } from '@jest/globals';
import { deployedTemplates } from '../templates.ts';

test('the attach template makes the hooks that the construct makes, each if wanted', async () => {
  const { attach } = await deployedTemplates();
  const target = {
    AutoScalingGroupName: { Ref: 'AutoScalingGroupName' },
    NotificationTargetARN: { Ref: 'QueueArn' },
    RoleARN: { Ref: 'PublisherRoleArn' },
    HeartbeatTimeout: { Ref: 'HeartbeatSeconds' },
  };
  const hook = (Condition: string, properties: object) =>
    expect.objectContaining({
      Type: 'AWS::AutoScaling::LifecycleHook',
      Condition,
      Properties: expect.objectContaining({ ...properties, ...target }),
    });
  expect(Object.values(attach.Resources)).toEqual(
    expect.arrayContaining([
      hook('JoinWanted', {
        LifecycleHookName: 'adjoin-launch',
        LifecycleTransition: 'autoscaling:EC2_INSTANCE_LAUNCHING',
        DefaultResult: 'ABANDON',
      }),
      hook('UnjoinWanted', {
        LifecycleHookName: 'adjoin-terminate',
        LifecycleTransition: 'autoscaling:EC2_INSTANCE_TERMINATING',
        DefaultResult: 'CONTINUE',
      }),
    ]),
  );
});
