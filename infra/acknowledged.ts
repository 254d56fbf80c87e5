import { Stack, Validations } from 'aws-cdk-lib';
import type { IConstruct } from 'constructs';
import type { MembershipSystem } from './membership-system.ts';

/** An accepted wildcard in a policy, with its reason. */
type Wildcard = readonly [resource: string, reason: string];

const anyResource: Wildcard = ['*', 'These calls know no resources: IAM takes nothing but * for them'];
const instances = 'Instances come and go; a condition on their tags decides';

/** The findings of cdk-nag's AwsSolutions rules that are accepted, each with its reason. */
export function acknowledge({ credential, sessions, worker }: MembershipSystem): void {
  accept(credential.secret, 'SMG4', "The directory's owners change the password and put it as a new version");
  accept(
    sessions.bucket,
    'S1',
    'Reads of the records are in CloudTrail; logs about a bucket of logs would go on and on',
  );
  accept(worker.group, 'AS3', 'The alarm no-worker speaks when it matters; launches and ends are routine');

  const here = 'arn:<AWS::Partition>:';
  const place = '<AWS::Region>:<AWS::AccountId>:';
  const id = (resource: Parameters<Stack['getLogicalId']>[0]) => Stack.of(credential).getLogicalId(resource);
  const records: Wildcard = [
    `<${id(sessions.bucket)}.Arn>/*`,
    'Records are named by session; the bucket is fixed',
  ];
  const streams = (group: string): Wildcard => [
    `${here}logs:${place}log-group:<${group}>:*`,
    'Log streams are named by whoever writes; the log group is fixed',
  ];
  const node = [anyResource, records, streams(id(sessions.logGroup))];
  wildcards(sessions.nodePolicy, node);
  wildcards(sessions.taskPolicy, node);
  wildcards(worker.node.findChild('Shell'), node);
  wildcards(worker.node.findChild('Policy'), [
    anyResource,
    [`${here}ec2:${place}instance/*`, instances],
    [`${here}ssm:${place}managed-instance/*`, instances],
    [
      `${here}autoscaling:${place}autoScalingGroup:*:autoScalingGroupName/*`,
      'Groups are attached later; a condition on their tags decides',
    ],
    [
      `${here}ssm:${place}document/<Deployment>-own-*`,
      'Documents of customers, which come later; the worker runs those whose version and hash its configuration names',
    ],
    streams(id(worker.logGroup)),
  ]);
  const operator: Wildcard[] = [
    anyResource,
    [`${here}ec2:${place}instance/*`, instances],
    [`${here}ssm:${place}session/*`, "A condition on the session's owner decides"],
  ];
  wildcards(sessions.operatorPolicies.session, operator);
  wildcards(sessions.operatorPolicies.portForwarding, operator);
  wildcards(sessions.workerAdministratorPolicy, operator);
  wildcards(sessions.operatorPolicies.ecsExec, [
    anyResource,
    [`${here}ecs:${place}task/*`, 'Tasks come and go; a condition on their tags decides'],
    [`${here}ecs:${place}cluster/*`, 'A condition on their tags decides'],
  ]);
}

function accept(construct: IConstruct, rule: string, reason: string): void {
  Validations.of(construct).acknowledge({ id: `AwsSolutions-${rule}`, reason });
}

function wildcards(policy: IConstruct, findings: readonly Wildcard[]): void {
  for (const [resource, reason] of findings) accept(policy, `IAM5[Resource::${resource}]`, reason);
}
