/** Auto Scaling: groups and lifecycle hooks. */
import type { Limit, Source } from './limit.ts';

const putHook: Source = {
  title: 'PutLifecycleHook, Amazon EC2 Auto Scaling API Reference',
  url: 'https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_PutLifecycleHook.html',
};
const quotas: Source = {
  title: 'Quotas for Auto Scaling resources and groups',
  url: 'https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-quotas.html',
};

export const hookLimits = {
  name: {
    what: "a lifecycle hook's name",
    pattern: /^[A-Za-z0-9\-_/]{1,255}$/,
    source: putHook,
    refusal: {
      code: 'ValidationError',
      words: (given) =>
        `Lifecycle hook name '${given}' must match [A-Za-z0-9\\-_\\/]+ and have 1 to 255 characters`,
    },
  },
  heartbeat: {
    what: "seconds of a lifecycle hook's heartbeat timeout",
    least: 30,
    most: 7200,
    source: putHook,
    refusal: {
      code: 'ValidationError',
      words: () => 'Heartbeat timeout must be between 30 and 7200 seconds',
    },
  },
  metadata: {
    what: "characters of a lifecycle hook's notification metadata",
    least: 1,
    most: 1023,
    source: {
      title: 'AWS::AutoScaling::LifecycleHook, AWS CloudFormation Template Reference',
      url: 'https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-autoscaling-lifecyclehook.html',
    },
    refusal: { code: 'ValidationError', words: () => 'NotificationMetadata must have 1 to 1023 characters' },
  },
  ofGroup: {
    what: 'lifecycle hooks of a group',
    most: 50,
    source: quotas,
    refusal: {
      code: 'LimitExceeded',
      words: () => 'An Auto Scaling group can have at most 50 lifecycle hooks',
    },
  },
} as const satisfies Readonly<Record<string, Limit>>;

export const groupName: Limit = {
  what: "an Auto Scaling group's name",
  // ASCII 33 to 126 but the colon.
  pattern: /^[!-9;-~]{1,255}$/,
  source: {
    title: 'CreateAutoScalingGroup, Amazon EC2 Auto Scaling API Reference',
    url: 'https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_CreateAutoScalingGroup.html',
  },
  refusal: {
    code: 'ValidationError',
    words: () => 'The group name must have 1 to 255 characters, and no colon',
  },
};
