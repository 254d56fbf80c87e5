import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createHash } from 'node:crypto';
import {
  Aws,
  CfnCondition,
  CfnWaitCondition,
  CfnWaitConditionHandle,
  Fn,
  RemovalPolicy,
  Stack,
} from 'aws-cdk-lib';
import { CfnAutoScalingGroup } from 'aws-cdk-lib/aws-autoscaling';
import { CfnLaunchTemplate, CfnSecurityGroup, CfnSecurityGroupEgress } from 'aws-cdk-lib/aws-ec2';
import { CfnInstanceProfile, CfnRole } from 'aws-cdk-lib/aws-iam';
import { CfnLogGroup } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import type { AgentFile } from './agent-file.ts';
import { filePolicy } from './managed-policy.ts';
import { fillPolicy, type PolicyValues } from './policy-file.ts';
import type { Site } from './site.ts';
import { WorkerScaling } from './worker-scaling.ts';

const file = (name: string): string => readFileSync(join(import.meta.dirname, 'worker', name), 'utf8');
/** Without comments and indentation: EC2 has 16 KB for all of it, and the CA should have as much of that as there is. */
const shortened = (text: string): string => text.replace(/^ *#(?!!).*\n/gm, '').replace(/^ +/gm, '');
const setUp = shortened(file('setup.sh'));
const unit = shortened(file('adjoin.service'));

/** Seconds in which the first worker has to work: ten minutes for endpoints that are not ready yet, and the boot. */
const startLimit = 1800;
/** Seconds that a worker takes to install and start. */
const startSeconds = 300;
/** Seconds: a week. Then a worker is replaced by one with the newest image. */
const maximumLifetime = 604_800;

/** The newest Amazon Linux 2023 for arm64. It is looked up at each launch, so that a new worker has the newest patches. */
export const image = 'resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64';
/** GiB. The image needs 8; the rest is for logs that could not be delivered. */
const volumeSize = 16;
/** Seconds that the agent may take to end after its drain: for its long poll and its last calls. */
const afterDrain = 30;
/** Days that the agent's log is kept. */
const retentionDays = 365;

export interface WorkerProps {
  readonly site: Site;
  readonly vpcId: string;
  readonly subnetIds: string[];
  readonly agent: AgentFile;
  /** The agent's configuration file. */
  readonly agentConfig: string;
  /** The CA of the LDAPS certificates: base64 of its PEM file. */
  readonly directoryCaBase64: string;
  /** The agent's own setting, so that systemd waits longer than that. @default 60, the agent's default */
  readonly drainSeconds?: number;
  readonly logGroup: CfnLogGroup;
  readonly queueName: string;
  readonly policyValues: PolicyValues;
  /** Where the agent calls Secrets Manager. Empty: at the service's usual name. */
  readonly secretsManagerUrl: string;
  /** Prefix lists of the gateway endpoints. */
  readonly prefixListIds: readonly string[];
  /** @default 2 */
  readonly count?: number | string;
  /** @default 6 */
  readonly maximum?: number | string;
  /** @default t4g.small: the agent mostly waits, and 256 actions need far less than its 2 GiB */
  readonly instanceType?: string;
  /** An image of Amazon Linux 2023, or `resolve:ssm:` and the name of a parameter with one. @default - the newest for arm64 */
  readonly imageId?: string;
  /** Whether there is to be any worker: without one, the stack waits for none. @default - `count` is not 0 */
  readonly wanted?: CfnCondition;
  /** For templates with parameters: whose turn it is to wait for a worker. @default - one pair serves */
  readonly secondTurn?: CfnCondition;
  /** Lets the worker be managed by Systems Manager, so that its administrator can open a shell. @default false */
  readonly shell?: boolean | CfnCondition;
}

/**
 * Instances that run the agent, in an Auto Scaling group of their own.
 *
 * No policy names a worker by its instance ID, so a replacement needs no change: it has the same role. Nothing can connect to
 * a worker: its security group has no inbound rule, it has no key pair, and by default no SSM agent.
 */
export class Worker extends Construct {
  readonly group: CfnAutoScalingGroup;
  readonly role: CfnRole;
  readonly securityGroup: CfnSecurityGroup;
  readonly launchTemplate: CfnLaunchTemplate;
  readonly logGroup: CfnLogGroup;

  constructor(scope: Construct, id: string, props: WorkerProps) {
    super(scope, id);
    const { site } = props;
    this.logGroup = props.logGroup;
    this.role = new CfnRole(this, 'Role', {
      path: site.rolePath,
      roleName: site.workerRoleName,
      description: 'adjoin: the worker',
      assumeRolePolicyDocument: fillPolicy('trust-worker', site.policyValues),
    });
    this.#policies(props);
    this.securityGroup = this.#securityGroup(props);
    const signals = this.#signals(props);
    const template = this.#launchTemplate(props, signals.url);
    this.launchTemplate = template;
    const count = String(props.count ?? 2);
    this.group = new CfnAutoScalingGroup(this, 'Group', {
      autoScalingGroupName: `${site.deployment}-worker`,
      launchTemplate: { launchTemplateId: template.ref, version: template.attrLatestVersionNumber },
      vpcZoneIdentifier: props.subnetIds,
      minSize: count,
      maxSize: String(props.maximum ?? 6),
      // EC2's own checks find a dead instance.
      healthCheckType: 'EC2',
      healthCheckGracePeriod: startSeconds,
      // One that starts takes no part of the load yet, and counts as capacity: no other is added in its place.
      defaultInstanceWarmup: startSeconds,
      maxInstanceLifetime: maximumLifetime,
      metricsCollection: [{ granularity: '1Minute' }],
      tags: [
        { key: 'Name', value: `${site.deployment}-worker`, propagateAtLaunch: true },
        { key: 'adjoin:worker', value: site.deployment, propagateAtLaunch: true },
        { key: 'adjoin:deployment', value: site.deployment, propagateAtLaunch: true },
      ],
    });
    // One at a time. The queue keeps the messages even if there is no worker at all.
    this.group.cfnOptions.updatePolicy = {
      autoScalingRollingUpdate: {
        maxBatchSize: 1,
        pauseTime: 'PT5M',
        suspendProcesses: ['AlarmNotification'],
      },
    };
    if (props.wanted || count !== '0') signals.await(this.group);
    new WorkerScaling(this, 'Scaling', {
      site,
      groupName: this.group.ref,
      queueName: props.queueName,
      logGroupName: props.logGroup.ref,
    });
  }

  /** Allows connections to domain controllers: DNS, to discover them, and LDAPS. Kerberos is not used. */
  reach(
    id: string,
    network: { readonly cidr: string } | { readonly cidrIpv6: string },
    condition?: CfnCondition,
  ): void {
    for (const [name, ipProtocol, port] of [
      ['DnsUdp', 'udp', 53],
      ['DnsTcp', 'tcp', 53],
      ['Ldaps', 'tcp', 636],
    ] as const) {
      const rule = new CfnSecurityGroupEgress(this, `${id}${name}`, {
        groupId: this.securityGroup.attrGroupId,
        ipProtocol,
        fromPort: port,
        toPort: port,
        ...('cidr' in network ? { cidrIp: network.cidr } : { cidrIpv6: network.cidrIpv6 }),
        description: `adjoin: ${name} to the domain controllers`,
      });
      if (condition) rule.cfnOptions.condition = condition;
    }
  }

  /** Allows HTTPS to interface endpoints. */
  reachEndpoints(
    id: string,
    target: { readonly group: string } | { readonly cidr: string },
    condition?: CfnCondition,
  ): void {
    const rule = new CfnSecurityGroupEgress(this, `To${id}Endpoints`, {
      groupId: this.securityGroup.attrGroupId,
      ...('group' in target ? { destinationSecurityGroupId: target.group } : { cidrIp: target.cidr }),
      ipProtocol: 'tcp',
      fromPort: 443,
      toPort: 443,
      description: 'adjoin: interface endpoints',
    });
    if (condition) rule.cfnOptions.condition = condition;
    // cfn-lint: the parameter's default is empty where a condition leaves it unused.
    rule.addMetadata('cfn-lint', { config: { ignore_checks: ['W1030'] } });
  }

  /**
   * What the stack waits for. A pair of handle and condition works once: whatever a worker is made of is part of its name, so that an
   * update of it waits as the creation does. Values of parameters are not known here; for those there are two pairs, which take turns.
   */
  #signals(props: WorkerProps): { readonly url: string; await(group: CfnAutoScalingGroup): void } {
    const { agent, agentConfig, directoryCaBase64, imageId, instanceType, secretsManagerUrl } = props;
    const made = Stack.of(this).resolve([
      { sha256: agent.sha256, agentConfig, directoryCaBase64, imageId, instanceType, secretsManagerUrl },
      [setUp, unit],
    ]);
    const release = createHash('sha256').update(JSON.stringify(made)).digest('hex').slice(0, 8);
    const both = (id: string, one: CfnCondition, other?: CfnCondition): CfnCondition =>
      other ? new CfnCondition(this, id, { expression: Fn.conditionAnd(one, other) }) : one;
    const pair = (name: string, condition?: CfnCondition) => {
      const handle = new CfnWaitConditionHandle(this, `Started${name}${release}`);
      if (condition) handle.cfnOptions.condition = condition;
      return {
        url: handle.ref,
        await: (group: CfnAutoScalingGroup): void => {
          const working = new CfnWaitCondition(this, `Works${name}${release}`, {
            handle: handle.ref,
            timeout: String(startLimit),
            count: 1,
          });
          working.addResourceDependency(group);
          const when = condition ? both(`Wait${name}`, condition, props.wanted) : props.wanted;
          if (when) working.cfnOptions.condition = when;
        },
      };
    };
    if (!props.secondTurn) return pair('');
    const firstTurn = new CfnCondition(this, 'FirstTurn', {
      expression: Fn.conditionNot(props.secondTurn),
    });
    const pairs = [pair('First', firstTurn), pair('Second', props.secondTurn)] as const;
    const [first, second] = pairs;
    return {
      url: Fn.conditionIf(props.secondTurn.logicalId, second.url, first.url).toString(),
      await: (group) => pairs.forEach((each) => each.await(group)),
    };
  }

  #policies({ site, policyValues, shell }: WorkerProps): void {
    const attach = (policyId: string, file: string, description: string) =>
      filePolicy(this, policyId, {
        file,
        description,
        globalName: site.globalName,
        values: policyValues,
        roles: [this.role.ref],
      });
    attach('Policy', 'worker', 'adjoin: what the worker does');
    attach('Guard', 'worker-guard', "adjoin: where the worker's credentials are of use");
    if (shell === undefined || shell === false) return;
    const opened = attach(
      'Shell',
      'worker-shell',
      'adjoin: lets the administrator of the worker open a shell',
    );
    if (shell !== true) opened.cfnOptions.condition = shell;
  }

  #securityGroup({ vpcId, prefixListIds, site }: WorkerProps): CfnSecurityGroup {
    return new CfnSecurityGroup(this, 'SecurityGroup', {
      groupDescription: 'adjoin: the worker. Nothing comes in.',
      vpcId,
      securityGroupEgress: prefixListIds.map((prefixListId) => ({
        ipProtocol: 'tcp',
        fromPort: 443,
        toPort: 443,
        destinationPrefixListId: prefixListId,
        description: 'adjoin: gateway endpoint',
      })),
      tags: [{ key: 'adjoin:worker', value: site.deployment }],
    });
  }

  #launchTemplate(props: WorkerProps, signalUrl: string): CfnLaunchTemplate {
    const { site } = props;
    const profile = new CfnInstanceProfile(this, 'Profile', {
      path: site.rolePath,
      instanceProfileName: site.workerRoleName,
      roles: [this.role.ref],
    });
    const tags = [
      { key: 'adjoin:worker', value: site.deployment },
      { key: 'adjoin:deployment', value: site.deployment },
    ];
    return new CfnLaunchTemplate(this, 'Template', {
      tagSpecifications: [{ resourceType: 'launch-template', tags }],
      launchTemplateData: {
        imageId: props.imageId ?? image,
        instanceType: props.instanceType ?? 't4g.small',
        iamInstanceProfile: { arn: profile.attrArn },
        metadataOptions: { httpTokens: 'required', httpPutResponseHopLimit: 1, httpEndpoint: 'enabled' },
        monitoring: { enabled: true },
        networkInterfaces: [
          {
            deviceIndex: 0,
            associatePublicIpAddress: false,
            deleteOnTermination: true,
            groups: [this.securityGroup.attrGroupId],
          },
        ],
        blockDeviceMappings: [
          {
            deviceName: '/dev/xvda',
            ebs: { encrypted: true, deleteOnTermination: true, volumeSize, volumeType: 'gp3' },
          },
        ],
        tagSpecifications: ['instance', 'volume', 'network-interface'].map((resourceType) => ({
          resourceType,
          tags,
        })),
        userData: Fn.base64(userData(props, signalUrl)),
      },
    });
  }
}

/** The agent's log group. */
export function workerLogGroup(scope: Construct, id: string, site: Site, keyArn: string): CfnLogGroup {
  const group = new CfnLogGroup(scope, id, {
    logGroupName: `/adjoin/${site.deployment}/worker`,
    kmsKeyId: keyArn,
    retentionInDays: retentionDays,
  });
  group.applyRemovalPolicy(RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE);
  return group;
}

/** Values are written between single quotes or in a quoted here-document; the parameters' patterns allow no quote. */
function userData(props: WorkerProps, signalUrl: string): string {
  const shell = props.shell ?? false;
  const allowed =
    typeof shell === 'boolean' ? String(shell) : Fn.conditionIf(shell.logicalId, 'true', 'false').toString();
  const stop = `TimeoutStopSec=${(props.drainSeconds ?? 60) + afterDrain}`;
  const service = unit.replace(/^TimeoutStopSec=.*$/m, stop);
  return [
    '#!/bin/bash',
    `AGENT_BUCKET='${props.agent.bucketName}'`,
    `AGENT_KEY='${props.agent.objectKey}'`,
    `AGENT_SHA256='${props.agent.sha256}'`,
    `AWS_REGION='${Aws.REGION}'`,
    `URL_SUFFIX='${Aws.URL_SUFFIX}'`,
    `SECRETS_MANAGER_URL='${props.secretsManagerUrl}'`,
    `LOG_GROUP='${props.logGroup.ref}'`,
    `CA_BASE64='${props.directoryCaBase64}'`,
    `SHELL_ALLOWED='${allowed}'`,
    `SIGNAL_URL='${signalUrl}'`,
    `AGENT_CONFIG=$(cat <<'AGENT_CONFIG_END'\n${props.agentConfig}\nAGENT_CONFIG_END\n)`,
    `UNIT=$(cat <<'UNIT_END'\n${service}UNIT_END\n)`,
    setUp.replace('#!/bin/bash\n', ''),
  ].join('\n');
}
