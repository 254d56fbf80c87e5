import {
  Aws,
  CfnCondition,
  CfnOutput,
  CfnParameter,
  Fn,
  Stack,
  type StackProps,
  Validations,
} from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import {
  ENDPOINT_GROUP_PARAMETERS,
  GATEWAY_PARAMETERS,
  INTERFACE_PARAMETERS,
} from '../config/endpoint-parameters.ts';
import { MembershipSystem } from './membership-system.ts';
import { defaultReceives, mostReceives } from './lifecycle-queue.ts';
import { parameterGroups, parameterRules } from './parameters.ts';
import { ecsExecText } from './ecs-exec.ts';
import { deploymentPattern, pathPattern, trailPattern } from './site.ts';
import { image as workerImage } from './worker.ts';

export interface MembershipStackProps extends StackProps {
  /** SHA-256 of the bundled agent, which the person who deploys uploads. A worker runs no other file. */
  readonly agentSha256: string;
}

const cidr = '^([0-9]{1,3}\\.){3}[0-9]{1,3}/[0-9]{1,2}$';
const roleArn = '^arn:[a-z-]+:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/*-]+$';

/** The system as a template that can be deployed without the CDK: everything that differs between deployments is a parameter. */
export class MembershipStack extends Stack {
  readonly membership: MembershipSystem;

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
    const thirdDirectoryCidr = text(
      'ThirdDirectoryCidr',
      'A third network of domain controllers; may be empty',
      `^$|${cidr}`,
      '',
    );
    const fourthDirectoryCidr = text(
      'FourthDirectoryCidr',
      'A fourth network of domain controllers; may be empty',
      `^$|${cidr}`,
      '',
    );
    const directoryCidrIpv6 = text(
      'DirectoryCidrIpv6',
      'An IPv6 network of domain controllers; may be empty',
      '^$|^[0-9a-fA-F:]+/[0-9]{1,3}$',
      '',
    );
    const directoryCa = text(
      'DirectoryCaBase64',
      'Base64 of the PEM file with the CA of the LDAPS certificates, in one line (base64 -w0 ca.pem). A value has 4,096 characters at most: the rest goes into DirectoryCaBase64More',
      '^[A-Za-z0-9+/]{100,4000}={0,2}$',
    );
    const moreDirectoryCa = text(
      'DirectoryCaBase64More',
      'What of the base64 is beyond 4,000 characters, for a chain of certificates; may be empty',
      '^[A-Za-z0-9+/]{0,2400}={0,2}$',
      '',
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
      '^[A-Za-z0-9/_.-]{1,512}$',
      'adjoin/agent.mjs',
    );
    const choice = (name: string, service: string): CfnParameter =>
      new CfnParameter(this, name, {
        type: 'String',
        description: `Use the VPC's endpoint of ${service}, or create one`,
        allowedValues: ['existing', 'create'],
        default: 'existing',
      });
    const made = (parameter: CfnParameter): CfnCondition =>
      new CfnCondition(this, `${parameter.node.id}Made`, {
        expression: Fn.conditionEquals(parameter, 'create'),
      });
    const interfaces = {
      autoscaling: choice(INTERFACE_PARAMETERS.autoscaling, 'Auto Scaling'),
      ec2: choice(INTERFACE_PARAMETERS.ec2, 'EC2'),
      kms: choice(INTERFACE_PARAMETERS.kms, 'KMS'),
      logs: choice(INTERFACE_PARAMETERS.logs, 'CloudWatch Logs'),
      sqs: choice(INTERFACE_PARAMETERS.sqs, 'SQS'),
      ssm: choice(INTERFACE_PARAMETERS.ssm, 'Systems Manager'),
      ssmmessages: choice(
        INTERFACE_PARAMETERS.ssmmessages,
        'ssmmessages, which carries commands and sessions',
      ),
    };
    const gateways = {
      dynamodb: choice(GATEWAY_PARAMETERS.dynamodb, 'DynamoDB (a gateway)'),
      s3: choice(GATEWAY_PARAMETERS.s3, 'S3 (a gateway)'),
    };
    const makeEndpoints = Object.fromEntries(
      Object.entries({ ...interfaces, ...gateways }).map(([service, parameter]) => [
        service,
        made(parameter),
      ]),
    );
    const anyInterface = new CfnCondition(this, 'InterfaceEndpointMade', {
      expression: Fn.conditionOr(
        ...Object.values(interfaces).map((each) => Fn.conditionEquals(each, 'create')),
      ),
    });
    const secretEndpoint = text(
      'SecretsManagerEndpointId',
      'The endpoint of Secrets Manager through which alone the secret is read. Empty: one of its own, for workers only',
      '^$|^vpce-[0-9a-f]+$',
      '',
    );
    const endpointGroup = (name: string) => {
      const parameter = text(
        name,
        'A security group of existing interface endpoints; may be empty',
        '^$|^sg-[0-9a-f]+$',
        '',
      );
      return { parameter, id: parameter.valueAsString, condition: given(parameter) };
    };
    const endpointGroups = ENDPOINT_GROUP_PARAMETERS.map(endpointGroup);
    const openGroups = flag(
      'OpenEndpointSecurityGroups',
      'Add the rule that lets workers in on 443 to these groups; false if their owner adds it',
      'true',
    );
    const endpointCidr = text(
      'EndpointCidr',
      'Network of endpoints in another VPC, such as a hub; may be empty',
      `^$|${cidr}`,
      '',
    );
    const endpointVpc = text(
      'EndpointVpcId',
      'The other VPC: AWS sees the calls of workers as coming from there; may be empty',
      '^$|^vpc-[0-9a-f]+$',
      '',
    );
    const routeTables = list(
      'RouteTableIds',
      'Route tables of the subnets of workers and nodes, for gateway endpoints that are created',
      '^$|^rtb-[0-9a-f]+$',
      '',
    );
    const nodeGroup = text(
      'NodeSecurityGroupId',
      'A security group of nodes that may use the interface endpoints that are created; may be empty',
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
    const workerAdministrator = text(
      'WorkerAdministratorRole',
      'Name of the role that gets the worker-administrator policy; may be empty',
      '^$|^[A-Za-z0-9_+=,.@-]{1,64}$',
      '',
    );
    const imageId = text(
      'ImageId',
      'Image of the workers, with Amazon Linux 2023: an AMI, or resolve:ssm: and the name of a parameter. It is looked up at each launch',
      '^(ami-[0-9a-f]+|resolve:ssm:[A-Za-z0-9/_.:-]+)$',
      workerImage,
    );
    const instanceType = text(
      'InstanceType',
      'Instance type of the workers; its architecture is that of the image',
      '^[a-z0-9-]+\\.[a-z0-9-]+$',
      't4g.small',
    );
    const boundary = text(
      'PermissionsBoundaryArn',
      'A permissions boundary for the roles of this stack; may be empty',
      '^$|^arn:[a-z-]+:iam::([0-9]{12}|aws):policy/[A-Za-z0-9_+=,.@/-]+$',
      '',
    );
    const updateTurn = new CfnParameter(this, 'UpdateTurn', {
      type: 'String',
      description:
        'Change it with any update that changes other parameters of workers: the update then waits until a worker works with them',
      allowedValues: ['first', 'second'],
      default: 'first',
    });
    const rolePath = text(
      'RolePath',
      'Path of the roles and of the instance profile, with a slash at both ends',
      pathPattern,
      '/',
    );
    const alarmEmail = text(
      'AlarmEmail',
      'Where alarms are sent by mail; the address has to confirm it. May be empty',
      '^$|^[^@ ]+@[^@ ]+$',
      '',
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
    const quarantineDays = number(
      'SweepQuarantineDays',
      'Days for which the sweep keeps accounts disabled before it removes them; 0 removes them at once',
      0,
      0,
      365,
    );
    const standaloneInstances = flag(
      'StandaloneInstances',
      'Instances outside Auto Scaling groups join when they run, and are unjoined when they end, if they have the tag JoinAD=true themselves',
      'false',
    );
    const directorySite = text(
      'DirectorySite',
      'Active Directory site of the workers: its domain controllers are tried first. Empty: the site that they find by themselves',
      '^$|^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$',
      '',
    );
    const directoryControllers = text(
      'DirectoryControllers',
      'Host names of domain controllers, with commas: no others are used. Empty: those that DNS names and that prove to be controllers',
      '^$|^[A-Za-z0-9_.-]+(:[0-9]{1,5})?(,[A-Za-z0-9_.-]+(:[0-9]{1,5})?)*$',
      '',
    );
    const packageRepository = text(
      'PackageRepository',
      'URL of a repository from which launches install packages with dnf, yum or zypper; @id@, @version@ and @arch@ stand for those of the node. May be empty',
      '^((https://[A-Za-z0-9.-]+(:[0-9]{1,5})?|file://)(/([A-Za-z0-9._~+-]|@id@|@version@|@arch@)+)+/?)?$',
      '',
    );
    const ownDocument = '[A-Za-z0-9_.-]{3,128}:[1-9][0-9]{0,3}:[0-9a-f]{64}';
    const ownDocuments = text(
      'OwnDocuments',
      'Command documents that groups may name for their nodes, each as NAME:VERSION:SHA256, with commas: six at most. May be empty',
      `^$|^${ownDocument}(,${ownDocument}){0,5}$`,
      '',
    );
    const dnsCleanup = new CfnParameter(this, 'DnsCleanup', {
      allowedValues: ['records', 'none'],
      default: 'records',
      description:
        'What becomes of the DNS records that an instance registered: records removes them with its account, none leaves them to others',
    });
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
    const trailName = text(
      'TrailName',
      'The CloudTrail trail that the audit rules live on: the deny policies protect it. * for all of the account',
      `^\\*$|${trailPattern}`,
      '*',
    );
    const recordLock = number(
      'RecordLockDays',
      'Days for which nobody can delete a record of a session, the root of the account included (S3 Object Lock). 0: the policy of the bucket alone keeps them',
      0,
      0,
      365,
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
      expression: Fn.conditionAnd(anyInterface, Fn.conditionNot(Fn.conditionEquals(nodeGroup, ''))),
    });
    this.membership = new MembershipSystem(this, 'Membership', {
      deployment: deployment.valueAsString,
      administratorArns: administrators.valueAsList,
      breakGlassRoleArn: breakGlass.valueAsString,
      requireMfa,
      vpcId: vpc.valueAsString,
      subnetIds,
      directoryCidrs: [
        directoryCidr.valueAsString,
        ...[secondDirectoryCidr, thirdDirectoryCidr, fourthDirectoryCidr].map((network) => ({
          cidr: network.valueAsString,
          condition: given(network),
        })),
        { cidrIpv6: directoryCidrIpv6.valueAsString, condition: given(directoryCidrIpv6) },
      ],
      directoryCaBase64: Fn.join('', [directoryCa.valueAsString, moreDirectoryCa.valueAsString]),
      agent: {
        bucketName: agentBucket.valueAsString,
        objectKey: agentKey.valueAsString,
        sha256: props.agentSha256,
      },
      prefixListIds,
      makeEndpoints,
      anyInterfaceEndpoint: anyInterface,
      endpoints: {
        secretsManager: { id: secretEndpoint.valueAsString, condition: given(secretEndpoint) },
        securityGroups: endpointGroups,
        openSecurityGroups: openGroups,
        network: { cidr: endpointCidr.valueAsString, condition: given(endpointCidr) },
        vpcId: Fn.conditionIf(
          given(endpointVpc).logicalId,
          endpointVpc.valueAsString,
          Aws.NO_VALUE,
        ).toString(),
      },
      routeTableIds: routeTables.valueAsList,
      nodeSecurityGroups: [{ id: nodeGroup.valueAsString, condition: nodeGroupGiven }],
      workerShell,
      workerImage: imageId.valueAsString,
      workerInstanceType: instanceType.valueAsString,
      workersWanted: new CfnCondition(this, 'WorkersWanted', {
        expression: Fn.conditionNot(Fn.conditionEquals(count, '0')),
      }),
      rolePath: rolePath.valueAsString,
      secondTurn: new CfnCondition(this, 'SecondTurn', {
        expression: Fn.conditionEquals(updateTurn, 'second'),
      }),
      permissionsBoundary: { arn: boundary.valueAsString, condition: given(boundary) },
      alarmEmail: { address: alarmEmail.valueAsString, condition: given(alarmEmail) },
      workerCount: count.valueAsString,
      workerMaximum: maximum.valueAsString,
      maxReceiveCount: receives.valueAsNumber,
      standaloneInstances,
      trailName: trailName.valueAsString,
      agentSettings: {
        directory: {
          controllers: { hosts: directoryControllers.valueAsString, condition: given(directoryControllers) },
          site: { name: directorySite.valueAsString, condition: given(directorySite) },
          dnsCleanup: dnsCleanup.valueAsString,
        },
        nodes: { packageRepository: packageRepository.valueAsString },
        ownDocuments: { list: ownDocuments.valueAsString, condition: given(ownDocuments) },
        sweep: { enabled: sweepEnabled, quarantineDays: quarantineDays.valueAsNumber },
      },
      sessions: {
        operatorNetworks: operatorNetworks.valueAsList,
        notBefore: notBefore.valueAsString,
        notAfter: notAfter.valueAsString,
        tagValue: tagValue.valueAsString,
        lockRecords: {
          days: recordLock.valueAsNumber,
          condition: new CfnCondition(this, 'RecordsLocked', {
            expression: Fn.conditionNot(Fn.conditionEquals(recordLock, '0')),
          }),
        },
        databaseHost: databaseHost.valueAsString,
        databasePort: databasePort.valueAsString,
      },
    });
    this.membership.sessions.workerAdministratorPolicy.addPropertyOverride(
      'Roles',
      Fn.conditionIf(given(workerAdministrator).logicalId, [workerAdministrator], Aws.NO_VALUE),
    );
    parameterRules(this, {
      interfaces: Object.values(interfaces),
      gateways: Object.values(gateways),
      routeTables,
      nodeGroup,
      endpointGroups: endpointGroups.map(({ parameter }) => parameter),
      endpointCidr,
      endpointVpc,
    });
    parameterGroups(this);
    this.#outputs();
    this.addMetadata('cfn-lint', { config: { ignore_checks: ['W2506'] } });
    for (const id of ['W1030', 'W2506']) {
      Validations.of(this).acknowledge({
        id: `CloudFormation-Validate::${id}`,
        reason: 'ImageId may be resolve:ssm: and the name of a parameter, which EC2 looks up at each launch',
      });
    }
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
    output(
      'MembershipOperatorRoleArn',
      membership.membershipOperatorRole.attrArn,
      'Role that administrators assume to join and unjoin by hand',
    );
    output('TableName', membership.table.ref, 'The ledger of memberships');
    output('SecretArn', membership.credential.secret.ref, 'Put the service account here');
    output('WorkerRoleArn', membership.worker.role.attrArn, 'The role of the workers');
    output(
      'WorkerSecurityGroupId',
      membership.worker.securityGroup.attrGroupId,
      'Security group of the workers, without inbound rules',
    );
    output(
      'PrepareImageDocument',
      membership.documents.prepareImage.name,
      'Prepares an image, by Run Command',
    );
    output('NodePolicyArn', membership.sessions.nodePolicy.attrPolicyArn, "For the nodes' roles");
    output('EcsExecConfiguration', ecsExecText(membership.sessions.records), 'For aws ecs update-cluster');
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
