import { Duration, Stack, Token } from 'aws-cdk-lib';
import { Metric, type MetricOptions } from 'aws-cdk-lib/aws-cloudwatch';
import type { ExecuteCommandConfiguration } from 'aws-cdk-lib/aws-ecs';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as iam from 'aws-cdk-lib/aws-iam';
import { type ITopic, Topic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import { agentAsset, type AgentFile } from './agent-file.ts';
import type { AgentSettings } from './agent-settings.ts';
import type { AttachableGroup, AttachOptions } from './attach.ts';
import { EcsExec } from './ecs-exec.ts';
import { type EndpointService, gatewayServices } from './endpoints.ts';
import { grantPolicy } from './grant.ts';
import { MembershipSystem, type MembershipSystemProps } from './membership-system.ts';

export interface DomainMembershipProps {
  /**
   * Name of the deployment: in every resource's name and in the stamp on each computer account. Never change it. 2 to 21 lower-case
   * letters, digits and hyphens, a letter first.
   * @default adjoin
   */
  readonly deployment?: string;
  /**
   * Roles that write the secret, handle dead letters and deploy this stack. None of them can read the secret. With
   * `administratorArns`, one at least.
   * @default - none
   */
  readonly administrators?: readonly iam.IRole[];
  /**
   * The same as ARNs, `*` for any characters: for roles of IAM Identity Center and of landing zones.
   * @default - none
   */
  readonly administratorArns?: readonly string[];
  /** A role for emergencies only: without it, a mistake in a policy could lock out its own authors. */
  readonly breakGlassRole: iam.IRole;
  /**
   * Whether sessions, a shell on workers and the operators' roles require MFA. False with IAM Identity Center and SAML, whose
   * sessions do not show MFA to AWS: require it where people sign on.
   * @default true
   */
  readonly requireMfa?: boolean;
  /** A permissions boundary for the roles of the system. @default - none */
  readonly permissionsBoundary?: iam.IManagedPolicy;
  /** Path of the system's roles and of the workers' instance profile, with a slash at both ends. @default / */
  readonly rolePath?: string;

  /** The VPC of the workers. */
  readonly vpc: ec2.IVpc;
  /**
   * Where workers and endpoints are: one subnet for each zone, in two zones or more. They need no route to the internet.
   * @default - the private subnets
   */
  readonly vpcSubnets?: ec2.SubnetSelection;
  /** Managed prefix lists of S3 and DynamoDB in this Region, for the workers' egress. @default - looked up by name */
  readonly prefixLists?: readonly ec2.IPrefixList[];
  /** Services to make endpoints of. @default - none: those that the VPC has are used */
  readonly createEndpoints?: readonly EndpointService[];
  /**
   * The interface endpoint of Secrets Manager: the secret can be read only through it.
   * @default - one of its own is made, which admits workers only
   */
  readonly secretsManagerEndpoint?: ec2.IInterfaceVpcEndpoint;
  /** Security groups of interface endpoints that are there; workers may connect to them on 443. @default - none */
  readonly endpointSecurityGroups?: readonly ec2.ISecurityGroup[];
  /** Adds the rule to these groups that lets the workers in. With false, their owner adds it. @default true */
  readonly openEndpointSecurityGroups?: boolean;
  /** The network of endpoints in another VPC, such as a hub, in CIDR notation. With `endpointVpc`. @default - none */
  readonly endpointCidr?: string;
  /** The other VPC: AWS sees the calls of workers as coming from there. @default - none */
  readonly endpointVpc?: ec2.IVpc;
  /** Security groups of nodes that may use the endpoints that are made. @default - none */
  readonly nodeSecurityGroups?: readonly ec2.ISecurityGroup[];

  /** The domain controllers' networks, in CIDR notation, of IPv4 or IPv6. */
  readonly directoryCidrs: readonly string[];
  /** The CA of the domain controllers' LDAPS certificates: the text of its PEM file, which may hold a chain. */
  readonly directoryCa: string;
  /** Active Directory site of the workers: its controllers are tried first. @default - the site that they find by themselves */
  readonly directorySite?: string;
  /** Host names of domain controllers: no others are used. @default - those that DNS names and that prove to be controllers */
  readonly directoryControllers?: readonly string[];

  /** The bundled agent. @default - the package's own, uploaded with the stack, which needs a bootstrapped account and Region */
  readonly agent?: AgentFile;
  /** Workers at least. @default 2 */
  readonly workerCount?: number;
  /** Workers at most. @default 6 */
  readonly workerMaximum?: number;
  /** Its architecture is that of the image. @default t4g.small */
  readonly workerInstanceType?: ec2.InstanceType;
  /** An image of Amazon Linux 2023. @default - the newest for arm64, looked up at each launch */
  readonly workerImage?: ec2.IMachineImage;
  /** Lets the workers' administrator open a shell on them; without it, workers have no SSM agent. @default false */
  readonly workerShell?: boolean;
  /** Where alarms are sent by mail; the address has to confirm it. @default - nowhere; `alarmTopic` takes subscriptions */
  readonly alarmEmail?: string;
  /** Receives before a message becomes a dead letter, 1,000 at most. @default 20 */
  readonly maxReceiveCount?: number;
  /**
   * Instances outside Auto Scaling groups join when they run and are unjoined when they end, if they have the tag JoinAD=true
   * themselves. An EventBridge rule tells of every instance of the account, and no hook holds them.
   * @default false
   */
  readonly standaloneInstances?: boolean;

  /** How long a launch is tried. @default 30 minutes */
  readonly joinPatience?: Duration;
  /** How long a termination is tried, before the sweep takes the removal over. @default 1 hour */
  readonly unjoinPatience?: Duration;
  /** How long a worker that stops may go on with what it works on. @default 1 minute */
  readonly drainTime?: Duration;
  /** Sweeps on a schedule. @default true */
  readonly sweep?: boolean;
  /** Time between two sweeps. @default - the agent's own */
  readonly sweepInterval?: Duration;
  /** How long the sweep keeps accounts disabled before it removes them, in whole days. @default - it removes them at once */
  readonly sweepQuarantine?: Duration;
  /** All other settings of the agent, as config/schema.json calls them. What a property above says goes before it. @default - none */
  readonly agentSettings?: AgentSettings;

  /** Name of the trail that the audit rules live on: the deny policies protect it. @default - they protect all of the account */
  readonly trailName?: string;
  /** Networks, in CIDR notation, from which operators may start sessions, as AWS sees them. */
  readonly operatorNetworks: readonly string[];
  /** Operators start no session before. @default - at any time */
  readonly sessionsNotBefore?: Date;
  /** Operators start no session after. @default - at any time */
  readonly sessionsNotAfter?: Date;
  /** Operators reach only resources with the tag `adjoin:sessions` and this value. @default allowed */
  readonly sessionTagValue?: string;
  /**
   * How long nobody can delete a record of a session, the account's root included, in whole days up to 365: S3's Object Lock in
   * compliance mode. It can be set for a stack that is there, counts for new records, and can not be shortened for old ones.
   * ECS Exec then records to CloudWatch Logs alone, because its agent can not write into such a bucket.
   * @default - records are kept for a year by the bucket's policy
   */
  readonly sessionRecordLock?: Duration;
  /** The Linux user that a session runs as, which must exist on the nodes. @default ssm-user, which the SSM agent makes */
  readonly sessionUser?: string;
  /** The one host that database sessions forward to, seen from the node. @default localhost */
  readonly databaseHost?: string;
  /** The one port that database sessions forward to. @default 5432 */
  readonly databasePort?: number;
}

/**
 * The whole system in one account and Region: queue, ledger, credential, documents, workers, and all permissions.
 *
 *     const membership = new DomainMembership(this, 'Membership', { vpc, … });
 *     membership.attach(group);
 *
 * After the deployment an administrator writes the service account into the secret; until then, launches wait.
 * Keys, secret, table and records are kept when the stack is deleted, except those of a failed first deployment.
 */
export class DomainMembership extends Construct implements ec2.IConnectable {
  /** The parts: what they are made of, for what this construct does not offer. */
  readonly system: MembershipSystem;
  /** The workers, for rules of other security groups. Nothing may connect to them: they get no inbound rule. */
  readonly connections: ec2.Connections;
  readonly workerSecurityGroup: ec2.ISecurityGroup;
  /** The workers' role. Its permissions are complete: it takes no others. */
  readonly workerRole: iam.IRole;
  /** The secret of the service account. Only workers can read it, whatever other policies say. */
  readonly secretArn: string;
  /** Alarms; subscribe the people on call. */
  readonly alarmTopic: ITopic;
  /** Calls that touch the system's security; subscribe chat, SIEM, ticketing. */
  readonly auditTopic: ITopic;
  /** What a managed node needs. `attach` and `grantNode` attach it. */
  readonly nodePolicy: iam.IManagedPolicy;
  readonly #deployment: string;
  readonly #recordsLocked: boolean;
  #ecsExec?: EcsExec;

  constructor(scope: Construct, id: string, props: DomainMembershipProps) {
    super(scope, id);
    this.#deployment = props.deployment ?? 'adjoin';
    this.#recordsLocked = props.sessionRecordLock !== undefined;
    // No part of a logical ID: a stack from before this construct keeps all of its resources.
    this.system = new MembershipSystem(this, 'Default', systemProps(this, this.#deployment, props));
    const { worker, monitoring, audit, credential, sessions } = this.system;
    this.workerSecurityGroup = ec2.SecurityGroup.fromSecurityGroupId(
      this,
      'WorkerSecurityGroup',
      worker.securityGroup.attrGroupId,
      { mutable: false },
    );
    this.connections = new ec2.Connections({ securityGroups: [this.workerSecurityGroup] });
    this.workerRole = iam.Role.fromRoleArn(this, 'WorkerRole', worker.role.attrArn, { mutable: false });
    this.secretArn = credential.secret.ref;
    this.alarmTopic = Topic.fromTopicArn(this, 'AlarmTopic', monitoring.topic.ref);
    this.auditTopic = Topic.fromTopicArn(this, 'AuditTopic', audit.topic.ref);
    this.nodePolicy = iam.ManagedPolicy.fromManagedPolicyArn(
      this,
      'NodePolicy',
      sessions.nodePolicy.attrPolicyArn,
    );
  }

  /**
   * Makes membership part of the lifecycle of a group's instances: join and unjoin, unjoin only (for instances that join by
   * other means), or join only.
   * @throws Error where the instances' role is not made in this app, unless `nodePolicy` is false
   */
  attach(group: AttachableGroup, options: AttachOptions = {}): void {
    this.system.attach(group, options);
  }

  /** Gives a role what a managed node needs: for groups and instances whose role `attach` can't reach. */
  grantNode(role: iam.IRole): void {
    grantPolicy(this.system.sessions.nodePolicy, role);
  }

  /**
   * Records what operators do in tasks, encrypted: for `executeCommandConfiguration` of the cluster. The policies say who reaches a
   * task, but no policy can say that a cluster records.
   */
  get ecsExecConfiguration(): ExecuteCommandConfiguration {
    const { records } = this.system.sessions;
    this.#ecsExec ??= new EcsExec(this, 'EcsExec', { ...records, locked: this.#recordsLocked });
    return this.#ecsExec.configuration;
  }

  /** Gives a task's role what operators need to reach it with ECS Exec. */
  grantEcsExecTask(taskRole: iam.IRole): void {
    grantPolicy(this.system.sessions.taskPolicy, taskRole);
  }

  /** Lets people open recorded sessions on nodes with the tag. */
  grantSessions(identity: iam.IIdentity): void {
    grantPolicy(this.system.sessions.operatorPolicies.session, identity);
  }

  /** Lets people forward RDP and the one database through nodes with the tag. */
  grantPortForwarding(identity: iam.IIdentity): void {
    grantPolicy(this.system.sessions.operatorPolicies.portForwarding, identity);
  }

  /** Lets people use ECS Exec in tasks with the tag. */
  grantEcsExec(identity: iam.IIdentity): void {
    grantPolicy(this.system.sessions.operatorPolicies.ecsExec, identity);
  }

  /** Lets one role open a shell on workers, with `workerShell`. */
  grantWorkerShell(identity: iam.IIdentity): void {
    grantPolicy(this.system.sessions.workerAdministratorPolicy, identity);
  }

  /** Lets people join and unjoin by hand: they may assume the operators' role, with MFA unless `requireMfa` is false. */
  grantMembershipOperator(operator: iam.IRole | iam.IUser): iam.Grant {
    return this.#grantRole(this.system.membershipOperatorRole, operator);
  }

  /** Lets people send dead letters back: they may assume the operators' role, with MFA unless `requireMfa` is false. */
  grantDeadLetterOperator(operator: iam.IRole | iam.IUser): iam.Grant {
    return this.#grantRole(this.system.deadLetterOperatorRole, operator);
  }

  /** Denies people the ways around the system: its workers, its parts, its records and its network. */
  restrict(identity: iam.IIdentity): void {
    for (const policy of Object.values(this.system.protection.policies)) grantPolicy(policy, identity);
  }

  /** Launches that were given up or are held. @default - sum over 5 minutes */
  metricJoinFailures(options?: MetricOptions): Metric {
    return this.#counted('AbandonedLaunches', options);
  }

  /** Removals that are left to the sweep. @default - sum over 5 minutes */
  metricUnjoinFailures(options?: MetricOptions): Metric {
    return this.#counted('FailedUnjoins', options);
  }

  /** Notices that launch after launch of a group fails. @default - sum over 5 minutes */
  metricFailingGroups(options?: MetricOptions): Metric {
    return this.#counted('FailingGroups', options);
  }

  /** Documents that a group runs after the join, and that failed. @default - sum over 5 minutes */
  metricPostJoinFailures(options?: MetricOptions): Metric {
    return this.#counted('FailedPostJoins', options);
  }

  /** Sweeps that removed nothing because far too much is missing. @default - sum over 5 minutes */
  metricHaltedSweeps(options?: MetricOptions): Metric {
    return this.#counted('HaltedSweeps', options);
  }

  /** Messages of groups that have the hooks and not the tag. @default - sum over 5 minutes */
  metricNotOptedIn(options?: MetricOptions): Metric {
    return this.#counted('NotOptedIn', options);
  }

  /** Age of the oldest lifecycle action, in seconds. @default - maximum over 5 minutes */
  metricOldestMessage(options?: MetricOptions): Metric {
    const { attrQueueName } = this.system.queue.queue;
    return this.#ofQueue('ApproximateAgeOfOldestMessage', attrQueueName, options);
  }

  /** Messages that no worker could handle. @default - maximum over 5 minutes */
  metricDeadLetters(options?: MetricOptions): Metric {
    const { attrQueueName } = this.system.queue.deadLetterQueue;
    return this.#ofQueue('ApproximateNumberOfMessagesVisible', attrQueueName, options);
  }

  /** Workers in service. @default - minimum over 5 minutes */
  metricWorkers(options?: MetricOptions): Metric {
    return this.#metric({
      namespace: 'AWS/AutoScaling',
      metricName: 'GroupInServiceInstances',
      dimensionsMap: { AutoScalingGroupName: this.system.worker.group.ref },
      statistic: 'Minimum',
      ...options,
    });
  }

  #counted(metricName: string, options?: MetricOptions): Metric {
    return this.#metric({
      namespace: `adjoin/${this.#deployment}`,
      metricName,
      statistic: 'Sum',
      ...options,
    });
  }

  #ofQueue(metricName: string, QueueName: string, options?: MetricOptions): Metric {
    return this.#metric({
      namespace: 'AWS/SQS',
      metricName,
      dimensionsMap: { QueueName },
      statistic: 'Maximum',
      ...options,
    });
  }

  #metric(props: ConstructorParameters<typeof Metric>[0]): Metric {
    return new Metric(props).attachTo(this);
  }

  #grantRole(role: iam.CfnRole, operator: iam.IRole | iam.IUser): iam.Grant {
    this.system.trust(role, 'roleArn' in operator ? operator.roleArn : operator.userArn);
    return iam.Grant.addToPrincipal({
      grantee: operator,
      actions: ['sts:AssumeRole'],
      resourceArns: [role.attrArn],
    });
  }
}

/** The properties as the parts take them. @throws Error for properties that contradict each other */
function systemProps(
  self: Construct,
  deployment: string,
  props: DomainMembershipProps,
): MembershipSystemProps {
  const administratorArns = [
    ...(props.administrators ?? []).map(({ roleArn }) => roleArn),
    ...(props.administratorArns ?? []),
  ];
  if (administratorArns.length === 0)
    throw new Error('administrators: give one at least, here or in administratorArns');
  const hub = props.endpointVpc?.vpcId;
  if ((props.endpointCidr === undefined) !== (hub === undefined))
    throw new Error('endpointCidr: endpoints in another VPC need both endpointCidr and endpointVpc');
  const { subnets, availabilityZones } = props.vpc.selectSubnets({ onePerAz: true, ...props.vpcSubnets });
  if (subnets.length < 2 || new Set(availabilityZones).size < subnets.length) {
    throw new Error('vpcSubnets: the workers need one subnet for each zone, in two zones or more');
  }
  const create = props.createEndpoints ?? [];
  return {
    deployment,
    administratorArns,
    breakGlassRoleArn: props.breakGlassRole.roleArn,
    requireMfa: props.requireMfa ?? true,
    vpcId: props.vpc.vpcId,
    subnetIds: subnets.map(({ subnetId }) => subnetId),
    directoryCidrs: props.directoryCidrs,
    directoryCaBase64: base64Of(props.directoryCa),
    agent: props.agent ?? agentAsset(self, 'Agent'),
    prefixListIds: (props.prefixLists ?? prefixLists(self)).map(({ prefixListId }) => prefixListId),
    makeEndpoints: Object.fromEntries(create.map((service) => [service, true])),
    endpoints: {
      ...(props.secretsManagerEndpoint && {
        secretsManager: { id: props.secretsManagerEndpoint.vpcEndpointId },
      }),
      securityGroups: (props.endpointSecurityGroups ?? []).map(({ securityGroupId }) => securityGroupId),
      openSecurityGroups: props.openEndpointSecurityGroups ?? true,
      ...(props.endpointCidr !== undefined && { network: { cidr: props.endpointCidr } }),
      ...(hub !== undefined && { vpcId: hub }),
    },
    routeTableIds: gatewayServices.some((service) => create.includes(service))
      ? routeTables(props.vpc, subnets)
      : [],
    nodeSecurityGroups: (props.nodeSecurityGroups ?? []).map(({ securityGroupId }) => securityGroupId),
    workerShell: props.workerShell ?? false,
    ...(props.workerImage && { workerImage: props.workerImage.getImage(self).imageId }),
    ...(props.workerInstanceType && { workerInstanceType: props.workerInstanceType.toString() }),
    ...(props.rolePath !== undefined && { rolePath: props.rolePath }),
    ...(props.permissionsBoundary && {
      permissionsBoundary: { arn: props.permissionsBoundary.managedPolicyArn },
    }),
    ...(props.alarmEmail !== undefined && { alarmEmail: { address: props.alarmEmail } }),
    ...(props.workerCount !== undefined && { workerCount: props.workerCount }),
    ...(props.workerMaximum !== undefined && { workerMaximum: props.workerMaximum }),
    ...(props.maxReceiveCount !== undefined && { maxReceiveCount: props.maxReceiveCount }),
    standaloneInstances: props.standaloneInstances ?? false,
    ...(props.trailName !== undefined && { trailName: props.trailName }),
    agentSettings: settingsOf(props),
    sessions: {
      operatorNetworks: [...props.operatorNetworks],
      ...(props.sessionsNotBefore && { notBefore: secondsOnly(props.sessionsNotBefore) }),
      ...(props.sessionsNotAfter && { notAfter: secondsOnly(props.sessionsNotAfter) }),
      ...(props.sessionRecordLock && { lockRecords: { days: props.sessionRecordLock.toDays() } }),
      ...(props.sessionTagValue !== undefined && { tagValue: props.sessionTagValue }),
      ...(props.sessionUser !== undefined && { runAsUser: props.sessionUser }),
      ...(props.databaseHost !== undefined && { databaseHost: props.databaseHost }),
      ...(props.databasePort !== undefined && { databasePort: String(props.databasePort) }),
    },
  };
}

/** Characters of PEM: 6,400 of base64, which with all other settings at their longest fit into the 16 KB of EC2. */
const longestCa = 4800;

/** @throws Error for a text that is no PEM: workers could not connect to any controller, and would only say so later */
function base64Of(pem: string): string {
  if (!Token.isUnresolved(pem) && /-----BEGIN CERTIFICATE-----[^]+-----END CERTIFICATE-----/.test(pem)) {
    if (pem.length <= longestCa) return Buffer.from(pem).toString('base64');
    throw new Error(
      `directoryCa: it has ${pem.length} characters; workers get it in their user data, which has room for ${longestCa}`,
    );
  }
  throw new Error('directoryCa: it must be the text of a PEM file, known when the template is made');
}

function settingsOf(props: DomainMembershipProps): AgentSettings {
  const given = props.agentSettings ?? {};
  const directory = {
    ...(props.directorySite !== undefined && { site: props.directorySite }),
    ...(props.directoryControllers && { controllers: props.directoryControllers }),
  };
  const patience = {
    ...(props.joinPatience && { joinSeconds: props.joinPatience.toSeconds() }),
    ...(props.unjoinPatience && { unjoinSeconds: props.unjoinPatience.toSeconds() }),
  };
  const sweep = {
    ...(props.sweep !== undefined && { enabled: props.sweep }),
    ...(props.sweepInterval && { intervalSeconds: props.sweepInterval.toSeconds() }),
    ...(props.sweepQuarantine && { quarantineDays: props.sweepQuarantine.toDays() }),
  };
  return {
    ...given,
    ...(isGiven(directory) && { directory: { ...given.directory, ...directory } }),
    ...(isGiven(patience) && { patience: { ...given.patience, ...patience } }),
    ...(isGiven(sweep) && { sweep: { ...given.sweep, ...sweep } }),
    ...(props.drainTime && { drainSeconds: props.drainTime.toSeconds() }),
  };
}

const isGiven = (part: object): boolean => Object.keys(part).length > 0;

/** @throws Error in a stack whose Region is not known when the template is made */
function prefixLists(self: Construct): ec2.IPrefixList[] {
  const { region } = Stack.of(self);
  if (Token.isUnresolved(region)) {
    throw new Error(
      "prefixLists: they are looked up in the stack's Region. Give the stack an env, or the lists here.",
    );
  }
  return ['s3', 'dynamodb'].map((service) =>
    ec2.PrefixList.fromLookup(self, `PrefixList-${service}`, {
      prefixListName: `com.amazonaws.${region}.${service}`,
    }),
  );
}

/** Those of the workers' subnets and of all private ones, since nodes use the gateways, too. @throws Error if there is none */
function routeTables(vpc: ec2.IVpc, subnets: readonly ec2.ISubnet[]): string[] {
  const all = [...subnets, ...vpc.privateSubnets, ...vpc.isolatedSubnets];
  // A VPC that is imported without its route tables says nothing here, whatever the types say.
  const known = all.map(({ routeTable }): unknown => routeTable.routeTableId);
  const ids = [...new Set(known.filter((each) => typeof each === 'string'))];
  if (ids.length === 0)
    throw new Error('createEndpoints: gateways need route tables, and the VPC was imported without them');
  return ids;
}

/** As IAM compares dates in policies. */
function secondsOnly(date: Date): string {
  return date.toISOString().replace(/\.\d+Z$/, 'Z');
}
