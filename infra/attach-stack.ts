import { CfnCondition, CfnParameter, CfnRule, Fn, Stack, type StackProps } from 'aws-cdk-lib';
import { CfnLifecycleHook } from 'aws-cdk-lib/aws-autoscaling';
import type { Construct } from 'constructs';
import {
  type Hook,
  heartbeatBounds,
  launchHook,
  LONGEST_HEARTBEAT,
  SHORTEST_HEARTBEAT,
  terminateHook,
} from './attach.ts';

/** Attaches one existing group: the hooks of `DomainMembership.attach` as a template with parameters. */
export class AttachStack extends Stack {
  constructor(scope: Construct, id: string, props: StackProps = {}) {
    super(scope, id, { description: 'adjoin: attaches an Auto Scaling group', ...props });
    const text = (name: string, description: string): string =>
      new CfnParameter(this, name, { type: 'String', description, minLength: 1 }).valueAsString;
    const group = text(
      'AutoScalingGroupName',
      'The group; its owner tags it JoinAD=true, propagated to instances',
    );
    // CloudFormation can't look at a group that is not its own. Hooks on one without the tag end each launch, and Auto Scaling
    // launches again: so the person who deploys this says that it is there.
    const tagged = new CfnParameter(this, 'GroupIsTagged', {
      type: 'String',
      description:
        'true, once the group has its tag: without it, every launch would be ended, again and again',
    });
    new CfnRule(this, 'Tagged', {
      assertions: [
        {
          assert: Fn.conditionEquals(tagged, 'true'),
          assertDescription:
            'Tag the group JoinAD=true first, propagated to instances; then say GroupIsTagged=true',
        },
      ],
    });
    const target = {
      autoScalingGroupName: group,
      notificationTargetArn: text('QueueArn', 'Output QueueArn of the adjoin stack'),
      roleArn: text('PublisherRoleArn', 'Output PublisherRoleArn of the adjoin stack'),
    };
    const heartbeat = new CfnParameter(this, 'HeartbeatSeconds', {
      type: 'Number',
      description: 'How long Auto Scaling waits for a heartbeat of the agent',
      default: 300,
      minValue: SHORTEST_HEARTBEAT,
      maxValue: LONGEST_HEARTBEAT,
      constraintDescription: heartbeatBounds,
    }).valueAsNumber;
    const hook = (name: string, description: string, values: Hook): void => {
      const wanted = new CfnParameter(this, name, {
        type: 'String',
        description,
        allowedValues: ['true', 'false'],
        default: 'true',
      });
      const resource = new CfnLifecycleHook(this, `${name}Hook`, { ...values, ...target });
      resource.cfnOptions.condition = new CfnCondition(this, `${name}Wanted`, {
        expression: Fn.conditionEquals(wanted, 'true'),
      });
    };
    hook('Join', 'Instances join before they are in service', launchHook(heartbeat));
    hook('Unjoin', 'Instances leave the directory before they are gone', terminateHook(heartbeat));
  }
}
