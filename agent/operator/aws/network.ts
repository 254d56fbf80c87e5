/** What is in a VPC, as EC2 shows it. */
import {
  DescribeManagedPrefixListsCommand,
  paginateDescribeRouteTables,
  paginateDescribeSubnets,
  paginateDescribeVpcEndpoints,
  type EC2Client,
  type RouteTable,
} from '@aws-sdk/client-ec2';
import { callAws, pagesOfAws } from '../../aws/errors.ts';
import type { Endpoint, NetworkPort, Subnet } from '../deploy/ports.ts';

const within = (vpcId: string) => [{ Name: 'vpc-id', Values: [vpcId] }];

const isMain = ({ Associations = [] }: RouteTable): boolean => Associations.some(({ Main }) => Main === true);

export function createNetwork(client: EC2Client, region: string): NetworkPort {
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
      const tables: RouteTable[] = [];
      const pages = pagesOfAws(
        `ec2:DescribeRouteTables of ${vpcId}`,
        signal,
        paginateDescribeRouteTables({ client }, { Filters: within(vpcId) }, { abortSignal: signal }),
      );
      for await (const { RouteTables = [] } of pages) tables.push(...RouteTables);
      const of = (subnetId: string): RouteTable | undefined =>
        tables.find(({ Associations = [] }) => Associations.some(({ SubnetId }) => SubnetId === subnetId)) ??
        tables.find(isMain);
      return [...new Set(subnetIds.flatMap((id) => of(id)?.RouteTableId ?? []))];
    },
  };
}
