import type { CfnCondition } from 'aws-cdk-lib';
import { CfnRule } from 'aws-cdk-lib/aws-events';
import type { CfnQueue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import type { Site } from './site.ts';

export interface StateChangesProps {
  readonly site: Site;
  readonly queue: CfnQueue;
  /** Where it is false, the rule is not made. @default - always */
  readonly condition?: CfnCondition;
}

/**
 * Sends the state changes of instances to the queue, for instances outside Auto Scaling groups.
 *
 * The event has no tags, so those of every instance in the account and Region come: the agent asks EC2 which of them are its
 * business. The name is one of those that the queue's policy lets in.
 */
export class StateChanges extends Construct {
  readonly ruleName: string;
  readonly condition?: CfnCondition;

  constructor(scope: Construct, id: string, { site, queue, condition }: StateChangesProps) {
    super(scope, id);
    const rule = new CfnRule(this, 'Rule', {
      name: `${site.deployment}-lifecycle-standalone`,
      description: 'adjoin: instances outside Auto Scaling groups that start or end',
      state: 'ENABLED',
      eventPattern: {
        source: ['aws.ec2'],
        'detail-type': ['EC2 Instance State-change Notification'],
        detail: { state: ['running', 'shutting-down', 'terminated'] },
      },
      targets: [{ id: 'queue', arn: queue.attrArn }],
    });
    this.ruleName = rule.ref;
    if (condition) {
      this.condition = condition;
      rule.cfnOptions.condition = condition;
    }
  }
}
