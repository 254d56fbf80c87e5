/** EventBridge: rules and their targets. */
import type { Limit, Source } from './limit.ts';

const quotas: Source = {
  title: 'Amazon EventBridge quotas',
  url: 'https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html',
};
const transformer: Source = {
  title: 'InputTransformer, Amazon EventBridge API Reference',
  url: 'https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_InputTransformer.html',
};

export const eventRules = {
  /** A quota that can be raised to 4,096. */
  pattern: {
    what: 'characters of an event pattern',
    most: 2048,
    source: quotas,
    refusal: {
      code: 'InvalidEventPatternException',
      words: () => 'Event pattern is not valid. Reason: it is longer than 2048 characters',
    },
  },
  targets: {
    what: 'targets of a rule',
    most: 5,
    source: quotas,
    refusal: {
      code: 'LimitExceededException',
      words: () => 'The requested resource exceeds the maximum number allowed.',
      seen: {
        title:
          'Add a check that CloudWatch Events Rules have <= 5 targets (aws-cloudformation/cfn-lint, issue 306)',
        url: 'https://github.com/aws-cloudformation/cfn-lint/issues/306',
      },
    },
  },
  paths: {
    what: "paths of a target's input transformer",
    most: 100,
    source: transformer,
    refusal: { code: 'ValidationException', words: () => 'InputPathsMap has more than 100 entries.' },
  },
  template: {
    what: "characters of a target's input template",
    least: 1,
    most: 8192,
    source: transformer,
    refusal: { code: 'ValidationException', words: () => 'InputTemplate is longer than 8192 characters.' },
  },
} as const satisfies Readonly<Record<string, Limit>>;
