import { expect, test } from '@jest/globals';
import { deployNothing } from '../../support/nothing-made.ts';
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

test('the attach template wants to be told that the group has its tag, for nothing else looks at it', async () => {
  const { attach } = await deployedTemplates();
  const given = {
    AutoScalingGroupName: 'fleet',
    QueueArn: 'arn:aws:sqs:eu-central-1:123456789012:adjoin-lifecycle',
    PublisherRoleArn: 'arn:aws:iam::123456789012:role/adjoin-hook-publisher',
  };
  const deploy = (more: Readonly<Record<string, string>>) =>
    deployNothing(JSON.stringify(attach), { ...given, ...more });
  await expect(deploy({})).rejects.toThrow('GroupIsTagged');
  await expect(deploy({ GroupIsTagged: 'false' })).rejects.toThrow('Tag the group JoinAD=true first');
  expect((await deploy({ GroupIsTagged: 'true' })).resources).toHaveLength(2);
});
