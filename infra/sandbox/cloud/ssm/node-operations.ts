import {
  DescribeInstanceInformation$,
  type DescribeInstanceInformationCommandInput,
  type DescribeInstanceInformationResult,
} from '@aws-sdk/client-ssm';
import type { Instances } from '../ec2/instances.ts';
import { ServiceFailure } from '../failure.ts';
import { operationsOn } from '../operations.ts';
import { page } from '../pages.ts';
import type { Operation } from '../service.ts';
import type { ManagedNode, Nodes } from './nodes.ts';
import { pageSize } from './page-size.ts';

interface NodeParts {
  readonly nodes: Nodes;
  readonly instances: Instances;
}

export function nodeOperations(parts: NodeParts): Operation[] {
  const on = operationsOn('ssm', parts);
  return [on(DescribeInstanceInformation$, describeNodes)];
}

function describeNodes(
  { nodes, instances }: NodeParts,
  input: DescribeInstanceInformationCommandInput,
): DescribeInstanceInformationResult {
  const filters = [
    ...(input.Filters ?? []).map(({ Key, Values }) => ({ key: Key, values: Values ?? [] })),
    ...(input.InstanceInformationFilterList ?? []).map(({ key, valueSet }) => ({
      key,
      values: valueSet ?? [],
    })),
  ];
  const wanted = nodes
    .listed((id) => instances.find(id) !== undefined)
    .filter((node) => filters.every((filter) => matches(nodes, node, filter)));
  const given = page(
    wanted,
    (each) => each.instance.id,
    input.NextToken,
    pageSize(input.MaxResults),
    'InvalidNextToken',
  );
  return {
    InstanceInformationList: given.items.map((node) => ({
      InstanceId: node.instance.id,
      PingStatus: nodes.pingStatus(node),
      LastPingDateTime: new Date(nodes.lastPingAt(node)),
      AgentVersion: '3.3.0.0',
      IsLatestVersion: false,
      PlatformType: node.instance.platform.type,
      PlatformName: node.instance.platform.name,
      PlatformVersion: node.instance.platform.version,
      ResourceType: 'EC2Instance',
      IPAddress: node.instance.privateIpAddress,
      ComputerName: node.instance.hostName,
    })),
    NextToken: given.next,
  };
}

function matches(
  nodes: Nodes,
  node: ManagedNode,
  filter: { key: string | undefined; values: string[] },
): boolean {
  if (filter.key === 'InstanceIds') return filter.values.includes(node.instance.id);
  if (filter.key === 'PingStatus') return filter.values.includes(nodes.pingStatus(node));
  if (filter.key === 'PlatformTypes') return filter.values.includes(node.instance.platform.type);
  if (filter.key === 'ResourceType') return filter.values.includes('EC2Instance');
  if (filter.key?.startsWith('tag:')) {
    return filter.values.includes(node.instance.tags.get(filter.key.slice('tag:'.length)) ?? '');
  }
  throw new ServiceFailure('InvalidFilterKey', `The filter key ${filter.key} is not valid.`);
}
