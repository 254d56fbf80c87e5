/** What of a VPC is shown by EC2's reads, and what instances are launched by. The rest is only remembered. */
import type { LaunchData } from '../../cloud/ec2/launch-templates.ts';
import { asBefore, optionalText, text, texts, type ResourceTypes, type Wanted } from '../resource-type.ts';
import { isMap, scalar, type Json } from '../template.ts';

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
  'AWS::EC2::LaunchTemplate': {
    // What an instance gets of it are its user data and its role; policies and tests look at the rest.
    applied: 'all',
    fixed: ['LaunchTemplateName'],
    create(wanted, { hex, cloud }) {
      const id = `lt-${hex(17)}`;
      cloud.launchTemplates.add(id, launchData(wanted));
      return {
        ref: id,
        attributes: { LaunchTemplateId: id, LatestVersionNumber: '1', DefaultVersionNumber: '1' },
      };
    },
    // Its update makes another version of it.
    update({ ref, attributes }, wanted, { cloud }) {
      cloud.launchTemplates.add(ref, launchData(wanted));
      const version = Number(attributes['LatestVersionNumber']) + 1;
      return { ref, attributes: { ...attributes, LatestVersionNumber: String(version) } };
    },
    delete({ ref }, { cloud }) {
      cloud.launchTemplates.delete(ref);
    },
  },
};

function launchData({ properties }: Wanted): LaunchData {
  const data = properties['LaunchTemplateData'];
  const given: Readonly<Record<string, Json>> = isMap(data) ? data : {};
  const profile = given['IamInstanceProfile'];
  return {
    userData:
      given['UserData'] === undefined
        ? undefined
        : Buffer.from(scalar(given['UserData'], 'UserData'), 'base64').toString(),
    instanceProfileArn:
      isMap(profile) && profile['Arn'] !== undefined ? scalar(profile['Arn'], 'Arn') : undefined,
  };
}
