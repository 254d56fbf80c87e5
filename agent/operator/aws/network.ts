/** What is in a VPC, as EC2 shows it. */
import {
  DescribeDhcpOptionsCommand,
  DescribeManagedPrefixListsCommand,
  DescribeVpcAttributeCommand,
  DescribeVpcsCommand,
  paginateDescribeRouteTables,
  paginateDescribeSubnets,
  paginateDescribeVpcEndpoints,
  type EC2Client,
  type RouteTable,
  type VpcAttributeName,
} from '@aws-sdk/client-ec2';
import { callAws, pagesOfAws } from '../../aws/errors.ts';
import type { Endpoint, NetworkPort, Subnet } from '../deploy/ports.ts';
import type { PrePorts } from '../doctor/pre-ports.ts';

const within = (vpcId: string) => [{ Name: 'vpc-id', Values: [vpcId] }];

const isMain = ({ Associations = [] }: RouteTable): boolean => Associations.some(({ Main }) => Main === true);

export function createNetwork(
  client: EC2Client,
  region: string,
): NetworkPort & Pick<PrePorts, 'nameServers' | 'vpc' | 'waysOut'> {
  /** @returns the route table of a subnet: its own, or the VPC's main one */
  async function tables(
    vpcId: string,
    signal: AbortSignal,
  ): Promise<(subnetId: string) => RouteTable | undefined> {
    const all: RouteTable[] = [];
    const pages = pagesOfAws(
      `ec2:DescribeRouteTables of ${vpcId}`,
      signal,
      paginateDescribeRouteTables({ client }, { Filters: within(vpcId) }, { abortSignal: signal }),
    );
    for await (const { RouteTables = [] } of pages) all.push(...RouteTables);
    return (subnetId) =>
      all.find(({ Associations = [] }) => Associations.some(({ SubnetId }) => SubnetId === subnetId)) ??
      all.find(isMain);
  }

  return {
    async prefixList(service, signal) {
      const { PrefixLists = [] } = await callAws('ec2:DescribeManagedPrefixLists', signal, () =>
        client.send(
          new DescribeManagedPrefixListsCommand({
            Filters: [{ Name: 'prefix-list-name', Values: [`com.amazonaws.${region}.${service}`] }],
          }),
          { abortSignal: signal },
        ),
      );
      return PrefixLists[0]?.PrefixListId;
    },
    async subnets(vpcId, signal) {
      const found: Subnet[] = [];
      const pages = pagesOfAws(
        `ec2:DescribeSubnets of ${vpcId}`,
        signal,
        paginateDescribeSubnets({ client }, { Filters: within(vpcId) }, { abortSignal: signal }),
      );
      for await (const { Subnets = [] } of pages)
        for (const subnet of Subnets)
          found.push({
            id: subnet.SubnetId ?? '',
            zone: subnet.AvailabilityZone ?? '',
            cidr: subnet.CidrBlock ?? '',
            isPublic: subnet.MapPublicIpOnLaunch ?? false,
          });
      return found;
    },
    async endpoints(vpcId, signal) {
      const found: Endpoint[] = [];
      const pages = pagesOfAws(
        `ec2:DescribeVpcEndpoints of ${vpcId}`,
        signal,
        paginateDescribeVpcEndpoints({ client }, { Filters: within(vpcId) }, { abortSignal: signal }),
      );
      for await (const { VpcEndpoints = [] } of pages)
        for (const {
          ServiceName = '',
          State = '',
          PrivateDnsEnabled,
          VpcEndpointType,
          Groups = [],
        } of VpcEndpoints) {
          // One without private DNS takes nobody's calls by the service's name.
          const isUsed = VpcEndpointType === 'Gateway' || PrivateDnsEnabled === true;
          if (State.toLowerCase() !== 'available' || !isUsed) continue;
          found.push({
            service: ServiceName.split('.').at(-1) ?? '',
            securityGroups: Groups.flatMap(({ GroupId }) => GroupId ?? []),
          });
        }
      return found;
    },
    async routeTables(vpcId, subnetIds, signal) {
      const of = await tables(vpcId, signal);
      return [...new Set(subnetIds.flatMap((id) => of(id)?.RouteTableId ?? []))];
    },
    async vpc(vpcId, signal) {
      const { Vpcs: [found] = [] } = await callAws(`ec2:DescribeVpcs of ${vpcId}`, signal, () =>
        // Named as a VPC, an ID that EC2 does not know would fail the call.
        client.send(new DescribeVpcsCommand({ Filters: within(vpcId) }), { abortSignal: signal }),
      );
      if (!found) return undefined;
      const attribute = (Attribute: VpcAttributeName) =>
        callAws(`ec2:DescribeVpcAttribute ${Attribute} of ${vpcId}`, signal, () =>
          client.send(new DescribeVpcAttributeCommand({ VpcId: vpcId, Attribute }), { abortSignal: signal }),
        );
      const { EnableDnsSupport } = await attribute('enableDnsSupport');
      const { EnableDnsHostnames } = await attribute('enableDnsHostnames');
      return {
        dnsSupport: EnableDnsSupport?.Value ?? false,
        dnsHostnames: EnableDnsHostnames?.Value ?? false,
      };
    },
    async nameServers(vpcId, signal) {
      const { Vpcs: [vpc] = [] } = await callAws(`ec2:DescribeVpcs of ${vpcId}`, signal, () =>
        client.send(new DescribeVpcsCommand({ Filters: within(vpcId) }), { abortSignal: signal }),
      );
      const { DhcpOptionsId = '' } = vpc ?? {};
      const { DhcpOptions: [options] = [] } = await callAws(
        `ec2:DescribeDhcpOptions ${DhcpOptionsId}`,
        signal,
        () =>
          client.send(new DescribeDhcpOptionsCommand({ DhcpOptionsIds: [DhcpOptionsId] }), {
            abortSignal: signal,
          }),
      );
      const servers = options?.DhcpConfigurations?.find(({ Key }) => Key === 'domain-name-servers');
      return (servers?.Values ?? []).flatMap(({ Value }) => Value ?? []);
    },
    async waysOut(vpcId, subnetIds, signal) {
      const of = await tables(vpcId, signal);
      return subnetIds.map((subnetId) => ({
        subnetId,
        gateway: of(subnetId)?.Routes?.find(({ GatewayId }) => GatewayId?.startsWith('igw-'))?.GatewayId,
      }));
    },
  };
}
