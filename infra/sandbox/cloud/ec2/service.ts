import {
  CreateTags$,
  DescribeInstances$,
  DescribeTags$,
  errorTypeRegistries,
  RebootInstances$,
  RunInstances$,
  StartInstances$,
  StopInstances$,
  TerminateInstances$,
  type CreateTagsCommandInput,
  type DescribeInstancesCommandInput,
  type DescribeInstancesResult,
  type DescribeTagsCommandInput,
  type DescribeTagsResult,
  type Filter,
  type Instance as InstanceShape,
  type RebootInstancesCommandInput,
  type Reservation,
  type RunInstancesCommandInput,
  type StartInstancesCommandInput,
  type StartInstancesResult,
  type StopInstancesCommandInput,
  type StopInstancesResult,
  type TagDescription,
  type TerminateInstancesCommandInput,
  type TerminateInstancesResult,
} from '@aws-sdk/client-ec2';
import { ServiceFailure } from '../failure.ts';
import { operationsOn, operationTable } from '../operations.ts';
import { page } from '../pages.ts';
import { arn, type Place } from '../place.ts';
import type { Requirement, Resource, Service } from '../service.ts';
import { enforce } from '../limits/limit.ts';
import * as limits from '../limits/ec2.ts';
import { wildcard } from './filters.ts';
import { networkOperations } from './network-operations.ts';
import type { Networks } from './networks.ts';
import { prefixListOperations } from './prefix-list-operations.ts';
import { stateCodes, type Instance, type Instances } from './instances.ts';

interface Ec2Parts {
  readonly place: Place;
  readonly instances: Instances;
  readonly networks: Networks;
}

export function ec2Service(parts: Ec2Parts): Service {
  const on = operationsOn('ec2', parts);
  const named = (_: Ec2Parts, { InstanceIds = [] }: { InstanceIds?: string[] | undefined }): Resource[] =>
    InstanceIds.map((id) => resource(parts, id));
  return {
    name: 'ec2',
    protocol: 'ec2',
    selector: '2016-11-15',
    namespace: 'http://ec2.amazonaws.com/doc/2016-11-15/',
    errors: errorTypeRegistries,
    operations: operationTable([
      ...prefixListOperations(parts),
      ...networkOperations(parts),
      on(DescribeInstances$, describeInstances),
      on(RunInstances$, runInstances, (_, input) => requiredToRun(parts, input)),
      on(StopInstances$, stopInstances, named),
      on(StartInstances$, startInstances, named),
      on(RebootInstances$, rebootInstances, named),
      on(TerminateInstances$, terminateInstances, named),
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

/** Of the instances alone: images, networks and volumes are not emulated. Tags at the launch are asked for as tags. */
function requiredToRun(
  { place }: Ec2Parts,
  { TagSpecifications = [] }: RunInstancesCommandInput,
): Requirement[] {
  // One that is not there yet has no ID; IAM sees one all the same.
  const resources = [{ arn: arn(place, 'ec2', 'instance/i-00000000000000000') }];
  const run = { action: 'ec2:RunInstances', resources };
  if (TagSpecifications.length === 0) return [run];
  return [run, { action: 'ec2:CreateTags', resources, context: { 'ec2:CreateAction': 'RunInstances' } }];
}

function tagsAtLaunch({ TagSpecifications = [] }: RunInstancesCommandInput): Map<string, string> {
  const tags = new Map<string, string>();
  for (const { ResourceType, Tags = [] } of TagSpecifications) {
    if (ResourceType !== 'instance') continue;
    for (const { Key = '', Value = '' } of Tags) {
      enforce(limits.tagKey, Key);
      enforce(limits.tagValue, Value);
      tags.set(Key, Value);
    }
  }
  enforce(limits.tags, tags.size);
  return tags;
}

/** Instances of no group. */
function runInstances({ place, instances }: Ec2Parts, input: RunInstancesCommandInput): Reservation {
  const { MinCount = 0, MaxCount = 0 } = input;
  if (MinCount < 1 || MaxCount < MinCount) {
    throw new ServiceFailure(
      'InvalidParameterValue',
      `Value (${MinCount}) for parameter minCount is invalid. Expected a positive integer, at most maxCount (${MaxCount}).`,
    );
  }
  if (input.ImageId === undefined && input.LaunchTemplate === undefined)
    throw new ServiceFailure('MissingParameter', 'The request must contain the parameter ImageId');
  const tags = tagsAtLaunch(input);
  const zone = input.Placement?.AvailabilityZone ?? `${place.region}a`;
  const launched = Array.from({ length: MaxCount }, () => instances.launch(tags, zone));
  return {
    ReservationId: launched[0]?.id.replace('i-', 'r-'),
    OwnerId: place.accountId,
    Instances: launched.map((each) => shape(place, each)),
  };
}

/** What a call makes of instances that it names: all of them are there, or nothing happens. */
function changed(
  instances: Instances,
  ids: readonly string[] = [],
  change: (id: string) => Instance,
): { InstanceId: string; CurrentState: StateShape; PreviousState: StateShape }[] {
  const before = ids.map((id) => stateShape(instances.get(id)));
  return before.map((PreviousState, index) => {
    const each = change(ids[index] ?? '');
    return { InstanceId: each.id, CurrentState: stateShape(each), PreviousState };
  });
}

function stopInstances({ instances }: Ec2Parts, input: StopInstancesCommandInput): StopInstancesResult {
  return { StoppingInstances: changed(instances, input.InstanceIds, (id) => instances.stop(id)) };
}

function startInstances({ instances }: Ec2Parts, input: StartInstancesCommandInput): StartInstancesResult {
  return { StartingInstances: changed(instances, input.InstanceIds, (id) => instances.startAgain(id)) };
}

function rebootInstances({ instances }: Ec2Parts, { InstanceIds = [] }: RebootInstancesCommandInput): void {
  for (const { id } of InstanceIds.map((each) => instances.get(each))) instances.reboot(id);
}

function terminateInstances(
  { instances }: Ec2Parts,
  input: TerminateInstancesCommandInput,
): TerminateInstancesResult {
  return {
    TerminatingInstances: changed(instances, input.InstanceIds, (id) =>
      instances.terminate(id, 'Client.UserInitiatedShutdown: User initiated shutdown'),
    ),
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

interface StateShape {
  readonly Code: number;
  readonly Name: Instance['state'];
}

function stateShape(instance: Instance): StateShape {
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
