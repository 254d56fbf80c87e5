/** Reads of networks. EC2 has no operations here that change them: what is there is the sandbox's, and what a stack makes. */
import {
  DescribeDhcpOptions$,
  DescribeRouteTables$,
  DescribeSubnets$,
  DescribeVpcAttribute$,
  DescribeVpcEndpoints$,
  DescribeVpcs$,
  type DescribeDhcpOptionsCommandInput,
  type DescribeDhcpOptionsResult,
  type DescribeRouteTablesCommandInput,
  type DescribeRouteTablesResult,
  type DescribeSubnetsCommandInput,
  type DescribeSubnetsResult,
  type DescribeVpcAttributeCommandInput,
  type DescribeVpcAttributeResult,
  type DescribeVpcEndpointsCommandInput,
  type DescribeVpcEndpointsResult,
  type DescribeVpcsCommandInput,
  type DescribeVpcsResult,
  type RouteTable as RouteTableShape,
} from '@aws-sdk/client-ec2';
import { ServiceFailure } from '../failure.ts';
import { endpointsOfPage, resultsOf } from '../limits/ec2.ts';
import { enforce, type Limit } from '../limits/limit.ts';
import { operationsOn } from '../operations.ts';
import { page } from '../pages.ts';
import { arn, type Place } from '../place.ts';
import type { Operation } from '../service.ts';
import { fitting, type Filterable } from './filters.ts';
import type { DhcpOptions, Networks, RouteTable, Subnet, Vpc, VpcEndpoint } from './networks.ts';

interface NetworkParts {
  readonly place: Place;
  readonly networks: Networks;
}

export function networkOperations(parts: NetworkParts): Operation[] {
  const on = operationsOn('ec2', parts);
  return [
    on(DescribeVpcs$, describeVpcs),
    on(DescribeVpcAttribute$, describeVpcAttribute, ({ place }, { VpcId = '' }) => [
      { arn: arn(place, 'ec2', `vpc/${VpcId}`) },
    ]),
    on(DescribeSubnets$, describeSubnets),
    on(DescribeRouteTables$, describeRouteTables),
    on(DescribeVpcEndpoints$, describeEndpoints),
    on(DescribeDhcpOptions$, describeDhcpOptions),
  ];
}

interface Wish {
  readonly ids: readonly string[] | undefined;
  readonly filters: DescribeVpcsCommandInput['Filters'];
  readonly token: string | undefined;
  readonly size: number | undefined;
}

interface Kind<Item> {
  readonly known: Filterable<Item>;
  /** EC2's code and words for an ID that is not there. */
  readonly missing: (id: string) => ServiceFailure;
  /** What a page may be asked to have. Absent where EC2 takes any size, and gives no more than `most`. */
  readonly results?: Limit;
  readonly most: number;
}

/** One page of those that were asked for. */
function given<Item extends { readonly id: string }>(
  all: ReadonlyMap<string, Item>,
  { ids = [], filters, token, size }: Wish,
  kind: Kind<Item>,
) {
  if (size !== undefined && kind.results) enforce(kind.results, size);
  const wanted = ids.map((id) => {
    const item = all.get(id);
    if (item === undefined) throw kind.missing(id);
    return item;
  });
  const items = fitting(ids.length > 0 ? wanted : [...all.values()], filters, kind.known);
  return page(items, ({ id }) => id, token, Math.min(size ?? kind.most, kind.most), 'InvalidNextToken');
}

const missing =
  (code: string, what: string) =>
  (id: string): ServiceFailure =>
    new ServiceFailure(code, `The ${what} ID '${id}' does not exist`);

const vpcKind: Kind<Vpc> = {
  known: {
    'vpc-id': ({ id }) => [id],
    cidr: ({ cidr }) => [cidr],
    'cidr-block-association.cidr-block': ({ cidr }) => [cidr],
    'dhcp-options-id': ({ dhcpOptionsId }) => [dhcpOptionsId],
    'is-default': () => ['false'],
    state: () => ['available'],
  },
  missing: missing('InvalidVpcID.NotFound', 'vpc'),
  results: resultsOf.vpcs,
  most: 1000,
};

function describeVpcs(
  { place, networks }: NetworkParts,
  input: DescribeVpcsCommandInput,
): DescribeVpcsResult {
  const { items, next } = given(networks.vpcs, wishOf(input, input.VpcIds), vpcKind);
  return {
    Vpcs: items.map(({ id, cidr, dhcpOptionsId }) => ({
      VpcId: id,
      OwnerId: place.accountId,
      CidrBlock: cidr,
      CidrBlockAssociationSet: [{ CidrBlock: cidr, CidrBlockState: { State: 'associated' } }],
      DhcpOptionsId: dhcpOptionsId,
      InstanceTenancy: 'default',
      IsDefault: false,
      State: 'available',
      Tags: [],
    })),
    NextToken: next,
  };
}

function describeVpcAttribute(
  { networks }: NetworkParts,
  { VpcId = '', Attribute }: DescribeVpcAttributeCommandInput,
): DescribeVpcAttributeResult {
  const vpc = networks.vpcs.get(VpcId);
  if (vpc === undefined) throw vpcKind.missing(VpcId);
  switch (Attribute) {
    case 'enableDnsSupport':
      return { VpcId, EnableDnsSupport: { Value: vpc.dnsSupport } };
    case 'enableDnsHostnames':
      return { VpcId, EnableDnsHostnames: { Value: vpc.dnsHostnames } };
    case 'enableNetworkAddressUsageMetrics':
      return { VpcId, EnableNetworkAddressUsageMetrics: { Value: false } };
    case undefined:
    default:
      throw new ServiceFailure('InvalidParameterValue', `Value (${Attribute}) for attribute is invalid.`);
  }
}

const subnetKind: Kind<Subnet> = {
  known: {
    'subnet-id': ({ id }) => [id],
    'vpc-id': ({ vpcId }) => [vpcId],
    'availability-zone': ({ zone }) => [zone],
    'cidr-block': ({ cidr }) => [cidr],
    'map-public-ip-on-launch': ({ isPublic }) => [String(isPublic)],
    state: () => ['available'],
  },
  missing: missing('InvalidSubnetID.NotFound', 'subnet'),
  results: resultsOf.subnets,
  most: 1000,
};

function describeSubnets(
  { place, networks }: NetworkParts,
  input: DescribeSubnetsCommandInput,
): DescribeSubnetsResult {
  const { items, next } = given(networks.subnets, wishOf(input, input.SubnetIds), subnetKind);
  return {
    Subnets: items.map(({ id, vpcId, zone, cidr, isPublic }) => ({
      SubnetId: id,
      SubnetArn: arn(place, 'ec2', `subnet/${id}`),
      VpcId: vpcId,
      OwnerId: place.accountId,
      AvailabilityZone: zone,
      CidrBlock: cidr,
      MapPublicIpOnLaunch: isPublic,
      DefaultForAz: false,
      State: 'available',
      Tags: [],
    })),
    NextToken: next,
  };
}

const routeTableKind: Kind<RouteTable> = {
  known: {
    'route-table-id': ({ id }) => [id],
    'vpc-id': ({ vpcId }) => [vpcId],
    'association.main': ({ isMain, subnetIds }) => [
      ...(isMain ? ['true'] : []),
      ...(subnetIds.length > 0 ? ['false'] : []),
    ],
    'association.subnet-id': ({ subnetIds }) => subnetIds,
  },
  missing: missing('InvalidRouteTableID.NotFound', 'routeTable'),
  results: resultsOf.routeTables,
  most: 100,
};

function routeTableShape(
  { place, networks }: NetworkParts,
  { id, vpcId, isMain, subnetIds, wayOut }: RouteTable,
): RouteTableShape {
  const association = (name: string) => ({
    RouteTableId: id,
    RouteTableAssociationId: `rtbassoc-${name.slice(-17)}`,
    AssociationState: { State: 'associated' as const },
  });
  return {
    RouteTableId: id,
    VpcId: vpcId,
    OwnerId: place.accountId,
    Associations: [
      ...(isMain ? [{ ...association(id), Main: true }] : []),
      ...subnetIds.map((SubnetId) => ({ ...association(SubnetId), Main: false, SubnetId })),
    ],
    Routes: [
      {
        DestinationCidrBlock: networks.vpcs.get(vpcId)?.cidr,
        GatewayId: 'local',
        Origin: 'CreateRouteTable',
        State: 'active',
      },
      ...(wayOut === undefined
        ? []
        : [
            {
              DestinationCidrBlock: '0.0.0.0/0',
              ...(wayOut.startsWith('nat-') ? { NatGatewayId: wayOut } : { GatewayId: wayOut }),
              Origin: 'CreateRoute' as const,
              State: 'active' as const,
            },
          ]),
    ],
    PropagatingVgws: [],
    Tags: [],
  };
}

function describeRouteTables(
  parts: NetworkParts,
  input: DescribeRouteTablesCommandInput,
): DescribeRouteTablesResult {
  const { items, next } = given(
    parts.networks.routeTables,
    wishOf(input, input.RouteTableIds),
    routeTableKind,
  );
  return { RouteTables: items.map((each) => routeTableShape(parts, each)), NextToken: next };
}

const endpointKind: Kind<VpcEndpoint> = {
  known: {
    'vpc-endpoint-id': ({ id }) => [id],
    'vpc-id': ({ vpcId }) => [vpcId],
    'service-name': ({ service }) => [service],
    'vpc-endpoint-type': ({ type }) => [type],
    'vpc-endpoint-state': ({ state }) => [state],
  },
  missing: (id) =>
    new ServiceFailure('InvalidVpcEndpointId.NotFound', `The Vpc Endpoint Id '${id}' does not exist`),
  most: endpointsOfPage,
};

function describeEndpoints(
  { place, networks }: NetworkParts,
  input: DescribeVpcEndpointsCommandInput,
): DescribeVpcEndpointsResult {
  const { items, next } = given(networks.endpoints, wishOf(input, input.VpcEndpointIds), endpointKind);
  return {
    VpcEndpoints: items.map((each) => ({
      VpcEndpointId: each.id,
      VpcEndpointType: each.type,
      VpcId: each.vpcId,
      ServiceName: each.service,
      State: each.state,
      PrivateDnsEnabled: each.privateDns,
      Groups: each.groupIds.map((GroupId) => ({ GroupId, GroupName: GroupId })),
      SubnetIds: [...each.subnetIds],
      RouteTableIds: [...each.routeTableIds],
      OwnerId: place.accountId,
      Tags: [],
    })),
    NextToken: next,
  };
}

const dhcpKind: Kind<DhcpOptions> = {
  known: {
    'dhcp-options-id': ({ id }) => [id],
    key: () => ['domain-name', 'domain-name-servers'],
    value: ({ domainName, nameServers }) => [domainName, ...nameServers],
  },
  missing: missing('InvalidDhcpOptionID.NotFound', 'dhcpOption'),
  results: resultsOf.dhcpOptions,
  most: 1000,
};

function describeDhcpOptions(
  { place, networks }: NetworkParts,
  input: DescribeDhcpOptionsCommandInput,
): DescribeDhcpOptionsResult {
  const { items, next } = given(networks.dhcpOptions, wishOf(input, input.DhcpOptionsIds), dhcpKind);
  return {
    DhcpOptions: items.map(({ id, domainName, nameServers }) => ({
      DhcpOptionsId: id,
      OwnerId: place.accountId,
      DhcpConfigurations: [
        { Key: 'domain-name', Values: [{ Value: domainName }] },
        { Key: 'domain-name-servers', Values: nameServers.map((Value) => ({ Value })) },
      ],
      Tags: [],
    })),
    NextToken: next,
  };
}

function wishOf(
  input: Pick<DescribeVpcsCommandInput, 'Filters' | 'NextToken' | 'MaxResults'>,
  ids: readonly string[] | undefined,
): Wish {
  return { ids, filters: input.Filters, token: input.NextToken, size: input.MaxResults };
}
