/** Auto Scaling: scaling policies. */
import type { Limit, Source } from './limit.ts';

const quotas: Source = {
  title: 'Quotas for Auto Scaling resources and groups',
  url: 'https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-quotas.html',
};
const stepAdjustment: Source = {
  title: 'StepAdjustment, Amazon EC2 Auto Scaling API Reference',
  url: 'https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_StepAdjustment.html',
};
const putPolicy: Source = {
  title: 'PutScalingPolicy, Amazon EC2 Auto Scaling API Reference',
  url: 'https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_PutScalingPolicy.html',
};
const metricQuery: Source = {
  title: 'TargetTrackingMetricDataQuery, Amazon EC2 Auto Scaling API Reference',
  url: 'https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_TargetTrackingMetricDataQuery.html',
};
const seenOpenEnd: Source = {
  title: 'Error putting scaling policy (hashicorp/terraform-provider-aws, issue 9077)',
  url: 'https://github.com/hashicorp/terraform-provider-aws/issues/9077',
};

const refusal = (text: string, seen?: Source): Limit['refusal'] => ({
  code: 'ValidationError',
  words: () => text,
  ...(seen && { seen }),
});
const openEnd = (side: 'lower' | 'upper', sign: 'negative' | 'positive'): string =>
  `There must be a StepAdjustment with an unspecified ${side} bound (i.e., ${side} bound is null) when one StepAdjustment has a ${sign} ${side} bound`;

export const scalingPolicies = {
  steps: {
    what: 'step adjustments of a scaling policy for steps',
    least: 1,
    most: 20,
    source: quotas,
    refusal: refusal('A step scaling policy must have 1 to 20 step adjustments'),
  },
  adjustment: {
    what: 'adjustment types of a scaling policy for steps',
    least: 1,
    source: putPolicy,
    refusal: refusal('AdjustmentType must be specified for policy type: StepScaling'),
  },
  joints: {
    what: 'gaps and overlaps between step adjustments',
    most: 0,
    source: stepAdjustment,
    refusal: refusal("The ranges of step adjustments can't overlap or have a gap"),
  },
  unbounded: {
    what: 'step adjustments without any bound',
    most: 0,
    source: stepAdjustment,
    refusal: refusal("The upper and lower bound can't be null in the same step adjustment"),
  },
  lowerEnd: {
    what: 'step adjustments that leave what is below a negative bound open',
    most: 0,
    source: stepAdjustment,
    refusal: refusal(openEnd('lower', 'negative')),
  },
  upperEnd: {
    what: 'step adjustments that leave what is above a positive bound open',
    most: 0,
    source: stepAdjustment,
    refusal: refusal(openEnd('upper', 'positive'), seenOpenEnd),
  },
  tracked: {
    what: 'metrics that a target tracking policy returns',
    least: 1,
    most: 1,
    source: metricQuery,
    refusal: refusal('Exactly one metric of a customized metric specification must return data'),
  },
} as const satisfies Readonly<Record<string, Limit>>;

/** What a step adjustment holds for, as a difference from the alarm's threshold. */
export interface Step {
  readonly lower: number | undefined;
  readonly upper: number | undefined;
}

/** How often each rule on steps is broken. */
export function brokenBy(steps: readonly Step[]) {
  const sorted = steps.toSorted((one, other) => (one.lower ?? -Infinity) - (other.lower ?? -Infinity));
  const isOpen = (side: 'lower' | 'upper'): boolean => steps.some((step) => step[side] === undefined);
  return {
    joints: sorted.slice(1).filter(({ lower }, index) => lower !== sorted[index]?.upper).length,
    unbounded: steps.filter(({ lower, upper }) => lower === undefined && upper === undefined).length,
    lowerEnd: isOpen('lower') ? 0 : steps.filter(({ lower = 0 }) => lower < 0).length,
    upperEnd: isOpen('upper') ? 0 : steps.filter(({ upper = 0 }) => upper > 0).length,
  };
}
