import { CfnCondition, CfnOutput, CfnParameter, Fn, Stack, type StackProps, Validations } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { DomainMembership } from './domain-membership.ts';
import { defaultReceives, mostReceives } from './lifecycle-queue.ts';
import { deploymentPattern } from './site.ts';

export interface MembershipStackProps extends StackProps {
  /** SHA-256 of the bundled agent, which the person who deploys uploads. A worker runs no other file. */
  readonly agentSha256: string;
}

const cidr = '^([0-9]{1,3}\\.){3}[0-9]{1,3}/[0-9]{1,2}$';
const roleArn = '^arn:[a-z-]+:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/*-]+$';

/** The system as a template that can be deployed without the CDK: everything that differs between deployments is a parameter. */
export class MembershipStack extends Stack {
  readonly membership: DomainMembership;

  constructor(scope: Construct, id: string, props: MembershipStackProps) {
    super(scope, id, {
      description: 'adjoin: Active Directory membership for Auto Scaling groups',
      ...props,
    });
    const text = (name: string, description: string, pattern: string, value?: string): CfnParameter =>
      new CfnParameter(this, name, {
        type: 'String',
        description,
        allowedPattern: pattern,
        ...(value === undefined ? {} : { default: value }),
      });
    const list = (name: string, description: string, pattern: string, value?: string): CfnParameter =>
      new CfnParameter(this, name, {
        type: 'CommaDelimitedList',
        description,
        allowedPattern: pattern,
        ...(value === undefined ? {} : { default: value }),
      });
    const flag = (name: string, description: string, value: 'true' | 'false'): CfnCondition => {
      const parameter = new CfnParameter(this, name, {
        type: 'String',
        description,
        allowedValues: ['true', 'false'],
        default: value,
      });
      return new CfnCondition(this, `${name}Is`, { expression: Fn.conditionEquals(parameter, 'true') });
    };
    const given = (parameter: CfnParameter): CfnCondition =>
      new CfnCondition(this, `${parameter.node.id}Given`, {
        expression: Fn.conditionNot(Fn.conditionEquals(parameter, '')),
      });

    const deployment = text(
      'Deployment',
      "Name of the deployment: in every resource's name and in the stamp on each computer account. Never change it.",
      deploymentPattern,
      'adjoin',
    );
    const vpc = new CfnParameter(this, 'VpcId', {
      type: 'AWS::EC2::VPC::Id',
      description: 'VPC of the workers',
    });
    const subnet = (name: string) =>
      new CfnParameter(this, name, {
        type: 'AWS::EC2::Subnet::Id',
        description: 'Private subnet for workers and endpoints; the two are in two zones',
      }).valueAsString;
    const subnetIds = [subnet('SubnetA'), subnet('SubnetB')];
    const directoryCidr = text('DirectoryCidr', "The domain controllers' network", cidr);
    const secondDirectoryCidr = text(
      'SecondDirectoryCidr',
      'A second network of domain controllers; may be empty',
      `^$|${cidr}`,
      '',
    );
    const directoryCa = text(
      'DirectoryCaBase64',
      'Base64 of the PEM file with the CA of the LDAPS certificates, in one line (base64 -w0 ca.pem)',
      '^[A-Za-z0-9+/]{100,4000}={0,2}$',
    );
    const administrators = list(
      'AdministratorArns',
      'Roles that write the secret, handle dead letters and deploy this stack; * stands for any characters. At most 1,500 characters: policies contain them',
      roleArn,
    );
    const breakGlass = text(
      'BreakGlassRoleArn',
      'Role for emergencies: repairs policies that lock everyone out',
      roleArn,
    );
    const requireMfa = flag(
      'RequireMfa',
      'Sessions, a shell on workers and sending dead letters back require MFA; false with IAM Identity Center and SAML, which have to require it at sign-on',
      'true',
    );
    const agentBucket = text('AgentBucket', 'Bucket with the bundled agent', '^[a-z0-9.-]{3,63}$');
    const agentKey = text(
      'AgentKey',
      'Key of the bundled agent in its bucket',
      '^[A-Za-z0-9/_.-]{1,900}$',
      'adjoin/agent.mjs',
    );
    const createEndpoints = flag(
      'CreateEndpoints',
      'Make VPC endpoints. Their policies allow only the calls of this system: use false in a VPC with other systems',
      'true',
    );
    const secretEndpoint = text(
      'SecretsManagerEndpointId',
      'Without CreateEndpoints: the endpoint of Secrets Manager',
      '^$|^vpce-[0-9a-f]+$',
      '',
    );
    const endpointGroup = text(
      'EndpointSecurityGroupId',
      'Without CreateEndpoints: the security group of the interface endpoints',
      '^$|^sg-[0-9a-f]+$',
      '',
    );
    const routeTables = list(
      'RouteTableIds',
      'With CreateEndpoints: route tables of the subnets of workers and nodes',
      '^$|^rtb-[0-9a-f]+$',
      '',
    );
    const nodeGroup = text(
      'NodeSecurityGroupId',
      'With CreateEndpoints: a security group of nodes that may use them',
      '^$|^sg-[0-9a-f]+$',
      '',
    );
    const prefixList = (name: string, service: string) =>
      text(name, `Prefix list of ${service} (aws ec2 describe-managed-prefix-lists)`, '^pl-[0-9a-f]+$')
        .valueAsString;
    const prefixListIds = [
      prefixList('S3PrefixListId', 'S3'),
      prefixList('DynamoDbPrefixListId', 'DynamoDB'),
    ];
    const workerShell = flag(
      'WorkerShell',
      'Let principals with the worker-administrator policy open a shell on workers; with false, workers have no SSM agent',
      'false',
    );
    const number = (name: string, description: string, value: number, minValue: number, maxValue?: number) =>
      new CfnParameter(this, name, {
        type: 'Number',
        description,
        default: value,
        minValue,
        ...(maxValue === undefined ? {} : { maxValue }),
      });
    const count = number('WorkerCount', 'Workers at least', 2, 0);
    const maximum = number('WorkerMaximum', 'Workers at most', 6, 1);
    const receives = number(
      'MaxReceiveCount',
      'Receives after which a message becomes a dead letter',
      defaultReceives,
      1,
      mostReceives,
    );
    const sweepEnabled = flag(
      'SweepEnabled',
      'Sweep on a schedule: remove stamped accounts whose instances are proven gone, and do the removals that are owed',
      'true',
    );
    const directorySite = text(
      'DirectorySite',
      'Active Directory site of the workers: its domain controllers are tried first; may be empty',
      '^$|^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$',
      '',
    );
    const directoryControllers = text(
      'DirectoryControllers',
      'Host names of domain controllers, with commas: no others are used. Empty: those that DNS names and that prove to be controllers',
      '^$|^[A-Za-z0-9_.-]+(:[0-9]{1,5})?(,[A-Za-z0-9_.-]+(:[0-9]{1,5})?)*$',
      '',
    );
    const operatorNetworks = list(
      'OperatorNetworks',
      'Networks from which operators start sessions, as AWS sees them',
      cidr,
    );
    const time = '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$';
    const notBefore = text('SessionsNotBefore', 'No sessions before', time, '2000-01-01T00:00:00Z');
    const notAfter = text('SessionsNotAfter', 'No sessions after', time, '2100-01-01T00:00:00Z');
    const tagValue = text(
      'SessionTagValue',
      'Operators reach resources with the tag adjoin:sessions and this value',
      '^[A-Za-z0-9_.-]{1,64}$',
      'allowed',
    );
    const databaseHost = text(
      'DatabaseHost',
      'The one host that database sessions forward to, seen from the node',
      '^[A-Za-z0-9.-]{1,253}$',
      'localhost',
    );
    const databasePort = text(
      'DatabasePort',
      'The one port that database sessions forward to',
      '^[0-9]{1,5}$',
      '5432',
    );

    const nodeGroupGiven = new CfnCondition(this, 'NodeSecurityGroupUsed', {
      expression: Fn.conditionAnd(createEndpoints, Fn.conditionNot(Fn.conditionEquals(nodeGroup, ''))),
    });
    this.membership = new DomainMembership(this, 'Membership', {
      deployment: deployment.valueAsString,
      administratorArns: administrators.valueAsList,
      breakGlassRoleArn: breakGlass.valueAsString,
      requireMfa,
      vpcId: vpc.valueAsString,
      subnetIds,
      directoryCidrs: [
        directoryCidr.valueAsString,
        { cidr: secondDirectoryCidr.valueAsString, condition: given(secondDirectoryCidr) },
      ],
      directoryCaBase64: directoryCa.valueAsString,
      agent: {
        bucketName: agentBucket.valueAsString,
        objectKey: agentKey.valueAsString,
        sha256: props.agentSha256,
      },
      prefixListIds,
      createEndpoints,
      endpoints: {
        secretsManagerId: secretEndpoint.valueAsString,
        securityGroupId: endpointGroup.valueAsString,
      },
      routeTableIds: routeTables.valueAsList,
      nodeSecurityGroups: [{ id: nodeGroup.valueAsString, condition: nodeGroupGiven }],
      workerShell,
      workerCount: count.valueAsString,
      workerMaximum: maximum.valueAsString,
      maxReceiveCount: receives.valueAsNumber,
      agentSettings: {
        directory: {
          controllers: { hosts: directoryControllers.valueAsString, condition: given(directoryControllers) },
          site: { name: directorySite.valueAsString, condition: given(directorySite) },
        },
        sweep: { enabled: sweepEnabled },
      },
      sessions: {
        operatorNetworks: operatorNetworks.valueAsList,
        notBefore: notBefore.valueAsString,
        notAfter: notAfter.valueAsString,
        tagValue: tagValue.valueAsString,
        databaseHost: databaseHost.valueAsString,
        databasePort: databasePort.valueAsString,
      },
    });
    this.#outputs();
    Validations.of(this).acknowledge({
      id: 'CloudFormation-Validate::W2509',
      reason: 'SecretsManagerEndpointId is the ID of an endpoint, not a secret',
    });
  }

  #outputs(): void {
    const { membership } = this;
    const output = (name: string, value: string, description: string): void => {
      new CfnOutput(this, name, { value, description });
    };
    output('AgentConfig', membership.agentConfig, "The agent's configuration file");
    output('QueueUrl', membership.queue.queue.ref, 'Where lifecycle hooks send');
    output('QueueArn', membership.queue.queue.attrArn, 'For attaching groups');
    output('PublisherRoleArn', membership.publisherRole.attrArn, 'For attaching groups');
    output('DeadLetterQueueUrl', membership.queue.deadLetterQueue.ref, 'Messages that could not be handled');
    output(
      'DeadLetterOperatorRoleArn',
      membership.deadLetterOperatorRole.attrArn,
      'Role that administrators assume to send dead letters back',
    );
    output('TableName', membership.table.ref, 'The ledger of memberships');
    output('SecretArn', membership.credential.secret.ref, 'Put the service account here');
    output('WorkerRoleArn', membership.worker.role.attrArn, 'The role of the workers');
    output(
      'WorkerSecurityGroupId',
      membership.worker.securityGroup.attrGroupId,
      'Security group of the workers, without inbound rules',
    );
    output('NodePolicyArn', membership.sessions.nodePolicy.attrPolicyArn, "For the nodes' roles");
    output('EcsExecTaskPolicyArn', membership.sessions.taskPolicy.attrPolicyArn, 'For task roles');
    const { session, portForwarding, ecsExec } = membership.sessions.operatorPolicies;
    output('OperatorPolicyArn', session.attrPolicyArn, 'For people: sessions');
    output('ForwardingPolicyArn', portForwarding.attrPolicyArn, 'For people: RDP and database');
    output('EcsExecPolicyArn', ecsExec.attrPolicyArn, 'For people: ECS Exec');
    output(
      'WorkerAdministratorPolicyArn',
      membership.sessions.workerAdministratorPolicy.attrPolicyArn,
      'For one role: a shell on workers',
    );
    const { policies } = membership.protection;
    output(
      'DenyWorkerAccessPolicyArn',
      policies['deny-worker-access'].attrPolicyArn,
      'Denies access to the workers',
    );
    output(
      'DenyTamperingPolicyArn',
      policies['deny-tampering'].attrPolicyArn,
      'Denies changes to the system',
    );
    output(
      'DenyBypassingPolicyArn',
      policies['deny-bypassing'].attrPolicyArn,
      'Denies ways past the hooks of joined groups',
    );
    output(
      'DenyDisarmingPolicyArn',
      policies['deny-disarming'].attrPolicyArn,
      'Denies changes to logs, trail, alarms and session records',
    );
    output(
      'DenyReroutingPolicyArn',
      policies['deny-rerouting'].attrPolicyArn,
      "Denies changes to the workers' network",
    );
    output('AuditTopicArn', membership.audit.topic.ref, 'Subscribe chat, SIEM, ticketing');
    output('AlarmTopicArn', membership.monitoring.topic.ref, 'Subscribe the people on call');
  }
}
