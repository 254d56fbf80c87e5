/** The workers' way to the directory and to AWS. */
import { region, vpcId } from '../stack.ts';
import { ec2, looking, ours, own, type Asset } from './asset.ts';

const inVpc = { 'ec2:Vpc': ec2(`vpc/${vpcId}`), 'ec2:VpcID': vpcId };
export const network = (): Asset[] => [
  {
    name: 'security groups and endpoints of the system',
    arns: {
      'ec2:security-group': ec2('security-group/sg-0000000000000000c'),
      'ec2:vpc-endpoint': ec2('vpc-endpoint/vpce-0000000000000000c'),
    },
    tags: ours,
    allowed: [
      looking('ec2'),
      {
        actions: ['ec2:CreateSecurityGroup', 'ec2:CreateVpcEndpoint on vpc-endpoint'],
        because: 'What it is about is the new one; an endpoint in the VPC is denied by the VPC.',
      },
    ],
  },
  {
    name: "workers' VPC",
    arns: { 'ec2:vpc': ec2(`vpc/${vpcId}`) },
    allowed: [
      looking('ec2'),
      {
        actions: ['ec2:CreateSecurityGroup', 'ec2:CreateFlowLogs'],
        because: 'It changes the path of nothing that is there.',
      },
      { actions: ['ec2:CreateTags', 'ec2:DeleteTags'], because: 'The guard goes by the ID, not by tags.' },
    ],
  },
  {
    name: "workers' subnets, routes and network ACLs",
    arns: {
      'ec2:subnet': ec2('subnet/subnet-0aaaaaaaaaaaaaaaa'),
      'ec2:route-table': ec2('route-table/rtb-0aaaaaaaaaaaaaaaa'),
      'ec2:network-acl': ec2('network-acl/acl-0aaaaaaaaaaaaaaaa'),
    },
    context: inVpc,
    allowed: [
      looking('ec2'),
      {
        actions: [
          'ec2:RunInstances',
          'ec2:CreateFleet',
          'ec2:ModifyFleet',
          'ec2:RequestSpot*',
          'ec2:ModifySpotFleetRequest',
          'ec2:*NetworkInterface*',
          'ec2:CreateFlowLogs',
        ],
        because: "It puts the developers' own machines into the subnet and changes no path.",
      },
      { actions: ['ec2:CreateTags', 'ec2:DeleteTags'], because: 'The guard goes by the VPC, not by tags.' },
      {
        actions: ['CreateSubnet', 'CreateRouteTable', 'CreateNetworkAcl', 'CreateVpcEndpoint'].map(
          (action) => `ec2:${action}`,
        ),
        because: 'It needs the VPC as well, where it is denied.',
      },
      {
        actions: ['ec2:AssociateClientVpnTargetNetwork', 'ec2:CreateClientVpnRoute'],
        because: 'It brings people into the VPC, where the security groups of the system let nobody in.',
      },
    ],
  },
  {
    name: 'resolver of the VPC',
    arns: {
      'route53resolver:firewall-config': own('route53resolver', 'firewall-config/any'),
      'route53resolver:firewall-rule-group': own('route53resolver', 'firewall-rule-group/any'),
      'route53resolver:firewall-rule-group-association': own(
        'route53resolver',
        'firewall-rule-group-association/any',
      ),
      'route53resolver:outpost-resolver': own('route53resolver', 'outpost-resolver/any'),
      'route53resolver:resolver-config': own('route53resolver', 'resolver-config/any'),
      'route53resolver:resolver-dnssec-config': own('route53resolver', 'resolver-dnssec-config/any'),
      'route53resolver:resolver-endpoint': own('route53resolver', 'resolver-endpoint/any'),
      'route53resolver:resolver-rule': own('route53resolver', 'resolver-rule/any'),
      'route53profiles:profile': own('route53profiles', 'profile/any'),
      'route53profiles:profile-association': own('route53profiles', 'profile-association/any'),
    },
    allowed: [
      looking('route53resolver'),
      looking('route53profiles'),
      {
        actions: ['route53resolver:*agResource', 'route53profiles:*agResource'],
        because: 'The guard goes by the action, not by tags.',
      },
    ],
  },
  {
    name: 'private zones that the VPC would ask',
    arns: { 'route53:hostedzone': 'arn:aws:route53:::hostedzone/Z0123456789' },
    context: { 'route53:VPCs': [`VPCId=${vpcId},VPCRegion=${region}`] },
    allowed: [
      looking('route53'),
      {
        actions: [
          'ChangeResourceRecordSets',
          'ChangeTagsForResource',
          '*KeySigningKey',
          '*HostedZoneDNSSEC',
          '*QueryLoggingConfig',
          'CreateTrafficPolicyInstance',
          'DeleteHostedZone',
          'UpdateHostedZone*',
          'DeleteVPCAssociationAuthorization',
        ].map((action) => `route53:${action}`),
        because:
          'A zone is asked by the workers only after it was associated with their VPC, which is denied; no condition key tells zones of the VPC from others.',
      },
    ],
  },
];
