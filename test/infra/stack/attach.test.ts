import { expect, test } from '@jest/globals';
import { Duration } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import { AutoScalingGroup, LifecycleTransition } from 'aws-cdk-lib/aws-autoscaling';
import { InstanceType, MachineImage, Vpc } from 'aws-cdk-lib/aws-ec2';
import type { AttachOptions } from '../../../infra/attach.ts';
import { attachTemplate, ownStack, resourcesOf } from './made.ts';

function attached(options?: AttachOptions): Template {
  const { stack, membership } = ownStack();
  const vpc = Vpc.fromVpcAttributes(stack, 'Vpc', {
    vpcId: 'vpc-0123456789abcdef0',
    availabilityZones: ['a', 'b'],
    privateSubnetIds: ['subnet-0123456789abcdef0', 'subnet-0123456789abcdef1'],
  });
  const group = new AutoScalingGroup(stack, 'Fleet', {
    vpc,
    instanceType: new InstanceType('t4g.nano'),
    machineImage: MachineImage.genericLinux({ 'us-east-1': 'ami-0123456789abcdef0' }, {}),
  });
  membership.attach(group, options);
  return Template.fromStack(stack);
}

const launch = {
  LifecycleHookName: 'adjoin-launch',
  LifecycleTransition: 'autoscaling:EC2_INSTANCE_LAUNCHING',
  DefaultResult: 'ABANDON',
};
const terminate = {
  LifecycleHookName: 'adjoin-terminate',
  LifecycleTransition: 'autoscaling:EC2_INSTANCE_TERMINATING',
  DefaultResult: 'CONTINUE',
};
const tag = { Key: 'JoinAD', Value: 'true', PropagateAtLaunch: true };

test.each<[string, AttachOptions | undefined, object[]]>([
  ['join and unjoin', undefined, [launch, terminate]],
  ['unjoin only', { join: false }, [terminate]],
  ['join only', { unjoin: false }, [launch]],
])('%s: the hooks are part of the group, so that its first instances meet them', (_, options, hooks) => {
  const template = attached(options);
  const fleet = Object.values(template.findResources('AWS::AutoScaling::AutoScalingGroup')).find(
    ({ Properties }: { Properties?: { LifecycleHookSpecificationList?: unknown } }) =>
      Properties?.LifecycleHookSpecificationList !== undefined,
  );
  const target = {
    NotificationTargetARN: { 'Fn::GetAtt': [expect.stringMatching(/^MembershipLifecycleQueue/), 'Arn'] },
    RoleARN: { 'Fn::GetAtt': [expect.stringMatching(/^MembershipHookPublisher/), 'Arn'] },
    HeartbeatTimeout: 300,
  };
  expect(fleet).toMatchObject({
    Properties: { LifecycleHookSpecificationList: hooks.map((hook) => ({ ...hook, ...target })) },
  });
  expect(() =>
    template.hasResourceProperties('AWS::AutoScaling::AutoScalingGroup', {
      LifecycleHookSpecificationList: Match.anyValue(),
      Tags: Match.arrayWith([tag]),
    }),
  ).not.toThrow();
});

test('the group waits for whatever lets its hooks send', () => {
  const fleet = Object.values(resourcesOf(attached())).find(
    ({ Properties }) => Properties['LifecycleHookSpecificationList'] !== undefined,
  );
  expect(fleet?.DependsOn).toEqual(
    expect.arrayContaining([
      expect.stringMatching(/^MembershipLifecyclePolicy/),
      expect.stringMatching(/^MembershipHookPublisherPolicy/),
    ]),
  );
});

test('instances get what a managed node needs, and nothing of the worker', () => {
  const template = attached();
  expect(() =>
    template.hasResourceProperties('AWS::IAM::Role', {
      RoleName: Match.absent(),
      ManagedPolicyArns: [
        { 'Fn::GetAtt': [Match.stringLikeRegexp('^MembershipSessionsNodePolicy'), 'PolicyArn'] },
      ],
    }),
  ).not.toThrow();
});

test('the answer to a failed join is the tag that the agent reads', () => {
  expect(() =>
    attached({ onJoinFailure: 'HOLD' }).hasResourceProperties('AWS::AutoScaling::AutoScalingGroup', {
      Tags: Match.arrayWith([{ Key: 'adjoin:OnJoinFailure', Value: 'HOLD', PropagateAtLaunch: true }]),
    }),
  ).not.toThrow();
});

test("a group's own hooks stay", () => {
  const { stack, membership } = ownStack();
  const group = AutoScalingGroup.fromAutoScalingGroupName(stack, 'Fleet', 'fleet');
  group.addLifecycleHook('Theirs', { lifecycleTransition: LifecycleTransition.INSTANCE_LAUNCHING });
  membership.attach(group, { unjoin: false, heartbeat: Duration.minutes(2) });
  const template = Template.fromStack(stack);
  expect(() => template.resourceCountIs('AWS::AutoScaling::LifecycleHook', 2)).not.toThrow();
  expect(() =>
    template.hasResourceProperties('AWS::AutoScaling::LifecycleHook', {
      ...launch,
      AutoScalingGroupName: 'fleet',
      HeartbeatTimeout: 120,
    }),
  ).not.toThrow();
});

test('neither join nor unjoin is a mistake, and so is a heartbeat that Auto Scaling refuses', () => {
  expect(() => attached({ join: false, unjoin: false })).toThrow('nothing to attach');
  expect(() => attached({ heartbeat: Duration.seconds(29) })).toThrow('from 30 seconds to 2 hours');
});

test('the attach template makes the same hooks, each if wanted', () => {
  const template = attachTemplate();
  const target = {
    AutoScalingGroupName: { Ref: 'AutoScalingGroupName' },
    NotificationTargetARN: { Ref: 'QueueArn' },
    RoleARN: { Ref: 'PublisherRoleArn' },
    HeartbeatTimeout: { Ref: 'HeartbeatSeconds' },
  };
  expect(() =>
    template.hasResource('AWS::AutoScaling::LifecycleHook', {
      Properties: { ...launch, ...target },
      Condition: 'JoinWanted',
    }),
  ).not.toThrow();
  expect(() =>
    template.hasResource('AWS::AutoScaling::LifecycleHook', {
      Properties: { ...terminate, ...target },
      Condition: 'UnjoinWanted',
    }),
  ).not.toThrow();
});
