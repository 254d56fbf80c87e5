/** What of a VPC is shown by EC2's reads; the rest is only remembered. */
import { asBefore, optionalText, text, texts, type ResourceTypes } from '../resource-type.ts';

export const ec2: ResourceTypes = {
  'AWS::EC2::VPCEndpoint': {
    // The authorizer reads its policy; the front door, which service it is of.
    applied: 'all',
    fixed: ['ServiceName', 'VpcEndpointType', 'VpcId'],
    create(wanted, { hex, region, cloud }) {
      const id = `vpce-${hex(17)}`;
      const service = text(wanted, 'ServiceName');
      const isInterface = optionalText(wanted, 'VpcEndpointType') === 'Interface';
      cloud.networks.endpoints.set(id, {
        id,
        vpcId: text(wanted, 'VpcId'),
        service,
        type: isInterface ? 'Interface' : 'Gateway',
        state: 'Available',
        privateDns: isInterface && optionalText(wanted, 'PrivateDnsEnabled') === 'true',
        groupIds: texts(wanted, 'SecurityGroupIds'),
        subnetIds: texts(wanted, 'SubnetIds'),
        routeTableIds: texts(wanted, 'RouteTableIds'),
      });
      // The zone and the name of an interface endpoint as a whole; the entries of its zones follow.
      const name = `${id}-${hex(8)}.${service.split('.').at(-1) ?? ''}.${region}.vpce.amazonaws.com`;
      return {
        ref: id,
        attributes: { Id: id },
        lists: { DnsEntries: isInterface ? [`Z${hex(13).toUpperCase()}:${name}`] : [] },
      };
    },
    update(made, wanted, { cloud }) {
      const before = cloud.networks.endpoints.get(made.ref);
      if (before !== undefined)
        cloud.networks.endpoints.set(made.ref, {
          ...before,
          privateDns: before.type === 'Interface' && optionalText(wanted, 'PrivateDnsEnabled') === 'true',
          groupIds: texts(wanted, 'SecurityGroupIds'),
          subnetIds: texts(wanted, 'SubnetIds'),
          routeTableIds: texts(wanted, 'RouteTableIds'),
        });
      return asBefore(made);
    },
    delete({ ref }, { cloud }) {
      cloud.networks.endpoints.delete(ref);
    },
  },
};
