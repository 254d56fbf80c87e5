import type { Place } from '../place.ts';

/** One that instances, subnets and endpoints lie in. */
export interface Vpc {
  readonly id: string;
  readonly cidr: string;
  readonly dhcpOptionsId: string;
  readonly dnsSupport: boolean;
  readonly dnsHostnames: boolean;
}

export interface Subnet {
  readonly id: string;
  readonly vpcId: string;
  readonly zone: string;
  readonly cidr: string;
  /** Whether instances get a public address at their launch. */
  readonly isPublic: boolean;
}

export interface RouteTable {
  readonly id: string;
  readonly vpcId: string;
  /** Whether it is that of all subnets which are associated with none. */
  readonly isMain: boolean;
  readonly subnetIds: readonly string[];
  /** Where the way out of the VPC leads, such as `igw-…` or `nat-…`; nothing where there is none. */
  readonly wayOut?: string;
}

export interface VpcEndpoint {
  readonly id: string;
  readonly vpcId: string;
  /** Such as `com.amazonaws.eu-central-1.sqs`. */
  readonly service: string;
  readonly type: 'Interface' | 'Gateway';
  readonly state: 'Available' | 'Pending' | 'Deleting';
  readonly privateDns: boolean;
  readonly groupIds: readonly string[];
  readonly subnetIds: readonly string[];
  readonly routeTableIds: readonly string[];
}

export interface DhcpOptions {
  readonly id: string;
  readonly domainName: string;
  /** Addresses, or `AmazonProvidedDNS`. */
  readonly nameServers: readonly string[];
}

/**
 * What is there before anything is deployed: a VPC without endpoints and without a way out, with a private subnet in each of two zones.
 * The sandbox's own network has no IDs; these only have to be the same everywhere.
 */
export const first = {
  vpcId: 'vpc-0a77000000000000a',
  subnetIds: ['subnet-0a77000000000000a', 'subnet-0a77000000000000b'],
  routeTableId: 'rtb-0a77000000000000a',
  dhcpOptionsId: 'dopt-0a77000000000000a',
} as const;

/** Networks as EC2 knows them. No packet goes by them: they are for who looks. */
export class Networks {
  readonly vpcs = new Map<string, Vpc>();
  readonly subnets = new Map<string, Subnet>();
  readonly routeTables = new Map<string, RouteTable>();
  readonly endpoints = new Map<string, VpcEndpoint>();
  readonly dhcpOptions = new Map<string, DhcpOptions>();

  constructor({ region }: Place) {
    const { vpcId, subnetIds, routeTableId, dhcpOptionsId } = first;
    this.dhcpOptions.set(dhcpOptionsId, {
      id: dhcpOptionsId,
      domainName: `${region}.compute.internal`,
      nameServers: ['AmazonProvidedDNS'],
    });
    this.vpcs.set(vpcId, {
      id: vpcId,
      cidr: '10.77.0.0/16',
      dhcpOptionsId,
      dnsSupport: true,
      dnsHostnames: true,
    });
    for (const [index, id] of subnetIds.entries())
      this.subnets.set(id, {
        id,
        vpcId,
        zone: `${region}${'ab'[index] ?? ''}`,
        cidr: `10.77.${index * 128}.0/17`,
        isPublic: false,
      });
    this.routeTables.set(routeTableId, { id: routeTableId, vpcId, isMain: true, subnetIds: [] });
  }
}
