import { Aws, type CfnCondition, type CfnResource } from 'aws-cdk-lib';
import { CfnSecurityGroup, CfnSecurityGroupIngress, CfnVPCEndpoint } from 'aws-cdk-lib/aws-ec2';
import { Construct } from 'constructs';
import { fillPolicy, type PolicyValues } from './policy-file.ts';

export interface EndpointsProps {
  readonly vpcId: string;
  /** The workers' subnets, one for each zone. */
  readonly subnetIds: string[];
  /** Route tables of the worker's and the nodes' subnets. */
  readonly routeTableIds: string[];
  readonly policyValues: PolicyValues;
  /** Makes the endpoints only if it is true. @default - always */
  readonly condition?: CfnCondition;
}

/** Besides Secrets Manager, whose endpoint is made separately because the secret's policy names it. */
const interfaceServices = ['autoscaling', 'ec2', 'kms', 'logs', 'sqs', 'ssm', 'ssmmessages'] as const;
const gatewayServices = ['dynamodb', 's3'] as const;

/**
 * VPC endpoints for the AWS services that the worker and the nodes use. The policy of each endpoint allows only principals of
 * this account, and only the calls that this system makes. With private DNS, all other callers in the VPC go through these
 * endpoints as well, and are refused. In a VPC that is shared with other systems, use its existing endpoints instead.
 */
export class Endpoints extends Construct {
  readonly secretsManagerId: string;
  readonly securityGroupId: string;
  readonly #condition: CfnCondition | undefined;

  constructor(scope: Construct, id: string, props: EndpointsProps) {
    super(scope, id);
    this.#condition = props.condition;
    // A group without an egress rule gets one from EC2 that allows everything. Endpoints never connect out, so this one allows nothing.
    const group = new CfnSecurityGroup(this, 'SecurityGroup', {
      groupDescription: 'adjoin: interface endpoints',
      vpcId: props.vpcId,
      securityGroupEgress: [
        {
          ipProtocol: 'icmp',
          fromPort: 252,
          toPort: 86,
          cidrIp: '255.255.255.255/32',
          description: 'nothing',
        },
      ],
    });
    this.#when(group);
    this.securityGroupId = group.attrGroupId;
    const common = (service: string) => ({
      vpcId: props.vpcId,
      serviceName: `com.amazonaws.${Aws.REGION}.${service}`,
      policyDocument: fillPolicy(`endpoint-${service}`, props.policyValues),
    });
    const inside = (service: string): CfnVPCEndpoint => {
      const endpoint = new CfnVPCEndpoint(this, service, {
        ...common(service),
        vpcEndpointType: 'Interface',
        privateDnsEnabled: true,
        subnetIds: props.subnetIds,
        securityGroupIds: [group.attrGroupId],
      });
      this.#when(endpoint);
      return endpoint;
    };
    this.secretsManagerId = inside('secretsmanager').ref;
    for (const service of interfaceServices) inside(service);
    for (const service of gatewayServices) {
      this.#when(
        new CfnVPCEndpoint(this, service, {
          ...common(service),
          vpcEndpointType: 'Gateway',
          routeTableIds: props.routeTableIds,
        }),
      );
    }
  }

  /** Lets a security group reach the interface endpoints: the only inbound rule of the whole system. */
  admit(id: string, securityGroupId: string, condition?: CfnCondition): void {
    const rule = new CfnSecurityGroupIngress(this, `From${id}`, {
      groupId: this.securityGroupId,
      sourceSecurityGroupId: securityGroupId,
      ipProtocol: 'tcp',
      fromPort: 443,
      toPort: 443,
      description: `adjoin: HTTPS from ${id}`,
    });
    const when = condition ?? this.#condition;
    if (when) rule.cfnOptions.condition = when;
  }

  #when(resource: CfnResource): void {
    if (this.#condition) resource.cfnOptions.condition = this.#condition;
  }
}
