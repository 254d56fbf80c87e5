import { Stack, Validations } from 'aws-cdk-lib';
import type { IConstruct } from 'constructs';
import type { MembershipSystem } from './membership-system.ts';
import type { PrerequisitesStack } from './prerequisites.ts';

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

/** Why a resource in the policies of people has a wildcard, by what it ends with. */
const ofPeople: readonly (readonly [end: RegExp, reason: string])[] = [
  [/^\*$/, anyResource[1]],
  [/:secret:.*-\*$/, 'Secrets Manager ends the ARN with six characters of its own'],
  [
    /:(?:key|launch-template|security-group(?:-rule)?|vpc-endpoint)\/\*$/,
    'AWS gives the ID; a tag decides where there is one already',
  ],
  [/:ec2:.*>:\*$/, 'AWS gives the ID; the tag of the deployment decides'],
  [
    /:(?:route-table|subnet|vpc|instance|network-interface|volume|image)\/\*$/,
    'What the stack is made in, and what a launch would be made of',
  ],
  [/autoScalingGroup:\*:/, 'Auto Scaling puts an ID before the name'],
  [/parameter\/aws\/service\//, 'Names of images that AWS publishes'],
  [/(?:group|role|user)\/\*$/, 'Whoever has a denial of adjoin; a condition names these policies'],
  [/<Deployment>.*\*$/, 'The name of the deployment begins every name of its parts'],
  [/-agent-.*\*$/, 'Files have the hash of what they are in their names; the bucket is fixed'],
];

/** The same of what comes before the system. */
export function acknowledgePrerequisites({ bucket, policies }: PrerequisitesStack): void {
  accept(bucket, 'S1', 'Who puts or reads an agent is in CloudTrail, and workers check its hash');
  for (const policy of policies) {
    const resources = wildcardsIn(Stack.of(policy).resolve(policy.policyDocument));
    const findings = resources.map((resource): Wildcard => {
      const reason = ofPeople.find(([end]) => end.test(resource))?.[1];
      if (reason === undefined) throw new Error(`${policy.node.path}: why ${resource}?`);
      return [resource, reason];
    });
    wildcards(policy, findings);
  }
}

/** Resources with an asterisk, as the rule shows them. */
function wildcardsIn({
  Statement,
}: {
  readonly Statement: readonly { readonly Resource: unknown }[];
}): string[] {
  return Statement.flatMap(({ Resource }) => [Resource].flat().map(shown)).filter((each) =>
    each.includes('*'),
  );
}

function shown(resource: unknown): string {
  if (typeof resource === 'string') return resource;
  const { Ref, 'Fn::Join': join }: { Ref?: string; 'Fn::Join'?: [string, unknown[]] } = Object(resource);
  return Ref === undefined ? (join?.[1] ?? []).map(shown).join('') : `<${Ref}>`;
}

function accept(construct: IConstruct, rule: string, reason: string): void {
  Validations.of(construct).acknowledge({ id: `AwsSolutions-${rule}`, reason });
}

function wildcards(policy: IConstruct, findings: readonly Wildcard[]): void {
  for (const [resource, reason] of findings) accept(policy, `IAM5[Resource::${resource}]`, reason);
}
