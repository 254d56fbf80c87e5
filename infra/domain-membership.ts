import { Aws, type CfnCondition, Fn, Tags } from 'aws-cdk-lib';
import type { IAutoScalingGroup } from 'aws-cdk-lib/aws-autoscaling';
import type { CfnTable } from 'aws-cdk-lib/aws-dynamodb';
import { CfnRole } from 'aws-cdk-lib/aws-iam';
import type { CfnKey } from 'aws-cdk-lib/aws-kms';
import { Construct } from 'constructs';
import { type AgentFile, agentBucketArn, agentObjectArn } from './agent-file.ts';
import { agentConfig, type AgentSettings } from './agent-settings.ts';
import { type AttachOptions, attachGroup } from './attach.ts';
import { Audit } from './audit.ts';
import { CommandDocuments } from './command-documents.ts';
import { Credential } from './credential.ts';
import { Endpoints } from './endpoints.ts';
import { key } from './key.ts';
import { LifecycleQueue } from './lifecycle-queue.ts';
import { filePolicy } from './managed-policy.ts';
import { memberships } from './memberships.ts';
import { Monitoring } from './monitoring.ts';
import { demandMfa } from './mfa.ts';
import { fillPolicy } from './policy-file.ts';
import { Protection } from './protection.ts';
import { Sessions, type SessionsProps } from './sessions.ts';
import { site, type SiteProps } from './site.ts';
import { Worker, workerLogGroup } from './worker.ts';

/** Existing endpoints of the VPC. */
export interface ExistingEndpoints {
  /** ID of the interface endpoint of Secrets Manager: the secret can be read only through it. */
  readonly secretsManagerId: string;
  /** The security group of the interface endpoints; it must let the worker's group in on 443. */
  readonly securityGroupId: string;
}

export interface DomainMembershipProps extends SiteProps {
  readonly vpcId: string;
  /** Subnets for the workers, in two zones or more. They need no route to the internet. */
  readonly subnetIds: string[];
  /** The domain controllers' networks, in CIDR notation. */
  readonly directoryCidrs: readonly (string | { readonly cidr: string; readonly condition: CfnCondition })[];
  /** The CA of the domain controllers' LDAPS certificates: base64 of its PEM file. */
  readonly directoryCaBase64: string;
  /** The bundled agent; `agentAsset` uploads it with the stack. */
  readonly agent: AgentFile;
  /** Managed prefix lists of S3 and DynamoDB in this Region, for the worker's egress rules. */
  readonly prefixListIds: readonly string[];
  /** Existing endpoints. @default - endpoints are made; their policies allow only this system's calls */
  readonly endpoints?: ExistingEndpoints;
  /** Route tables for the gateway endpoints that are made. @default - none */
  readonly routeTableIds?: string[];
  /** For templates with parameters: if true, endpoints are made; if false, `endpoints` are used. @default - none */
  readonly createEndpoints?: CfnCondition;
  /** Security groups of nodes that may use the endpoints that are made. @default - none */
  readonly nodeSecurityGroups?: readonly (
    string | { readonly id: string; readonly condition: CfnCondition }
  )[];
  /** Who may start sessions, from where and when. */
  readonly sessions: Omit<SessionsProps, 'site'>;
  /** Lets the worker's administrator open a shell on it. @default false */
  readonly workerShell?: boolean | CfnCondition;
  /** @default 2 */
  readonly workerCount?: number | string;
  /** @default 6 */
  readonly workerMaximum?: number | string;
  /** Receives before a message becomes a dead letter, 1,000 at most. @default 20 */
  readonly maxReceiveCount?: number;
  /** Settings of the agent. @default - the agent's own defaults */
  readonly agentSettings?: AgentSettings;
}

/**
 * The whole system in one account and Region: queue, ledger, credential, documents, workers, and all permissions.
 *
 *     const membership = new DomainMembership(this, 'Membership', { … });
 *     membership.attach(group, { join: true, unjoin: true });
 *
 * After the deployment an administrator writes the service account into `secret`; until then, launches wait.
 * Keys, secret, table and records are kept when the stack is deleted, except those of a failed first deployment.
 */
export class DomainMembership extends Construct {
  readonly queue: LifecycleQueue;
  readonly table: CfnTable;
  readonly credential: Credential;
  readonly documents: CommandDocuments;
  readonly sessions: Sessions;
  readonly protection: Protection;
  readonly worker: Worker;
  readonly audit: Audit;
  readonly monitoring: Monitoring;
  readonly publisherRole: CfnRole;
  /** Administrators assume it to send dead letters back, with MFA by default. */
  readonly deadLetterOperatorRole: CfnRole;
  /** The agent's configuration file, as each worker has it. */
  readonly agentConfig: string;
  readonly #publisherReady: Construct;

  constructor(scope: Construct, id: string, props: DomainMembershipProps) {
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
      QueueArn: this.queue.queue.attrArn,
      DeadLetterQueueArn: this.queue.deadLetterQueue.attrArn,
      SystemKeyArn: systemKey.attrArn,
      SecretArn: this.credential.secret.ref,
      SecretKeyArn: this.credential.key.attrArn,
      TableArn: this.table.attrArn,
      AgentBucketArn: agentBucketArn(props.agent),
      AgentObjectArn: agentObjectArn(props.agent),
      WorkerLogGroupArn: `arn:${Aws.PARTITION}:logs:${Aws.REGION}:${Aws.ACCOUNT_ID}:log-group:${logGroup.ref}`,
    };
    this.protection = new Protection(this, 'Protection', {
      deployment: here.deployment,
      policyValues: values,
    });
    this.publisherRole = new CfnRole(this, 'HookPublisher', {
      roleName: here.publisherRoleName,
      description: 'adjoin: lifecycle hooks send as this role',
      assumeRolePolicyDocument: fillPolicy('trust-hook-publisher', values),
    });
    this.#publisherReady = filePolicy(this, 'HookPublisherPolicy', {
      file: 'hook-publisher',
      description: 'adjoin: what lifecycle hooks do',
      deployment: here.deployment,
      values,
      roles: [this.publisherRole.ref],
    });
    this.deadLetterOperatorRole = new CfnRole(this, 'DeadLetterOperator', {
      roleName: here.deadLetterOperatorRoleName,
      description: 'adjoin: sends dead letters back',
      assumeRolePolicyDocument: demandMfa(
        fillPolicy('trust-dead-letter-operator', values),
        here.requireMfa ?? true,
      ),
    });
    filePolicy(this, 'DeadLetterOperatorPolicy', {
      file: 'dead-letter-operator',
      description: 'adjoin: what sending dead letters back takes',
      deployment: here.deployment,
      values,
      roles: [this.deadLetterOperatorRole.ref],
    });

    const through = this.#endpoints(props, values);
    this.credential.lock(through.secretsManagerId);
    this.agentConfig = this.#configure(here.deployment, props.agentSettings ?? {});
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
      endpointSecurityGroupId: through.securityGroupId,
      prefixListIds: props.prefixListIds,
      shell: props.workerShell ?? false,
      count: props.workerCount ?? 2,
      maximum: props.workerMaximum ?? 6,
    });
    for (const [index, target] of props.directoryCidrs.entries()) {
      if (typeof target === 'string') this.worker.reach(`Directory${index}`, target);
      else this.worker.reach(`Directory${index}`, target.cidr, target.condition);
    }
    through.made?.admit('Worker', this.worker.securityGroup.attrGroupId);
    for (const [index, node] of (props.nodeSecurityGroups ?? []).entries()) {
      if (typeof node === 'string') through.made?.admit(`Nodes${index}`, node);
      else through.made?.admit(`Nodes${index}`, node.id, node.condition);
    }

    this.audit = new Audit(this, 'Audit', { site: here, key: systemKey });
    this.monitoring = new Monitoring(this, 'Monitoring', {
      site: here,
      key: systemKey,
      queueName: this.queue.queue.attrQueueName,
      deadLetterQueueName: this.queue.deadLetterQueue.attrQueueName,
      workerGroupName: this.worker.group.ref,
      logGroupName: logGroup.ref,
      auditRuleNames: this.audit.ruleNames,
      ...(props.agentSettings?.patience && { patience: props.agentSettings.patience }),
    });
  }

  /**
   * Makes membership part of the lifecycle of a group's instances: join and unjoin, unjoin only (for instances that join by
   * other means), or join only.
   */
  attach(group: IAutoScalingGroup, options: AttachOptions = {}): void {
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

  #endpoints(
    props: DomainMembershipProps,
    policyValues: Record<string, string | string[]>,
  ): ExistingEndpoints & { readonly made?: Endpoints } {
    const { createEndpoints: condition, endpoints: existing } = props;
    if (existing && !condition) return existing;
    const made = new Endpoints(this, 'Endpoints', {
      vpcId: props.vpcId,
      subnetIds: props.subnetIds,
      routeTableIds: props.routeTableIds ?? [],
      policyValues,
      ...(condition ? { condition } : {}),
    });
    if (!existing || !condition) {
      return { made, secretsManagerId: made.secretsManagerId, securityGroupId: made.securityGroupId };
    }
    const either = (mine: string, theirs: string) =>
      Fn.conditionIf(condition.logicalId, mine, theirs).toString();
    return {
      made,
      secretsManagerId: either(made.secretsManagerId, existing.secretsManagerId),
      securityGroupId: either(made.securityGroupId, existing.securityGroupId),
    };
  }

  #configure(deployment: string, settings: AgentSettings): string {
    const fixed = {
      deployment,
      region: Aws.REGION,
      accountId: Aws.ACCOUNT_ID,
      queueUrl: this.queue.queue.ref,
      table: this.table.ref,
      secretId: this.credential.secret.ref,
      documents: this.documents.pinned,
      directory: { caFile: '/etc/adjoin/directory-ca.pem' },
    };
    return agentConfig(this, fixed, settings);
  }
}
