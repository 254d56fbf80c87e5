import { Aws, type CfnCondition, type CfnResource, Fn } from 'aws-cdk-lib';
import { CfnSecurityGroup, CfnSecurityGroupIngress, CfnVPCEndpoint } from 'aws-cdk-lib/aws-ec2';
import { Construct } from 'constructs';
import { fillPolicy, type PolicyValues } from './policy-file.ts';

/** Services that workers and nodes call, apart from Secrets Manager. */
export const interfaceServices = ['autoscaling', 'ec2', 'kms', 'logs', 'sqs', 'ssm', 'ssmmessages'] as const;
export const gatewayServices = ['dynamodb', 's3'] as const;
export type EndpointService = (typeof interfaceServices)[number] | (typeof gatewayServices)[number];

/** For each service, whether its endpoint is made. A condition leaves it to the template's parameters. */
export type MadeEndpoints = Readonly<Partial<Record<EndpointService, boolean | CfnCondition>>>;

export interface EndpointsProps {
  readonly vpcId: string;
  /** The workers' subnets, one for each zone. */
  readonly subnetIds: string[];
  /** Route tables of the workers' and the nodes' subnets, for gateway endpoints. */
  readonly routeTableIds: string[];
  readonly policyValues: PolicyValues;
  readonly make: MadeEndpoints;
  /** Whether any interface endpoint is made, for templates that leave it to their parameters. @default - follows from `make` */
  readonly anyInterface?: CfnCondition;
}

/**
 * VPC endpoints for the AWS services that workers and nodes use, where the VPC has none. With private DNS, all that the VPC
 * sends to these services goes through them: so their policies admit every principal of this account.
 */
export class Endpoints extends Construct {
  /** The security group of the interface endpoints; undefined if none is made. */
  readonly securityGroupId: string | undefined;
  readonly #any: CfnCondition | undefined;

  constructor(scope: Construct, id: string, props: EndpointsProps) {
    super(scope, id);
    this.#any = props.anyInterface;
    const common = (service: EndpointService) => ({
      vpcId: props.vpcId,
      serviceName: serviceName(service),
      policyDocument: fillPolicy(service === 's3' ? 'endpoint-s3' : 'endpoint', {
        ...props.policyValues,
        Service: service,
      }),
    });
    const made = <Service extends EndpointService>(services: readonly Service[]) =>
      services.filter((service) => (props.make[service] ?? false) !== false);
    const inside = made(interfaceServices);
    if (inside.length > 0) {
      const group = endpointGroup(this, 'SecurityGroup', props.vpcId, 'adjoin: interface endpoints');
      when(group, props.anyInterface);
      this.securityGroupId = group.attrGroupId;
      for (const service of inside) {
        const endpoint = new CfnVPCEndpoint(this, service, {
          ...common(service),
          vpcEndpointType: 'Interface',
          privateDnsEnabled: true,
          subnetIds: props.subnetIds,
          securityGroupIds: [group.attrGroupId],
        });
        when(endpoint, props.make[service]);
      }
    }
    for (const service of made(gatewayServices)) {
      const endpoint = new CfnVPCEndpoint(this, service, {
        ...common(service),
        vpcEndpointType: 'Gateway',
        routeTableIds: props.routeTableIds,
      });
      when(endpoint, props.make[service]);
    }
  }

  /** Lets a security group reach the interface endpoints that are made; does nothing if none is. */
  admit(id: string, securityGroupId: string, condition?: CfnCondition): void {
    if (this.securityGroupId === undefined) return;
    admitHttps(this, id, this.securityGroupId, securityGroupId, condition ?? this.#any);
  }
}

export interface SecretEndpointProps {
  readonly vpcId: string;
  readonly subnetIds: string[];
  readonly policyValues: PolicyValues;
  /** Makes it only if it is true. @default - always */
  readonly condition?: CfnCondition;
}

/**
 * The endpoint through which the secret is read. It admits the workers' security group and the read of one secret alone. It
 * has no private DNS, so that nobody else's calls come here: workers use its own name.
 */
export class SecretEndpoint extends Construct {
  readonly endpointId: string;
  readonly securityGroupId: string;
  /** `https://` and the endpoint's own name. */
  readonly url: string;
  readonly #condition: CfnCondition | undefined;

  constructor(scope: Construct, id: string, props: SecretEndpointProps) {
    super(scope, id);
    this.#condition = props.condition;
    const group = endpointGroup(this, 'SecurityGroup', props.vpcId, 'adjoin: the endpoint of the secret');
    const endpoint = new CfnVPCEndpoint(this, 'Endpoint', {
      vpcId: props.vpcId,
      serviceName: serviceName('secretsmanager'),
      policyDocument: fillPolicy('endpoint-secretsmanager', props.policyValues),
      vpcEndpointType: 'Interface',
      privateDnsEnabled: false,
      subnetIds: props.subnetIds,
      securityGroupIds: [group.attrGroupId],
    });
    when(group, props.condition);
    when(endpoint, props.condition);
    this.endpointId = endpoint.ref;
    this.securityGroupId = group.attrGroupId;
    // Entries are `hosted zone:name`, and the first is the regional name, which leads to every zone.
    this.url = `https://${Fn.select(1, Fn.split(':', Fn.select(0, endpoint.attrDnsEntries)))}`;
  }

  /** Lets the workers reach it. */
  admit(securityGroupId: string): void {
    admitHttps(this, 'Worker', this.securityGroupId, securityGroupId, this.#condition);
  }
}

/** Lets a security group in on 443: besides the endpoints' groups, nothing in the whole system has an inbound rule. */
export function admitHttps(
  scope: Construct,
  id: string,
  endpointGroupId: string,
  sourceGroupId: string,
  condition?: CfnCondition,
): void {
  const rule = new CfnSecurityGroupIngress(scope, `From${id}`, {
    groupId: endpointGroupId,
    sourceSecurityGroupId: sourceGroupId,
    ipProtocol: 'tcp',
    fromPort: 443,
    toPort: 443,
    description: `adjoin: HTTPS from ${id}`,
  });
  when(rule, condition);
}

function serviceName(service: string): string {
  return `com.amazonaws.${Aws.REGION}.${service}`;
}

/** A group without an egress rule gets one from EC2 that allows everything. Endpoints never connect out: this one allows nothing. */
function endpointGroup(
  scope: Construct,
  id: string,
  vpcId: string,
  groupDescription: string,
): CfnSecurityGroup {
  return new CfnSecurityGroup(scope, id, {
    groupDescription,
    vpcId,
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
}

function when(resource: CfnResource, condition: boolean | CfnCondition | undefined): void {
  if (typeof condition === 'object') resource.cfnOptions.condition = condition;
}
