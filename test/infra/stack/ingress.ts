/** Everything in a template that lets somebody in. */
import type { Json, Resources } from '../templates.ts';

export interface Opening {
  readonly resource: string;
  readonly rule: Record<string, Json>;
}

const isObject = (value: Json | undefined): value is Record<string, Json> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Ingress rules of security groups, in them or on their own, of whatever protocol and source, and of network ACLs. */
export function openings(resources: Resources): Opening[] {
  return Object.entries(resources).flatMap(([resource, { Type, Properties }]): Opening[] => {
    const of = (rule: Json): Opening => ({ resource, rule: isObject(rule) ? rule : { rule } });
    switch (Type) {
      case 'AWS::EC2::SecurityGroup': {
        const rules = Properties['SecurityGroupIngress'] ?? [];
        return (Array.isArray(rules) ? rules : [rules]).map(of);
      }
      case 'AWS::EC2::SecurityGroupIngress':
        return [of(Properties)];
      case 'AWS::EC2::NetworkAclEntry':
        return Properties['Egress'] === true || Properties['RuleAction'] === 'deny' ? [] : [of(Properties)];
      default:
        // Other doors than rules.
        return opensOtherwise.has(Type) ? [of(Properties)] : [];
    }
  });
}

const opensOtherwise = new Set([
  'AWS::EC2::InternetGateway',
  'AWS::EC2::EIP',
  'AWS::EC2::ClientVpnEndpoint',
  'AWS::EC2::InstanceConnectEndpoint',
  'AWS::ElasticLoadBalancingV2::Listener',
  'AWS::ElasticLoadBalancing::LoadBalancer',
]);

/** Whether an opening is no more than HTTPS from one named security group. */
export function isHttpsFromAGroup({ rule }: Opening): boolean {
  const sources = ['CidrIp', 'CidrIpv6', 'SourcePrefixListId', 'SourceSecurityGroupName'];
  return (
    rule['IpProtocol'] === 'tcp' &&
    rule['FromPort'] === 443 &&
    rule['ToPort'] === 443 &&
    rule['SourceSecurityGroupId'] !== undefined &&
    sources.every((source) => rule[source] === undefined)
  );
}
