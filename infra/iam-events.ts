import { Aws, CfnParameter, CfnRule as CfnTemplateRule, Fn, Stack, type StackProps } from 'aws-cdk-lib';
import { CfnRule } from 'aws-cdk-lib/aws-events';
import { CfnRole } from 'aws-cdk-lib/aws-iam';
import type { Construct } from 'constructs';
import { fillPolicy } from './policy-file.ts';
import { deploymentPattern } from './site.ts';

/** Where IAM's events are, as those of all global services: https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-concepts.html#cloudtrail-concepts-global-service-events */
const globalRegion = 'us-east-1';

/**
 * IAM is one service for all Regions, and its events are in us-east-1 alone. This stack is deployed there, and sends them to the event bus
 * of the Region whose audit rules wait for them.
 */
export class IamEventsStack extends Stack {
  constructor(scope: Construct, id: string, props: StackProps = {}) {
    super(scope, id, { description: `adjoin: forwards IAM's events from ${globalRegion}`, ...props });
    const parameter = (name: string, description: string, pattern: string, value?: string) =>
      new CfnParameter(this, name, {
        type: 'String',
        description,
        allowedPattern: pattern,
        ...(value !== undefined && { default: value }),
      }).valueAsString;
    const deployment = parameter('Deployment', "As the system's stack has it", deploymentPattern, 'adjoin');
    const region = parameter(
      'TargetRegion',
      "The Region of the system's stack",
      '^[a-z]{2,}(-[a-z]+)+-[0-9]$',
    );
    new CfnTemplateRule(this, 'FromWhereTheyAre', {
      assertions: [
        {
          assert: Fn.conditionEquals(Aws.REGION, globalRegion),
          assertDescription: `IAM's events are in ${globalRegion}: deploy this stack there.`,
        },
        {
          assert: Fn.conditionNot(Fn.conditionEquals(region, globalRegion)),
          assertDescription: `A system in ${globalRegion} has IAM's events already: it needs no such stack.`,
        },
      ],
    });
    const name = `${deployment}-${region}-iam-events`;
    const here = `${Aws.PARTITION}:events:${Aws.REGION}:${Aws.ACCOUNT_ID}`;
    const bus = `arn:${Aws.PARTITION}:events:${region}:${Aws.ACCOUNT_ID}:event-bus/default`;
    const values = {
      AccountId: Aws.ACCOUNT_ID,
      EventBusArn: bus,
      ForwardRuleArn: `arn:${here}:rule/${name}`,
    };
    const role = new CfnRole(this, 'Role', {
      roleName: name,
      description: "adjoin: forwards IAM's events",
      assumeRolePolicyDocument: fillPolicy('trust-events', values),
      policies: [{ policyName: 'forward', policyDocument: fillPolicy('iam-events', values) }],
    });
    new CfnRule(this, 'Rule', {
      name,
      description: `adjoin: IAM's events, for the audit rules in another Region`,
      eventPattern: { source: ['aws.iam'], 'detail-type': ['AWS API Call via CloudTrail'] },
      targets: [{ id: 'bus', arn: bus, roleArn: role.attrArn }],
    });
  }
}
