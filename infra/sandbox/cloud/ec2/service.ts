import {
  CreateTags$,
  DescribeInstances$,
  DescribeTags$,
  errorTypeRegistries,
  TerminateInstances$,
  type CreateTagsCommandInput,
  type DescribeInstancesCommandInput,
  type DescribeInstancesResult,
  type DescribeTagsCommandInput,
  type DescribeTagsResult,
  type Filter,
  type Instance as InstanceShape,
  type TagDescription,
  type TerminateInstancesCommandInput,
  type TerminateInstancesResult,
} from '@aws-sdk/client-ec2';
import { ServiceFailure } from '../failure.ts';
import { operationsOn, operationTable } from '../operations.ts';
import { page } from '../pages.ts';
import { arn, type Place } from '../place.ts';
import type { Resource, Service } from '../service.ts';
import { stateCodes, type Instance, type Instances } from './instances.ts';

interface Ec2Parts {
  readonly place: Place;
  readonly instances: Instances;
}

export function ec2Service(parts: Ec2Parts): Service {
  const on = operationsOn('ec2', parts);
  return {
    name: 'ec2',
    protocol: 'ec2',
    selector: '2016-11-15',
    namespace: 'http://ec2.amazonaws.com/doc/2016-11-15/',
    errors: errorTypeRegistries,
    operations: operationTable([
      on(DescribeInstances$, describeInstances),
      on(TerminateInstances$, terminateInstances, (_, { InstanceIds = [] }) =>
        InstanceIds.map((id) => resource(parts, id)),
      ),
      on(CreateTags$, createTags, (_, { Resources = [] }) => Resources.map((id) => resource(parts, id))),
      on(DescribeTags$, describeTags),
    ]),
  };
}

/** An instance, as policies see it. */
function resource({ place, instances }: Ec2Parts, id: string): Resource {
  return {
    arn: arn(place, 'ec2', `instance/${id}`),
    tags: Object.fromEntries(instances.find(id)?.tags ?? []),
  };
}

function describeInstances(
  { place, instances }: Ec2Parts,
  input: DescribeInstancesCommandInput,
): DescribeInstancesResult {
  if (input.InstanceIds?.length && input.MaxResults !== undefined) {
    throw new ServiceFailure(
      'InvalidParameterCombination',
      'The parameter instancesSet cannot be used with the parameter maxResults',
    );
  }
  const wanted = input.InstanceIds?.length
    ? input.InstanceIds.map((id) => instances.get(id))
    : instances.all();
  const matching = wanted.filter((instance) =>
    (input.Filters ?? []).every((each) => matches(instance, each)),
  );
  const given = page(
    matching,
    (each) => each.id,
    input.NextToken,
    input.MaxResults ?? 1000,
    'InvalidNextToken',
  );
  return {
    Reservations: given.items.map((each) => ({
      ReservationId: each.id.replace('i-', 'r-'),
      OwnerId: place.accountId,
      Instances: [shape(place, each)],
    })),
    NextToken: given.next,
  };
}

function terminateInstances(
  { instances }: Ec2Parts,
  input: TerminateInstancesCommandInput,
): TerminateInstancesResult {
  const found = (input.InstanceIds ?? []).map((id) => instances.get(id));
  const before = found.map((each) => stateShape(each));
  for (const each of found)
    instances.terminate(each.id, 'Client.UserInitiatedShutdown: User initiated shutdown');
  return {
    TerminatingInstances: found.map((each, index) => ({
      InstanceId: each.id,
      CurrentState: stateShape(each),
      PreviousState: before[index],
    })),
  };
}

function createTags({ instances }: Ec2Parts, input: CreateTagsCommandInput): void {
  const found = (input.Resources ?? []).map((id) => instances.get(id));
  for (const { Key, Value } of input.Tags ?? []) {
    if (!Key || Key.startsWith('aws:')) {
      throw new ServiceFailure(
        'InvalidParameterValue',
        `Tag keys starting with 'aws:' are reserved for internal use`,
      );
    }
    for (const instance of found) instance.tags.set(Key, Value ?? '');
  }
}

function describeTags({ instances }: Ec2Parts, input: DescribeTagsCommandInput): DescribeTagsResult {
  const tags: TagDescription[] = instances.all().flatMap((instance) =>
    [...instance.tags].map(([Key, Value]) => ({
      Key,
      Value,
      ResourceId: instance.id,
      ResourceType: 'instance' as const,
    })),
  );
  const matching = tags.filter((tag) => (input.Filters ?? []).every((each) => tagMatches(tag, each)));
  const given = page(matching, tagKey, input.NextToken, input.MaxResults ?? 1000, 'InvalidNextToken');
  return { Tags: given.items, NextToken: given.next };
}

function shape(place: Place, instance: Instance): InstanceShape {
  const networked = instance.state !== 'terminated' ? instance.privateIpAddress : undefined;
  return {
    InstanceId: instance.id,
    ImageId: 'ami-0123456789abcdef0',
    InstanceType: 't3.micro',
    LaunchTime: instance.launchedAt,
    Placement: { AvailabilityZone: instance.zone, Tenancy: 'default' },
    PrivateIpAddress: networked,
    PrivateDnsName:
      networked === undefined ? '' : `ip-${networked.replaceAll('.', '-')}.${place.region}.compute.internal`,
    State: stateShape(instance),
    StateTransitionReason: instance.reason,
    Tags: [...instance.tags].map(([Key, Value]) => ({ Key, Value })),
  };
}

function stateShape(instance: Instance): { Code: number; Name: Instance['state'] } {
  return { Code: stateCodes[instance.state], Name: instance.state };
}

function matches(instance: Instance, filter: Filter): boolean {
  const name = filter.Name ?? '';
  const values = filter.Values ?? [];
  const any = (text: string | undefined) =>
    text !== undefined && values.some((each) => wildcard(each).test(text));
  if (name.startsWith('tag:')) return any(instance.tags.get(name.slice('tag:'.length)));
  switch (name) {
    case 'instance-id':
      return any(instance.id);
    case 'instance-state-name':
      return any(instance.state);
    case 'instance-state-code':
      return any(String(stateCodes[instance.state]));
    case 'private-ip-address':
    case 'network-interface.addresses.private-ip-address':
      return any(instance.privateIpAddress);
    case 'availability-zone':
      return any(instance.zone);
    case 'tag-key':
      return [...instance.tags.keys()].some(any);
    default:
      throw new ServiceFailure('InvalidParameterValue', `The filter '${name}' is invalid`);
  }
}

function tagKey(tag: TagDescription): string {
  return `${tag.ResourceId}/${tag.Key}`;
}

function tagMatches(tag: TagDescription, filter: Filter): boolean {
  const any = (text: string | undefined) =>
    (filter.Values ?? []).some((each) => wildcard(each).test(text ?? ''));
  switch (filter.Name) {
    case 'resource-id':
      return any(tag.ResourceId);
    case 'resource-type':
      return any(tag.ResourceType);
    case 'key':
      return any(tag.Key);
    case 'value':
      return any(tag.Value);
    case undefined:
    default:
      throw new ServiceFailure('InvalidParameterValue', `The filter '${filter.Name}' is invalid`);
  }
}

/** EC2's filter values know `*` and `?`. */
function wildcard(pattern: string): RegExp {
  const escaped = pattern.replaceAll(/[.+^${}()|[\]\\]/g, String.raw`\$&`);
  return new RegExp(`^${escaped.replaceAll('*', '.*').replaceAll('?', '.')}$`, 's');
}
