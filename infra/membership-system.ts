import { Aws, CfnCondition, Fn, Lazy, Tags } from 'aws-cdk-lib';
import type { CfnTable } from 'aws-cdk-lib/aws-dynamodb';
import { CfnRole } from 'aws-cdk-lib/aws-iam';
import type { CfnKey } from 'aws-cdk-lib/aws-kms';
import { CfnSubscription } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import { type AgentFile, agentBucketArn, agentObjectArn } from './agent-file.ts';
import { agentConfig, type ConditionalSettings } from './agent-settings.ts';
import { type AttachableGroup, type AttachOptions, attachGroup } from './attach.ts';
import { Audit } from './audit.ts';
import { CommandDocuments } from './command-documents.ts';
import { Credential } from './credential.ts';
import { admitHttps, Endpoints, type MadeEndpoints, SecretEndpoint } from './endpoints.ts';
import { key } from './key.ts';
import { LifecycleQueue } from './lifecycle-queue.ts';
import { filePolicy } from './managed-policy.ts';
import { memberships } from './memberships.ts';
import { Monitoring } from './monitoring.ts';
import { demandMfa } from './mfa.ts';
import { fillPolicy, type PolicyValues } from './policy-file.ts';
import { Protection } from './protection.ts';
import { Sessions, type SessionsProps } from './sessions.ts';
import { site, type SiteProps } from './site.ts';
import { StateChanges } from './state-changes.ts';
import { Worker, workerLogGroup } from './worker.ts';

/** Endpoints that are there already, in this VPC or in a shared one. */
export interface ExistingEndpoints {
  /**
   * The interface endpoint of Secrets Manager: the secret can be read only through it.
   * @default - the stack makes one of its own, which admits workers only
   */
  readonly secretsManager?: { readonly id: string; readonly condition?: CfnCondition };
  /** Security groups of the interface endpoints; workers may connect to them on 443. @default - none */
  readonly securityGroups?: readonly (string | { readonly id: string; readonly condition: CfnCondition })[];
  /**
   * Adds the rule to these groups that lets the workers in on 443. With false, their owner adds it.
   * @default true
   */
  readonly openSecurityGroups?: boolean | CfnCondition;
  /** The network of endpoints in another VPC, in CIDR notation. @default - none */
  readonly network?: { readonly cidr: string; readonly condition?: CfnCondition };
  /** The other VPC: AWS sees calls through its endpoints as coming from there. @default - none */
  readonly vpcId?: string;
}

export interface MembershipSystemProps extends SiteProps {
  readonly vpcId: string;
  /** Subnets for the workers, in two zones or more. They need no route to the internet. */
  readonly subnetIds: string[];
  /** The domain controllers' networks, in CIDR notation, of IPv4 or IPv6. */
  readonly directoryCidrs: readonly (
    | string
    | { readonly cidr: string; readonly condition: CfnCondition }
    | { readonly cidrIpv6: string; readonly condition: CfnCondition }
  )[];
  /** The CA of the domain controllers' LDAPS certificates: base64 of its PEM file. */
  readonly directoryCaBase64: string;
  /** The bundled agent; `agentAsset` uploads it with the stack. */
  readonly agent: AgentFile;
  /** Managed prefix lists of S3 and DynamoDB in this Region, for the worker's egress rules. */
  readonly prefixListIds: readonly string[];
  /** Endpoints that the stack makes. @default - none: those that are there are used */
  readonly makeEndpoints?: MadeEndpoints;
  /** For templates with parameters: whether any interface endpoint is made. @default - follows from `makeEndpoints` */
  readonly anyInterfaceEndpoint?: CfnCondition;
  /** Endpoints that are there. @default - none */
  readonly endpoints?: ExistingEndpoints;
  /** Route tables for the gateway endpoints that are made. @default - none */
  readonly routeTableIds?: string[];
  /** Security groups of nodes that may use the endpoints that are made. @default - none */
  readonly nodeSecurityGroups?: readonly (
    | string
    | { readonly id: string; readonly condition: CfnCondition }
  )[];
  /** Who may start sessions, from where and when. */
  readonly sessions: Omit<SessionsProps, 'site'>;
  /** The trail that the audit rules live on. @default - all of the account are protected from whom the deny policies bind */
  readonly trailName?: string;
  /** Lets the worker's administrator open a shell on it. @default false */
  readonly workerShell?: boolean | CfnCondition;
  /** @default - the newest Amazon Linux 2023 for arm64, looked up at each launch */
  readonly workerImage?: string;
  /** @default t4g.small */
  readonly workerInstanceType?: string;
  /** For templates with parameters: whether there is to be any worker. @default - `workerCount` is not 0 */
  readonly workersWanted?: CfnCondition;
  /** For templates with parameters: whose turn it is to wait for a worker. @default - follows from what a worker is made of */
  readonly secondTurn?: CfnCondition;
  /** A permissions boundary for the roles of the system. @default - none */
  readonly permissionsBoundary?: { readonly arn: string; readonly condition?: CfnCondition };
  /** Where alarms are sent by mail. @default - nowhere; subscribe to the topic */
  readonly alarmEmail?: { readonly address: string; readonly condition?: CfnCondition };
  /** @default 2 */
  readonly workerCount?: number | string;
  /** @default 6 */
  readonly workerMaximum?: number | string;
  /** Receives before a message becomes a dead letter, 1,000 at most. @default 20 */
  readonly maxReceiveCount?: number;
  /**
   * Instances outside Auto Scaling groups join when they run and are unjoined when they end, if they have the tag JoinAD=true
   * themselves. An EventBridge rule tells of every instance of the account, and no hook holds them.
   * @default false
   */
  readonly standaloneInstances?: boolean | CfnCondition;
  /** Settings of the agent. @default - the agent's own defaults */
  readonly agentSettings?: ConditionalSettings;
}

/** How workers reach the secret. */
interface SecretWay {
  /** ID of the endpoint that the secret's policy names. */
  readonly id: string;
  /** Where the worker calls Secrets Manager; empty where its usual name leads to the endpoint. */
  readonly url: string;
  readonly made?: SecretEndpoint;
  /** Security group of the endpoint that is made; the template's null where none is. */
  readonly group?: string;
  readonly condition?: CfnCondition;
}

/**
 * The whole system in one account and Region: queue, ledger, credential, documents, workers, and all permissions. Its properties
 * are texts and conditions, so that a template with parameters can be made of it (stack.ts). CDK apps use `DomainMembership`.
 *
 * After the deployment an administrator writes the service account into `secret`; until then, launches wait.
 * Keys, secret, table and records are kept when the stack is deleted, except those of a failed first deployment.
 */
export class MembershipSystem extends Construct {
  readonly queue: LifecycleQueue;
  readonly table: CfnTable;
  readonly credential: Credential;
  readonly documents: CommandDocuments;
  readonly sessions: Sessions;
  readonly protection: Protection;
  readonly worker: Worker;
  readonly audit: Audit;
  readonly monitoring: Monitoring;
  /** Undefined without `standaloneInstances`. */
  readonly stateChanges?: StateChanges;
  readonly publisherRole: CfnRole;
  /** Administrators assume it to send dead letters back, with MFA by default. */
  readonly deadLetterOperatorRole: CfnRole;
  /** Administrators assume it to join and unjoin by hand, with MFA by default. */
  readonly membershipOperatorRole: CfnRole;
  /** The agent's configuration file, as each worker has it. */
  readonly agentConfig: string;
  /** Who may assume which operator's role, besides the administrators. */
  readonly #trusted = new Map<CfnRole, string[]>();
  readonly #publisherReady: Construct;

  constructor(scope: Construct, id: string, props: MembershipSystemProps) {
    super(scope, id);
    const here = site(props);
    Tags.of(this).add('adjoin:deployment', here.deployment, {
      // CloudFormation does not support tags on dashboards.
      excludeResourceTypes: ['AWS::CloudWatch::Dashboard'],
    });

    const systemKey: CfnKey = key(this, 'Key', here, 'system-key', 'adjoin: seals messages, logs and alarms');
    this.queue = new LifecycleQueue(this, 'Lifecycle', {
      site: here,
      key: systemKey,
      ...(props.maxReceiveCount === undefined ? {} : { maxReceiveCount: props.maxReceiveCount }),
    });
    this.table = memberships(this, 'Memberships', here);
    this.credential = new Credential(this, 'Credential', here);
    this.documents = new CommandDocuments(this, 'Documents', here);
    this.sessions = new Sessions(this, 'Sessions', { ...props.sessions, site: here });

    const logGroup = workerLogGroup(this, 'WorkerLogs', here, systemKey.attrArn);
    const values = {
      ...this.sessions.policyValues,
      VpcId: props.vpcId,
      TrailName: props.trailName ?? '*',
      SourceVpcIds: [props.vpcId, ...(props.endpoints?.vpcId === undefined ? [] : [props.endpoints.vpcId])],
      QueueArn: this.queue.queue.attrArn,
      DeadLetterQueueArn: this.queue.deadLetterQueue.attrArn,
      SystemKeyArn: systemKey.attrArn,
      SecretArn: this.credential.secret.ref,
      SecretKeyArn: this.credential.key.attrArn,
      TableArn: this.table.attrArn,
      AgentBucketArn: agentBucketArn(props.agent),
      AgentKey: props.agent.objectKey,
      AgentObjectArn: agentObjectArn(props.agent),
      WorkerLogGroupArn: `arn:${Aws.PARTITION}:logs:${Aws.REGION}:${Aws.ACCOUNT_ID}:log-group:${logGroup.ref}`,
    };
    this.protection = new Protection(this, 'Protection', {
      globalName: here.globalName,
      policyValues: values,
    });
    this.publisherRole = new CfnRole(this, 'HookPublisher', {
      path: here.rolePath,
      roleName: here.publisherRoleName,
      description: 'adjoin: lifecycle hooks send as this role',
      assumeRolePolicyDocument: fillPolicy('trust-hook-publisher', values),
    });
    this.#publisherReady = filePolicy(this, 'HookPublisherPolicy', {
      file: 'hook-publisher',
      description: 'adjoin: what lifecycle hooks do',
      globalName: here.globalName,
      values,
      roles: [this.publisherRole.ref],
    });
    const operator = (id: string, file: string, roleName: string, does: string): CfnRole => {
      const others: string[] = [];
      const trusted = Lazy.list({
        produce: () =>
          others.length === 0 ? here.administratorArns : [...here.administratorArns, ...others],
      });
      const role = new CfnRole(this, id, {
        path: here.rolePath,
        roleName,
        description: `adjoin: ${does}`,
        assumeRolePolicyDocument: demandMfa(
          fillPolicy(`trust-${file}`, { ...values, AdministratorArns: trusted }),
          here.requireMfa ?? true,
        ),
      });
      this.#trusted.set(role, others);
      filePolicy(this, `${id}Policy`, {
        file,
        description: `adjoin: what its operator needs, who ${does}`,
        globalName: here.globalName,
        values,
        roles: [role.ref],
      });
      return role;
    };
    this.deadLetterOperatorRole = operator(
      'DeadLetterOperator',
      'dead-letter-operator',
      here.deadLetterOperatorRoleName,
      'sends dead letters back',
    );
    this.membershipOperatorRole = operator(
      'MembershipOperator',
      'membership-operator',
      here.membershipOperatorRoleName,
      'joins and unjoins by hand',
    );

    const made = new Endpoints(this, 'Endpoints', {
      vpcId: props.vpcId,
      subnetIds: props.subnetIds,
      routeTableIds: props.routeTableIds ?? [],
      policyValues: values,
      make: props.makeEndpoints ?? {},
      ...(props.anyInterfaceEndpoint && { anyInterface: props.anyInterfaceEndpoint }),
    });
    const secret = this.#secretEndpoint(props, values);
    this.credential.lock(secret.id);
    this.agentConfig = this.#configure(here.deployment, props);
    this.worker = new Worker(this, 'Worker', {
      site: here,
      vpcId: props.vpcId,
      subnetIds: props.subnetIds,
      agent: props.agent,
      agentConfig: this.agentConfig,
      directoryCaBase64: props.directoryCaBase64,
      ...(props.agentSettings?.drainSeconds !== undefined && {
        drainSeconds: props.agentSettings.drainSeconds,
      }),
      logGroup,
      queueName: this.queue.queue.attrQueueName,
      policyValues: values,
      secretsManagerUrl: secret.url,
      prefixListIds: props.prefixListIds,
      shell: props.workerShell ?? false,
      ...(props.workerImage !== undefined && { imageId: props.workerImage }),
      ...(props.workerInstanceType !== undefined && { instanceType: props.workerInstanceType }),
      ...(props.workersWanted && { wanted: props.workersWanted }),
      ...(props.secondTurn && { secondTurn: props.secondTurn }),
      count: props.workerCount ?? 2,
      maximum: props.workerMaximum ?? 6,
    });
    for (const [index, target] of props.directoryCidrs.entries()) {
      const network =
        typeof target !== 'string' ? target : target.includes(':') ? { cidrIpv6: target } : { cidr: target };
      this.worker.reach(`Directory${index}`, network, 'condition' in network ? network.condition : undefined);
    }
    this.#connect(props, made, secret);

    const standalone = props.standaloneInstances ?? false;
    if (standalone !== false) {
      this.stateChanges = new StateChanges(this, 'StateChanges', {
        site: here,
        queue: this.queue.queue,
        ...(standalone !== true && { condition: standalone }),
      });
      this.stateChanges.node.addDependency(this.queue.policy);
    }
    this.audit = new Audit(this, 'Audit', {
      site: here,
      key: systemKey,
      owned: {
        keyIds: [systemKey, this.credential.key, this.sessions.key].map(({ attrKeyId }) => attrKeyId),
        securityGroupIds: [
          this.worker.securityGroup.attrGroupId,
          ...(secret.group === undefined ? [] : [secret.group]),
        ],
        secretEndpointId: secret.id,
        launchTemplateId: this.worker.launchTemplate.ref,
        agentBucketName: props.agent.bucketName,
      },
    });
    this.monitoring = new Monitoring(this, 'Monitoring', {
      site: here,
      key: systemKey,
      queueName: this.queue.queue.attrQueueName,
      deadLetterQueueName: this.queue.deadLetterQueue.attrQueueName,
      workerGroupName: this.worker.group.ref,
      logGroupName: logGroup.ref,
      auditRuleNames: this.audit.ruleNames,
      ...(this.stateChanges && { stateChanges: this.stateChanges }),
      ...(props.agentSettings?.patience && { patience: props.agentSettings.patience }),
    });
    if (props.alarmEmail) this.#mail(props.alarmEmail);
    if (props.permissionsBoundary) this.#bound(props.permissionsBoundary);
  }

  /**
   * Makes membership part of the lifecycle of a group's instances: join and unjoin, unjoin only (for instances that join by
   * other means), or join only.
   */
  attach(group: AttachableGroup, options: AttachOptions = {}): void {
    attachGroup(
      group,
      {
        queueArn: this.queue.queue.attrArn,
        publisherRoleArn: this.publisherRole.attrArn,
        readiness: [this.queue.policy, this.#publisherReady],
        nodePolicy: this.sessions.nodePolicy,
      },
      options,
    );
  }

  /** Lets another principal assume one of the operators' roles; its own policies must allow it, too. */
  trust(operatorRole: CfnRole, principalArn: string): void {
    const others = this.#trusted.get(operatorRole);
    if (!others) throw new Error(`${operatorRole.node.path} is not a role of an operator`);
    others.push(principalArn);
  }

  #mail({ address, condition }: NonNullable<MembershipSystemProps['alarmEmail']>): void {
    const subscription = new CfnSubscription(this, 'AlarmEmail', {
      topicArn: this.monitoring.topic.ref,
      protocol: 'email',
      endpoint: address,
    });
    if (condition) subscription.cfnOptions.condition = condition;
  }

  #bound({ arn, condition }: NonNullable<MembershipSystemProps['permissionsBoundary']>): void {
    const boundary = condition ? Fn.conditionIf(condition.logicalId, arn, Aws.NO_VALUE).toString() : arn;
    for (const each of this.node.findAll()) if (each instanceof CfnRole) each.permissionsBoundary = boundary;
  }

  #secretEndpoint(
    { vpcId, subnetIds, endpoints }: MembershipSystemProps,
    policyValues: PolicyValues,
  ): SecretWay {
    const existing = endpoints?.secretsManager;
    if (existing && !existing.condition) return { id: existing.id, url: '' };
    const without = existing?.condition;
    const missing =
      without && new CfnCondition(this, 'SecretEndpointMade', { expression: Fn.conditionNot(without) });
    const made = new SecretEndpoint(this, 'SecretEndpoint', {
      vpcId,
      subnetIds,
      policyValues,
      ...(missing && { condition: missing }),
    });
    const either = (theirs: string, mine: string) =>
      without ? Fn.conditionIf(without.logicalId, theirs, mine).toString() : mine;
    return {
      id: either(existing?.id ?? '', made.endpointId),
      url: either('', made.url),
      made,
      group: either(Aws.NO_VALUE, made.securityGroupId),
      ...(missing && { condition: missing }),
    };
  }

  /** Who may connect to which endpoint. */
  #connect(
    { endpoints = {}, nodeSecurityGroups = [], ...props }: MembershipSystemProps,
    made: Endpoints,
    secret: SecretWay,
  ): void {
    const { worker } = this;
    const workers = worker.securityGroup.attrGroupId;
    if (secret.made) {
      worker.reachEndpoints('Secret', { group: secret.made.securityGroupId }, secret.condition);
      secret.made.admit(workers);
    }
    if (made.securityGroupId !== undefined) {
      worker.reachEndpoints('Made', { group: made.securityGroupId }, props.anyInterfaceEndpoint);
      made.admit('Worker', workers);
      for (const [index, node] of nodeSecurityGroups.entries()) {
        if (typeof node === 'string') made.admit(`Nodes${index}`, node);
        else made.admit(`Nodes${index}`, node.id, node.condition);
      }
    }
    const open = endpoints.openSecurityGroups ?? true;
    for (const [index, each] of (endpoints.securityGroups ?? []).entries()) {
      const { id: group, condition } = typeof each === 'string' ? { id: each, condition: undefined } : each;
      worker.reachEndpoints(`Existing${index}`, { group }, condition);
      if (open === false) continue;
      admitHttps(this, `WorkerTo${index}`, group, workers, this.#both(`Open${index}`, open, condition));
    }
    const { network } = endpoints;
    if (network) worker.reachEndpoints('Elsewhere', { cidr: network.cidr }, network.condition);
  }

  /** A condition that holds where both do. */
  #both(id: string, one: true | CfnCondition, other: CfnCondition | undefined): CfnCondition | undefined {
    if (one === true) return other;
    if (!other) return one;
    return new CfnCondition(this, id, { expression: Fn.conditionAnd(one, other) });
  }

  #configure(
    deployment: string,
    { agentSettings = {}, standaloneInstances = false }: MembershipSystemProps,
  ): string {
    const fixed = {
      deployment,
      region: Aws.REGION,
      accountId: Aws.ACCOUNT_ID,
      queueUrl: this.queue.queue.ref,
      table: this.table.ref,
      secretId: this.credential.secret.ref,
      documents: this.documents.pinned,
      operatorRoleId: this.membershipOperatorRole.attrRoleId,
      directory: { caFile: '/etc/adjoin/directory-ca.pem' },
    };
    return agentConfig(this, fixed, agentSettings, standaloneInstances);
  }
}
