/**
 * What a CDK app of one's own may say to the constructs: each case a stack. Node runs this file, and it prints as JSON the
 * template of each case, or the message of its error. It is a program because loading the construct library inside Jest
 * takes ten times as long.
 *
 *     node test/infra/constructs/cases.ts SYNTHESIS_FOLDER
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App, CfnParameter, Duration, Resource, Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { AutoScalingGroup, CfnAutoScalingGroup, LifecycleTransition } from 'aws-cdk-lib/aws-autoscaling';
import {
  AmazonLinuxCpuType,
  InstanceType,
  InterfaceVpcEndpoint,
  type IVpc,
  LaunchTemplate,
  MachineImage,
  Port,
  PrefixList,
  SecurityGroup,
  Vpc,
} from 'aws-cdk-lib/aws-ec2';
import { Cluster } from 'aws-cdk-lib/aws-ecs';
import { ManagedPolicy, Role, ServicePrincipal, User } from 'aws-cdk-lib/aws-iam';
import { CfnBucket } from 'aws-cdk-lib/aws-s3';
import { createApp } from '../../../infra/app.ts';
import type { AttachOptions } from '../../../infra/attach.ts';
import { DomainMembership, type DomainMembershipProps } from '../../../infra/domain-membership.ts';
import { agentSettings, badDeployments, longestDeployment, pem } from './given.ts';

const [, , synthesized = ''] = process.argv;
const folder = mkdtempSync(join(tmpdir(), 'adjoin-constructs-'));

const account = 'arn:aws:iam::123456789012';

const vpcIn = (stack: Stack, id = 'Vpc', zones = ['a', 'b']): IVpc =>
  Vpc.fromVpcAttributes(stack, id, {
    vpcId: 'vpc-0123456789abcdef0',
    availabilityZones: zones,
    privateSubnetIds: zones.map((_, index) => `subnet-0123456789abcdef${index}`),
    privateSubnetRouteTableIds: zones.map((_, index) => `rtb-0123456789abcdef${index}`),
  });

const propsIn = (stack: Stack): DomainMembershipProps => ({
  administrators: [Role.fromRoleArn(stack, 'Administrator', `${account}:role/adjoin-administrator`)],
  breakGlassRole: Role.fromRoleArn(stack, 'BreakGlass', `${account}:role/adjoin-break-glass`),
  vpc: vpcIn(stack, 'WorkersVpc'),
  directoryCidrs: ['10.77.0.0/24'],
  directoryCa: pem,
  agent: { bucketName: 'artifacts', objectKey: 'agent.mjs', sha256: 'a'.repeat(64) },
  prefixLists: ['pl-0123456789abcdef0', 'pl-0123456789abcdef1'].map((id) =>
    PrefixList.fromPrefixListId(stack, id, id),
  ),
  operatorNetworks: ['192.0.2.0/24'],
});

type Over = Partial<DomainMembershipProps> | ((stack: Stack) => Partial<DomainMembershipProps>);

function emptyStack(): Stack {
  const app = new App({
    outdir: mkdtempSync(join(folder, 'out-')),
    analyticsReporting: false,
    context: { '@aws-cdk/core:newStyleStackSynthesis': false },
  });
  return new Stack(app, 'own');
}

function own(over: Over = {}): { stack: Stack; membership: DomainMembership } {
  const stack = emptyStack();
  const more = typeof over === 'function' ? over(stack) : over;
  return { stack, membership: new DomainMembership(stack, 'Membership', { ...propsIn(stack), ...more }) };
}

/** A group that is no instance of this library's class, as one of another copy is none. */
class ForeignGroup extends Resource {
  readonly autoScalingGroupName = 'foreign';
  readonly role: Role;

  constructor(scope: Stack, id: string) {
    super(scope, id);
    this.role = new Role(this, 'Role', { assumedBy: new ServicePrincipal('ec2.amazonaws.com') });
    this.node.defaultChild = new CfnAutoScalingGroup(this, 'ASG', { minSize: '0', maxSize: '1' });
  }
}

function roleOfOthers(options?: AttachOptions): Stack {
  const { stack, membership } = own();
  membership.attach(
    new AutoScalingGroup(stack, 'Fleet', {
      vpc: vpcIn(stack),
      instanceType: new InstanceType('t4g.nano'),
      machineImage: MachineImage.genericLinux({ 'us-east-1': 'ami-0123456789abcdef0' }, {}),
      role: Role.fromRoleArn(stack, 'Theirs', 'arn:aws:iam::123456789012:role/theirs'),
    }),
    options,
  );
  return stack;
}

/** A stack with an Auto Scaling group of the app's own, and what the app does with the group. */
function fleet(act: (membership: DomainMembership, group: AutoScalingGroup) => void, guarded = false): Stack {
  const { stack, membership } = own();
  const vpc = vpcIn(stack);
  const group = new AutoScalingGroup(stack, 'Fleet', {
    vpc,
    instanceType: new InstanceType('t4g.nano'),
    machineImage: MachineImage.genericLinux({ 'us-east-1': 'ami-0123456789abcdef0' }, {}),
    ...(guarded && { securityGroup: new SecurityGroup(stack, 'FleetGroup', { vpc }) }),
  });
  act(membership, group);
  return stack;
}

const attached = (options?: AttachOptions) => (): Stack =>
  fleet((membership, group) => membership.attach(group, options));

const cases = {
  plain: () => own().stack,
  'with settings': () => own({ agentSettings }).stack,
  'with the longest name': () => own({ deployment: longestDeployment }).stack,
  'with endpoints of its own': () =>
    own((stack) => ({
      secretsManagerEndpoint: InterfaceVpcEndpoint.fromInterfaceVpcEndpointAttributes(stack, 'Secrets', {
        vpcEndpointId: 'vpce-0abc',
        port: 443,
      }),
      endpointSecurityGroups: [SecurityGroup.fromSecurityGroupId(stack, 'Theirs', 'sg-0123456789abcdef0')],
    })).stack,
  'with endpoints that are made': () =>
    own((stack) => ({
      createEndpoints: ['sqs', 's3'],
      nodeSecurityGroups: [SecurityGroup.fromSecurityGroupId(stack, 'Nodes', 'sg-0123456789abcdef1')],
    })).stack,
  'with a user for sessions': () => own({ sessionUser: 'reader' }).stack,
  'in terms of the construct library': () =>
    own((stack) => ({
      administratorArns: [`${account}:role/aws-reserved/sso.amazonaws.com/*Admin*`],
      directoryCidrs: ['10.77.0.0/24', 'fd00:10:77::/64'],
      directorySite: 'Branch',
      directoryControllers: ['dc1.corp.example.test'],
      endpointCidr: '10.9.0.0/24',
      endpointVpc: Vpc.fromVpcAttributes(stack, 'Hub', {
        vpcId: 'vpc-0123456789abcdef9',
        availabilityZones: ['a'],
      }),
      workerCount: 3,
      workerMaximum: 9,
      workerInstanceType: new InstanceType('m7g.large'),
      workerImage: MachineImage.latestAmazonLinux2023({ cpuType: AmazonLinuxCpuType.ARM_64 }),
      permissionsBoundary: ManagedPolicy.fromManagedPolicyArn(stack, 'Bound', `${account}:policy/bound`),
      rolePath: '/team/',
      alarmEmail: 'ops@example.com',
      joinPatience: Duration.minutes(20),
      unjoinPatience: Duration.hours(2),
      drainTime: Duration.minutes(3),
      sweepInterval: Duration.minutes(30),
      sweepQuarantine: Duration.days(7),
      sweep: true,
      agentSettings: { concurrency: 8, patience: { joinSeconds: 1, joinAttempts: 4 } },
      sessionsNotBefore: new Date('2030-01-01T00:00:00.000Z'),
      databasePort: 1433,
    })).stack,
  'granted and measured': () => {
    const { stack, membership } = own();
    const made = new Role(stack, 'Ops', { assumedBy: new ServicePrincipal('ec2.amazonaws.com') });
    const theirs = Role.fromRoleName(stack, 'OpsOfOthers', 'ops-of-others');
    membership.grantNode(theirs);
    membership.grantNode(made);
    membership.grantSessions(made);
    membership.grantSessions(new User(stack, 'Person'));
    membership.grantMembershipOperator(made);
    membership.grantDeadLetterOperator(made);
    membership.restrict(theirs);
    new SecurityGroup(stack, 'Controllers', { vpc: vpcIn(stack) }).connections.allowFrom(
      membership,
      Port.tcp(636),
    );
    const watched = { threshold: 1, evaluationPeriods: 1 };
    membership.metricJoinFailures({ period: Duration.hours(1) }).createAlarm(stack, 'Failures', watched);
    membership.metricOldestMessage().createAlarm(stack, 'Oldest', watched);
    return stack;
  },
  'with clusters that record, and a lock': () => {
    const { stack, membership } = own({ sessionRecordLock: Duration.days(90), trailName: 'organization' });
    const executeCommandConfiguration = membership.ecsExecConfiguration;
    return Stack.of(new Cluster(stack, 'Cluster', { vpc: vpcIn(stack), executeCommandConfiguration }));
  },
  'with two clusters that record': () => {
    const { stack, membership } = own();
    const vpc = vpcIn(stack);
    const cluster = (id: string) =>
      new Cluster(stack, id, { vpc, executeCommandConfiguration: membership.ecsExecConfiguration });
    cluster('One');
    return Stack.of(cluster('Two'));
  },
  'with a lock that outlives its records': () => own({ sessionRecordLock: Duration.days(366) }).stack,
  'without an administrator': () => own({ administrators: [] }).stack,
  'with a CA that is none': () => own({ directoryCa: 'QUJD' }).stack,
  'with a CA that is too long': () => own({ directoryCa: pem.replace('QUJD', 'A'.repeat(5000)) }).stack,
  'in one zone': () => own((stack) => ({ vpc: vpcIn(stack, 'Narrow', ['a']) })).stack,
  'in no known Region, without prefix lists': () => {
    const stack = emptyStack();
    const { prefixLists: _, ...others } = propsIn(stack);
    return Stack.of(new DomainMembership(stack, 'Membership', others));
  },
  'with half of a path': () => own({ rolePath: 'team' }).stack,
  'with half of a hub': () => own({ endpointCidr: '10.9.0.0/24' }).stack,
  'in a clone, without an agent': () => {
    const stack = emptyStack();
    const { agent: _, ...others } = propsIn(stack);
    return Stack.of(new DomainMembership(stack, 'Membership', others));
  },
  'with MFA': () => own({ requireMfa: true }).stack,
  'without MFA': () => own({ requireMfa: false }).stack,
  attached: attached(),
  'attached, unjoin only': attached({ join: false }),
  'attached, join only': attached({ unjoin: false }),
  'attached for nothing': attached({ join: false, unjoin: false }),
  'attached, a failed launch is held': attached({ onJoinFailure: 'HOLD' }),
  'attached, others join': attached({ unjoinOnly: true }),
  'attached, with people who log in': attached({
    operatingSystem: 'RHEL',
    logInGroups: ['Fleet Users', 'ops'],
    sudoGroups: ['ops'],
    ownDocuments: {
      join: 'adjoin-own-join',
      leave: 'adjoin-own-leave',
      postJoin: 'adjoin-own-harden',
      onPostJoinFailure: 'ABANDON',
    },
  }),
  'attached, others join and so do we': attached({ unjoinOnly: true, join: true }),
  'attached with too short a heartbeat': attached({ heartbeat: Duration.seconds(29) }),
  'attached with too long a heartbeat': attached({ heartbeat: Duration.seconds(7201) }),
  'attached with half a second': attached({ heartbeat: Duration.millis(30_500) }),
  'with too short a visibility': () => own({ agentSettings: { receive: { visibilitySeconds: 9 } } }).stack,
  'with too long a visibility': () => own({ agentSettings: { receive: { visibilitySeconds: 3601 } } }).stack,
  'attached with a heartbeat that is known at deployment': () =>
    fleet((membership, group) => {
      const parameter = new CfnParameter(Stack.of(group), 'Heartbeat', { type: 'Number' });
      membership.attach(group, { heartbeat: Duration.seconds(parameter.valueAsNumber) });
    }),
  'attached, of another copy of the library': () => {
    const { stack, membership } = own();
    membership.attach(new ForeignGroup(stack, 'Foreign'));
    return stack;
  },
  'attached with a role that is not made here': () => roleOfOthers(),
  'attached with a role that is not made here, whose owner is told': () =>
    roleOfOthers({ nodePolicy: false }),
  'attached with a launch template that is not made here': () => {
    const { stack, membership } = own();
    membership.attach(
      new AutoScalingGroup(stack, 'Fleet', {
        vpc: vpcIn(stack),
        launchTemplate: LaunchTemplate.fromLaunchTemplateAttributes(stack, 'Theirs', {
          launchTemplateId: 'lt-0123456789abcdef0',
          versionNumber: '1',
        }),
      }),
    );
    return stack;
  },
  'attached with a launch template without a role': () => {
    const { stack, membership } = own();
    const launchTemplate = new LaunchTemplate(stack, 'Template', {
      instanceType: new InstanceType('t4g.nano'),
      machineImage: MachineImage.genericLinux({ 'us-east-1': 'ami-0123456789abcdef0' }, {}),
    });
    membership.attach(new AutoScalingGroup(stack, 'Fleet', { vpc: vpcIn(stack), launchTemplate }));
    return stack;
  },
  'attached, a resource of its own': () => {
    const { stack, membership } = own();
    membership.attach(new CfnAutoScalingGroup(stack, 'Fleet', { minSize: '0', maxSize: '1' }), {
      nodePolicy: false,
      operatingSystem: 'RHEL',
    });
    return stack;
  },
  'attached, a resource of its own, whose role is not told': () => {
    const { stack, membership } = own();
    membership.attach(new CfnAutoScalingGroup(stack, 'Fleet', { minSize: '0', maxSize: '1' }));
    return stack;
  },
  'attached, imported, with tags': () => {
    const { stack, membership } = own();
    membership.attach(AutoScalingGroup.fromAutoScalingGroupName(stack, 'Fleet', 'fleet'), {
      onJoinFailure: 'HOLD',
      sudoGroups: ['ops'],
    });
    return stack;
  },
  'attached, no group at all': () => {
    const { stack, membership } = own();
    membership.attach(new SecurityGroup(stack, 'Fleet', { vpc: vpcIn(stack) }));
    return stack;
  },
  'attached beside a hook of theirs': () => {
    const { stack, membership } = own();
    const group = AutoScalingGroup.fromAutoScalingGroupName(stack, 'Fleet', 'fleet');
    group.addLifecycleHook('Theirs', { lifecycleTransition: LifecycleTransition.INSTANCE_LAUNCHING });
    membership.attach(group, { unjoin: false, heartbeat: Duration.minutes(2) });
    return stack;
  },
  'a group with a security group, attached': () =>
    fleet((membership, group) => membership.attach(group), true),
  'a group with a security group, not attached': () => fleet(() => {}, true),
} as const satisfies Readonly<Record<string, () => Stack>>;

export type CaseName = keyof typeof cases;

/** A template, or why there is none. */
export type Made = { readonly template: unknown } | { readonly error: string };

export interface Constructs {
  readonly cases: Readonly<Record<string, Made>>;
  /** What each bad name of a deployment is answered. */
  readonly badDeployments: readonly Made[];
  /** The system with a bucket that has no justification: what its synthesis said, and the rules that the bucket breaks. */
  readonly unjustified: { readonly error: string; readonly rules: readonly string[] };
}

function make(stackOf: () => Stack): Made {
  try {
    return { template: Template.fromStack(stackOf()).toJSON() };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}

function unjustified(): Constructs['unjustified'] {
  const outdir = mkdtempSync(join(folder, 'nag-'));
  const app = createApp({ outdir, agentFile: join(synthesized, 'agent', 'agent.mjs') });
  const bucket = new CfnBucket(app.node.findChild('adjoin'), 'Open');
  let error = '';
  try {
    app.synth();
  } catch (thrown) {
    error = thrown instanceof Error ? thrown.message : String(thrown);
  }
  const report: { pluginReports: { violations: { ruleName: string }[] }[] } = JSON.parse(
    readFileSync(join(outdir, 'validation-report.json'), 'utf8'),
  );
  const rules = report.pluginReports
    .flatMap(({ violations }) => violations)
    .filter((violation) => JSON.stringify(violation).includes(`"${bucket.node.path}"`))
    .map(({ ruleName }) => ruleName);
  return { error, rules };
}

try {
  const printed: Constructs = {
    cases: Object.fromEntries(Object.entries(cases).map(([name, stackOf]) => [name, make(stackOf)])),
    badDeployments: badDeployments.map((deployment) => make(() => own({ deployment }).stack)),
    unjustified: unjustified(),
  };
  process.stdout.write(JSON.stringify(printed));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
