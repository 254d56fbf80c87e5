/** Everybody who might try, from the worker to a nobody. */
import { policy, type Identity, type Policy } from '../../../infra/sandbox/iam/policies.ts';
import { accountId, people, region, roleArn, type Stack } from './stack.ts';

export interface Actor {
  readonly name: ActorName;
  /** As the authorizer is asked. */
  readonly principal: string;
  /** ARN and policies of the role or user; absent for who has none. */
  readonly identity?: readonly [arn: string, Identity];
  /** Whether the deny policies are for such as this one. */
  readonly guarded: boolean;
  /** Condition keys that come with this actor's requests. */
  readonly context: Readonly<Record<string, string>>;
}

export type ActorName =
  | 'worker'
  | 'worker with everything'
  | 'hook publisher'
  | 'node'
  | 'node with everything'
  | 'account administrator'
  | 'secret administrator'
  | 'break-glass role'
  | 'worker administrator'
  | 'dead-letter operator'
  | 'membership operator'
  | 'developer'
  | 'session operator'
  | 'forwarding operator'
  | 'container operator'
  | 'session operator and developer'
  | 'forwarding operator and developer'
  | 'container operator and developer'
  | 'root user'
  | "another account's root user"
  | 'lifecycle rule'
  | 'state-change rule'
  | 'audit rule'
  | 'other rule'
  | "another account's rule"
  | 'alarm'
  | "another account's alarm"
  | 'EC2'
  | 'Auto Scaling'
  | 'nobody'
  | "another account's administrator";

const otherAccount = '999999999999';

const everything = policy('AdministratorAccess', {
  Version: '2012-10-17',
  Statement: [{ Sid: 'Everything', Effect: 'Allow', Action: '*', Resource: '*' }],
});

/** What counts here of AWS's PowerUserAccess: everything but people and their rights. */
const power = policy('PowerUserAccess', {
  Version: '2012-10-17',
  Statement: [
    {
      Sid: 'AllButPeople',
      Effect: 'Allow',
      NotAction: ['iam:*', 'organizations:*', 'account:*'],
      Resource: '*',
    },
  ],
});

/** People come with MFA, from the operators' network, in their hours. */
const person = {
  'aws:MultiFactorAuthPresent': 'true',
  'aws:SourceIp': '198.51.100.7',
  'aws:CurrentTime': '2026-06-01T10:00:00Z',
};

/** A role's credentials on an instance, as IMDSv2 hands them out. */
const instance = {
  'ec2:RoleDelivery': '2.0',
  'ec2:SourceInstanceArn': `arn:aws:ec2:${region}:${accountId}:instance/i-0000000000000000c`,
};

function roles(stack: Stack): Actor[] {
  const role = (
    name: ActorName,
    arn: string,
    policies: readonly Policy[],
    more: Partial<Actor> = {},
  ): Actor => ({
    name,
    principal: `arn:aws:sts::${accountId}:assumed-role/${arn.split('/').at(-1) ?? ''}/somebody`,
    identity: [arn, { policies }],
    guarded: false,
    context: person,
    ...more,
  });
  const guarded = { guarded: true };
  const machine = { context: instance };
  const { workerRole, publisherRole, deadLetterOperatorRole, membershipOperatorRole } = stack.arns;
  return [
    role('worker', workerRole, stack.worker, machine),
    role('worker with everything', workerRole, [...stack.worker, everything], machine),
    role('hook publisher', publisherRole, stack.publisher, { context: {} }),
    role('node', roleArn('node'), [stack.node], machine),
    role('node with everything', roleArn('node'), [stack.node, everything], { ...machine, ...guarded }),
    role('account administrator', roleArn('administrator'), [everything], guarded),
    role('secret administrator', people.administrator, [everything], guarded),
    role('break-glass role', people.breakGlass, [everything]),
    role('worker administrator', people.workerAdministrator, [stack.workerAdministrator]),
    role('dead-letter operator', deadLetterOperatorRole, stack.deadLetterOperator),
    role('membership operator', membershipOperatorRole, stack.membershipOperator),
    role('developer', roleArn('developer'), [power], guarded),
    role('session operator', roleArn('operator'), [stack.operatorSession], guarded),
    role('forwarding operator', roleArn('operator'), [stack.operatorPortForwarding], guarded),
    role('container operator', roleArn('operator'), [stack.operatorEcsExec], guarded),
    role('session operator and developer', roleArn('operator'), [stack.operatorSession, power], guarded),
    role(
      'forwarding operator and developer',
      roleArn('operator'),
      [stack.operatorPortForwarding, power],
      guarded,
    ),
    role('container operator and developer', roleArn('operator'), [stack.operatorEcsExec, power], guarded),
  ];
}

const rule = (name: string, account = accountId) => ({
  'aws:SourceArn': `arn:aws:events:${region}:${account}:rule/${name}`,
  'aws:SourceAccount': account,
});

const alarm = (account: string) => ({
  'aws:SourceArn': `arn:aws:cloudwatch:${region}:${account}:alarm:adjoin-dead-letters`,
  'aws:SourceAccount': account,
});

const otherAdministrator = `arn:aws:iam::${otherAccount}:user/administrator`;

const others: readonly Omit<Actor, 'guarded'>[] = [
  { name: 'root user', principal: `arn:aws:iam::${accountId}:root`, context: person },
  { name: "another account's root user", principal: `arn:aws:iam::${otherAccount}:root`, context: person },
  { name: 'lifecycle rule', principal: 'events.amazonaws.com', context: rule('adjoin-lifecycle-fleet') },
  {
    name: 'state-change rule',
    principal: 'events.amazonaws.com',
    context: rule('adjoin-lifecycle-standalone'),
  },
  // To topics and their keys, EventBridge brings nothing that says for which rule of which account it calls.
  { name: 'audit rule', principal: 'events.amazonaws.com', context: {} },
  { name: 'other rule', principal: 'events.amazonaws.com', context: rule('theirs') },
  {
    name: "another account's rule",
    principal: 'events.amazonaws.com',
    context: rule('adjoin-lifecycle-fleet', otherAccount),
  },
  { name: 'alarm', principal: 'cloudwatch.amazonaws.com', context: alarm(accountId) },
  { name: "another account's alarm", principal: 'cloudwatch.amazonaws.com', context: alarm(otherAccount) },
  { name: 'EC2', principal: 'ec2.amazonaws.com', context: {} },
  { name: 'Auto Scaling', principal: 'autoscaling.amazonaws.com', context: {} },
  { name: 'nobody', principal: 'anonymous', context: {} },
  {
    name: "another account's administrator",
    principal: otherAdministrator,
    identity: [otherAdministrator, { policies: [everything] }],
    context: person,
  },
];

export function cast(stack: Stack): Actor[] {
  return [...roles(stack), ...others.map((each): Actor => ({ guarded: false, ...each }))];
}
