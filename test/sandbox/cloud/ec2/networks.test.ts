import {
  DescribeDhcpOptionsCommand,
  DescribeRouteTablesCommand,
  DescribeSubnetsCommand,
  DescribeVpcAttributeCommand,
  DescribeVpcEndpointsCommand,
  DescribeVpcsCommand,
  paginateDescribeRouteTables,
  type Filter,
} from '@aws-sdk/client-ec2';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { first } from '../../../../infra/sandbox/cloud/ec2/networks.ts';
import { accountId, region, startBench, type Bench, type Clients } from '../bench.ts';

let bench: Bench;
let ec2: Clients['ec2'];
beforeEach(async () => {
  bench = await startBench();
  ({ ec2 } = bench.as('operator'));
});
afterEach(async () => {
  await bench[Symbol.asyncDispose]();
});

const filter = (Name: string, ...Values: string[]): Filter[] => [{ Name, Values }];

test('a VPC shows its network, its DNS attributes and its DHCP options', async () => {
  const { Vpcs = [] } = await ec2.send(new DescribeVpcsCommand({ VpcIds: [first.vpcId] }));
  expect(Vpcs).toEqual([
    expect.objectContaining({
      VpcId: first.vpcId,
      OwnerId: accountId,
      CidrBlock: '10.77.0.0/16',
      DhcpOptionsId: first.dhcpOptionsId,
      IsDefault: false,
    }),
  ]);
  const attribute = (Attribute: 'enableDnsSupport' | 'enableDnsHostnames') =>
    ec2.send(new DescribeVpcAttributeCommand({ VpcId: first.vpcId, Attribute }));
  expect((await attribute('enableDnsSupport')).EnableDnsSupport).toEqual({ Value: true });
  expect((await attribute('enableDnsHostnames')).EnableDnsHostnames).toEqual({ Value: true });
  const { DhcpOptions = [] } = await ec2.send(
    new DescribeDhcpOptionsCommand({ DhcpOptionsIds: [first.dhcpOptionsId] }),
  );
  expect(DhcpOptions[0]?.DhcpConfigurations).toContainEqual({
    Key: 'domain-name-servers',
    Values: [{ Value: 'AmazonProvidedDNS' }],
  });
});

test('subnets and route tables are found by their VPC', async () => {
  const { Subnets = [] } = await ec2.send(
    new DescribeSubnetsCommand({ Filters: filter('vpc-id', first.vpcId) }),
  );
  expect(Subnets.map(({ SubnetId, AvailabilityZone }) => [SubnetId, AvailabilityZone])).toEqual([
    [first.subnetIds[0], `${region}a`],
    [first.subnetIds[1], `${region}b`],
  ]);
  const tables = async (...filters: Filter[]) =>
    (await ec2.send(new DescribeRouteTablesCommand({ Filters: filters }))).RouteTables ?? [];
  const [main] = await tables(...filter('vpc-id', first.vpcId));
  expect(main).toMatchObject({ RouteTableId: first.routeTableId, Associations: [{ Main: true }] });
  expect(main?.Routes).toEqual([expect.objectContaining({ GatewayId: 'local' })]);
  // Subnets of the main table have no association of their own.
  expect(await tables(...filter('association.subnet-id', first.subnetIds[0]))).toEqual([]);
  expect(await tables(...filter('vpc-id', 'vpc-0*'), ...filter('association.main', 'true'))).toHaveLength(1);
});

test('a way out of the VPC is a route', async () => {
  const table = { vpcId: first.vpcId, isMain: false, subnetIds: [first.subnetIds[0]] };
  bench.cloud.networks.routeTables.set('rtb-1', { ...table, id: 'rtb-1', wayOut: 'nat-1' });
  bench.cloud.networks.routeTables.set('rtb-2', { ...table, id: 'rtb-2', wayOut: 'igw-1' });
  const { RouteTables = [] } = await ec2.send(
    new DescribeRouteTablesCommand({ RouteTableIds: ['rtb-1', 'rtb-2'] }),
  );
  expect(RouteTables.map(({ Routes }) => Routes?.[1])).toEqual([
    expect.objectContaining({ DestinationCidrBlock: '0.0.0.0/0', NatGatewayId: 'nat-1' }),
    expect.objectContaining({ DestinationCidrBlock: '0.0.0.0/0', GatewayId: 'igw-1' }),
  ]);
});

test('endpoints show their service, their kind and who reaches them', async () => {
  bench.cloud.networks.endpoints.set('vpce-1', {
    id: 'vpce-1',
    vpcId: first.vpcId,
    service: `com.amazonaws.${region}.sqs`,
    type: 'Interface',
    state: 'Available',
    privateDns: true,
    groupIds: ['sg-1'],
    subnetIds: [...first.subnetIds],
    routeTableIds: [],
  });
  const found = async (filters: Filter[]) =>
    (await ec2.send(new DescribeVpcEndpointsCommand({ Filters: filters }))).VpcEndpoints ?? [];
  expect(await found(filter('service-name', `com.amazonaws.${region}.sqs`))).toEqual([
    expect.objectContaining({
      VpcEndpointId: 'vpce-1',
      VpcEndpointType: 'Interface',
      PrivateDnsEnabled: true,
      Groups: [{ GroupId: 'sg-1', GroupName: 'sg-1' }],
    }),
  ]);
  expect(await found(filter('vpc-endpoint-type', 'Gateway'))).toEqual([]);
});

test('more than a page is given page by page', async () => {
  for (let index = 0; index < 150; index += 1) {
    const id = `rtb-${String(index).padStart(17, '0')}`;
    bench.cloud.networks.routeTables.set(id, { id, vpcId: 'vpc-other', isMain: false, subnetIds: [] });
  }
  const sizes: number[] = [];
  const pages = paginateDescribeRouteTables({ client: ec2 }, { Filters: filter('vpc-id', 'vpc-other') });
  for await (const { RouteTables = [] } of pages) sizes.push(RouteTables.length);
  expect(sizes).toEqual([100, 50]);
});

describe('what EC2 refuses', () => {
  const known = { Filters: filter('colour', 'red') };
  const refusals: readonly [string, () => Promise<unknown>, string][] = [
    [
      'an unknown filter of VPCs',
      () => ec2.send(new DescribeVpcsCommand(known)),
      "filter 'colour' is invalid",
    ],
    ['of subnets', () => ec2.send(new DescribeSubnetsCommand(known)), "filter 'colour' is invalid"],
    ['of route tables', () => ec2.send(new DescribeRouteTablesCommand(known)), "filter 'colour' is invalid"],
    // There is nothing to filter, and it is refused all the same.
    ['of endpoints', () => ec2.send(new DescribeVpcEndpointsCommand(known)), "filter 'colour' is invalid"],
    ['of DHCP options', () => ec2.send(new DescribeDhcpOptionsCommand(known)), "filter 'colour' is invalid"],
    [
      'a VPC that is not there',
      () => ec2.send(new DescribeVpcsCommand({ VpcIds: ['vpc-1'] })),
      "'vpc-1' does not exist",
    ],
    [
      'an attribute of a VPC that is not there',
      () => ec2.send(new DescribeVpcAttributeCommand({ VpcId: 'vpc-1', Attribute: 'enableDnsSupport' })),
      "'vpc-1' does not exist",
    ],
    [
      'a subnet that is not there',
      () => ec2.send(new DescribeSubnetsCommand({ SubnetIds: ['subnet-1'] })),
      "'subnet-1' does not exist",
    ],
    [
      'a route table that is not there',
      () => ec2.send(new DescribeRouteTablesCommand({ RouteTableIds: ['rtb-1'] })),
      "'rtb-1' does not exist",
    ],
    [
      'an endpoint that is not there',
      () => ec2.send(new DescribeVpcEndpointsCommand({ VpcEndpointIds: ['vpce-1'] })),
      "'vpce-1' does not exist",
    ],
    [
      'a page that is too small',
      () => ec2.send(new DescribeSubnetsCommand({ MaxResults: 4 })),
      'Value ( 4 ) for parameter maxResults is invalid. Expecting a value greater than 5.',
    ],
    [
      'a page of route tables that is too large',
      () => ec2.send(new DescribeRouteTablesCommand({ MaxResults: 101 })),
      'Expecting a value less than 100.',
    ],
    [
      'a token that it has not given',
      () => ec2.send(new DescribeSubnetsCommand({ NextToken: 'mine' })),
      'token is not valid',
    ],
  ];
  test.each(refusals)('%s', async (_what, call, words) => {
    await expect(call()).rejects.toThrow(words);
  });

  test('who has not the right to look', async () => {
    await using closed = await startBench({
      authorize: ({ action }) =>
        action === 'ec2:DescribeSubnets' ? { allowed: false, reason: 'not yours' } : { allowed: true },
    });
    const there = closed.as('operator').ec2;
    await expect(there.send(new DescribeSubnetsCommand({}))).rejects.toMatchObject({
      name: 'UnauthorizedOperation',
    });
    await expect(there.send(new DescribeVpcsCommand({}))).resolves.toBeDefined();
  });
});
