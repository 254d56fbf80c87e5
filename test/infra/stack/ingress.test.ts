import { describe, expect, test } from '@jest/globals';
import { isHttpsFromAGroup, openings } from './ingress.ts';
import { deployedTemplates, flat, type Json } from '../templates.ts';

const group = (rule: Record<string, Json>) => ({
  Group: { Type: 'AWS::EC2::SecurityGroup', Properties: { SecurityGroupIngress: [rule] } },
});

describe('what counts as an opening', () => {
  const https = { IpProtocol: 'tcp', FromPort: 443, ToPort: 443 };

  test.each<[string, Record<string, Json>]>([
    ['every protocol', { IpProtocol: '-1', SourceSecurityGroupId: 'sg-1' }],
    [
      'a range that holds 443',
      { IpProtocol: 'tcp', FromPort: 0, ToPort: 65535, SourceSecurityGroupId: 'sg-1' },
    ],
    ['everybody', { ...https, CidrIp: '0.0.0.0/0' }],
    ['everybody on IPv6', { ...https, CidrIpv6: '::/0' }],
    ['a prefix list', { ...https, SourcePrefixListId: 'pl-1' }],
    ['a prefix list beside a group', { ...https, SourceSecurityGroupId: 'sg-1', SourcePrefixListId: 'pl-1' }],
    ['SSH from a group', { IpProtocol: 'tcp', FromPort: 22, ToPort: 22, SourceSecurityGroupId: 'sg-1' }],
  ])('%s is found, and is more than HTTPS from a group', (_, rule) => {
    const found = openings(group(rule));
    expect(found).toHaveLength(1);
    expect(found.every(isHttpsFromAGroup)).toBe(false);
  });

  test('a rule of its own, a single rule and an entry of a network ACL are found, attached or not', () => {
    const found = openings({
      Own: { Type: 'AWS::EC2::SecurityGroupIngress', Properties: { IpProtocol: '-1', CidrIp: '10.0.0.0/8' } },
      Single: { Type: 'AWS::EC2::SecurityGroup', Properties: { SecurityGroupIngress: { IpProtocol: '-1' } } },
      Entry: {
        Type: 'AWS::EC2::NetworkAclEntry',
        Properties: { Egress: false, RuleAction: 'allow', Protocol: -1 },
      },
      Out: { Type: 'AWS::EC2::NetworkAclEntry', Properties: { Egress: true, RuleAction: 'allow' } },
    });
    expect(found.map(({ resource }) => resource)).toEqual(['Own', 'Single', 'Entry']);
  });
});

const { membership, attach } = await deployedTemplates();
const times = (count: number, port: string) => Array.from({ length: count }, () => port);

describe('the system', () => {
  const resources = membership.Resources;

  test('opens nothing but HTTPS on the interface endpoints, to the worker and to the nodes', () => {
    const found = openings(resources);
    expect(found.filter((opening) => !isHttpsFromAGroup(opening))).toEqual([]);
    const targets = found.map(({ rule }) => JSON.stringify(rule['GroupId']).replace(/[0-9A-F]{8}"/, '"'));
    expect(targets.toSorted()).toEqual([
      '{"Fn::GetAtt":["MembershipEndpointsSecurityGroup","GroupId"]}',
      '{"Fn::GetAtt":["MembershipEndpointsSecurityGroup","GroupId"]}',
      '{"Fn::GetAtt":["MembershipSecretEndpointSecurityGroup","GroupId"]}',
      '{"Ref":"EndpointSecurityGroupId"}',
      '{"Ref":"SecondEndpointSecurityGroupId"}',
      '{"Ref":"ThirdEndpointSecurityGroupId"}',
    ]);
  });

  test('lets the worker out to endpoints, packages and domain controllers, by port', () => {
    const out = Object.values(resources)
      .filter(({ Type }) => Type === 'AWS::EC2::SecurityGroupEgress')
      .map(({ Properties }) => `${flat(Properties['IpProtocol'])}/${JSON.stringify(Properties['FromPort'])}`);
    // Endpoints: of the secret, that are made, in three groups, in another VPC. Controllers: four networks and one of IPv6.
    expect(out.toSorted()).toEqual([
      ...times(6, 'tcp/443'),
      ...times(5, 'tcp/53'),
      ...times(5, 'tcp/636'),
      ...times(5, 'udp/53'),
    ]);
    const everywhere = JSON.stringify(
      Object.values(resources).filter(({ Type }) => Type.includes('SecurityGroup')),
    );
    expect(everywhere).not.toMatch(/0\.0\.0\.0\/0|::\/0|"IpProtocol":"-1"/);
  });

  test('attaches existing groups without any security group', () => {
    expect(Object.values(attach.Resources).map(({ Type }) => Type)).toEqual([
      'AWS::AutoScaling::LifecycleHook',
      'AWS::AutoScaling::LifecycleHook',
    ]);
  });
});
