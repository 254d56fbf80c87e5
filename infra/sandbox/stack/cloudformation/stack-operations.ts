import {
  DeleteStack$,
  DescribeStackEvents$,
  DescribeStackResources$,
  DescribeStacks$,
  GetTemplate$,
  GetTemplateSummary$,
  ListStackResources$,
  ListStacks$,
  type DeleteStackCommandInput,
  type DescribeStackEventsCommandInput,
  type DescribeStackResourcesCommandInput,
  type DescribeStackResourcesOutput,
  type DescribeStacksCommandInput,
  type DescribeStacksOutput,
  type GetTemplateCommandInput,
  type GetTemplateOutput,
  type GetTemplateSummaryCommandInput,
  type GetTemplateSummaryOutput,
  type ListStackResourcesCommandInput,
  type ListStackResourcesOutput,
  type ListStacksCommandInput,
  type ListStacksOutput,
  type ParameterDeclaration,
  type ResourceIdentifierSummary,
  type Stack as StackShape,
} from '@aws-sdk/client-cloudformation';
import { ServiceFailure } from '../../cloud/failure.ts';
import { operationsOn } from '../../cloud/operations.ts';
import { page } from '../../cloud/pages.ts';
import type { Call, Operation } from '../../cloud/service.ts';
import type { ResourceTypes } from '../resource-type.ts';
import { parseTemplate, scalar, type ParameterDefinition, type Template } from '../template.ts';
import { capabilitiesOf } from './capabilities.ts';
import { orValidationError, toRead, type CloudFormationParts } from './parts.ts';
import { destroy } from './run.ts';
import { isBusy, type Stack, type StackEvent } from './stacks.ts';
import { templateOf } from './template-source.ts';

export function stackOperations(parts: CloudFormationParts): Operation[] {
  const on = operationsOn('cloudformation', parts);
  const named = (_: CloudFormationParts, { StackName }: { StackName?: string | undefined }) =>
    StackName === undefined ? [] : [{ arn: parts.stacks.arnOf(StackName) }];
  return [
    // Without a name, all stacks are asked for: who may see the list is who may see one that no policy names.
    on(DescribeStacks$, describeStacks, (_, { StackName = 'every-stack' }) => named(parts, { StackName })),
    on(DescribeStackEvents$, describeStackEvents, named),
    on(DescribeStackResources$, describeStackResources, named),
    on(ListStackResources$, listStackResources, named),
    on(ListStacks$, listStacks),
    on(GetTemplate$, getTemplate, named),
    on(GetTemplateSummary$, getTemplateSummary, (_, input) => [
      {
        action: 'cloudformation:GetTemplateSummary',
        // Of a template that no stack has yet, who may see it is who may see a stack that no policy names.
        resources: named(parts, { StackName: input.StackName ?? 'no-stack' }),
      },
      ...toRead(input),
    ]),
    on(DeleteStack$, deleteStack, named),
  ];
}

async function describeStacks(
  { stacks, engine, timers }: CloudFormationParts,
  { StackName }: DescribeStacksCommandInput,
  call: Call,
): Promise<DescribeStacksOutput> {
  if (StackName === undefined) return { Stacks: stacks.all().map(shapeOf) };
  const stack = stacks.get(StackName);
  if (isBusy(stack) && engine.describeWaitsMs !== undefined)
    await Promise.race([stack.going, timers.pause(engine.describeWaitsMs, call.signal)]);
  return { Stacks: [shapeOf(stack)] };
}

function shapeOf(stack: Stack): StackShape {
  return {
    StackId: stack.id,
    StackName: stack.name,
    Description: stack.now?.description === '' ? undefined : stack.now?.description,
    Parameters: [...stack.values].map(([ParameterKey, ParameterValue]) => ({ ParameterKey, ParameterValue })),
    CreationTime: stack.createdAt,
    LastUpdatedTime: stack.updatedAt,
    DeletionTime: stack.deletedAt,
    RollbackConfiguration: {},
    StackStatus: stack.status,
    StackStatusReason: stack.reason,
    DisableRollback: false,
    NotificationARNs: [],
    Capabilities: [...(stack.now?.capabilities ?? [])],
    Outputs: [...stack.outputs].map(([OutputKey, value]) => ({
      OutputKey,
      OutputValue: scalar(value, OutputKey),
    })),
    Tags: [...(stack.now?.tags ?? [])],
    EnableTerminationProtection: false,
    DriftInformation: { StackDriftStatus: 'NOT_CHECKED' },
  };
}

const pageSize = 100;

/** The newest first. */
function describeStackEvents(
  { stacks }: CloudFormationParts,
  { StackName, NextToken }: DescribeStackEventsCommandInput,
): { StackEvents: StackEvent[]; NextToken: string | undefined } {
  const events = stacks.get(StackName).events.toReversed();
  const place = new Map(events.map((event, index) => [event, String(index).padStart(6, '0')]));
  const { items, next } = page(
    events,
    (event) => place.get(event) ?? '',
    NextToken,
    pageSize,
    'ValidationError',
  );
  return { StackEvents: items, NextToken: next };
}

/** "Summary information for stacks that have been deleted is kept for 90 days", which no sandbox lives for. */
function listStacks(
  { stacks }: CloudFormationParts,
  { StackStatusFilter = [], NextToken }: ListStacksCommandInput,
): ListStacksOutput {
  const wanted = new Set<string>(StackStatusFilter);
  const all = stacks.ever();
  const place = new Map(all.map((stack, index) => [stack, String(index).padStart(6, '0')]));
  const { items, next } = page(
    all.filter(({ status }) => wanted.size === 0 || wanted.has(status)),
    (stack) => place.get(stack) ?? '',
    NextToken,
    pageSize,
    'ValidationError',
  );
  return {
    StackSummaries: items.map((stack) => {
      const { StackId, StackName, CreationTime, LastUpdatedTime, DeletionTime, StackStatus } = shapeOf(stack);
      return { StackId, StackName, CreationTime, LastUpdatedTime, DeletionTime, StackStatus };
    }),
    NextToken: next,
  };
}

/** "For deleted stacks, ListStackResources returns resource information for up to 90 days". */
function resourcesOf(stack: Stack) {
  const { status, resources, former } = stack;
  return (status === 'DELETE_COMPLETE' ? former : resources).map((resource) => ({
    resource,
    seen: stack.seen.get(resource.logicalId) ?? {
      status: 'CREATE_COMPLETE' as const,
      reason: undefined,
      changedAt: stack.createdAt,
    },
  }));
}

function describeStackResources(
  { stacks }: CloudFormationParts,
  { StackName, LogicalResourceId }: DescribeStackResourcesCommandInput,
): DescribeStackResourcesOutput {
  const stack = stacks.get(StackName);
  return {
    StackResources: resourcesOf(stack)
      .filter(({ resource }) => LogicalResourceId === undefined || resource.logicalId === LogicalResourceId)
      // "up to 100 resources": https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeStackResources.html
      .slice(0, pageSize)
      .map(({ resource, seen }) => ({
        StackName: stack.name,
        StackId: stack.id,
        LogicalResourceId: resource.logicalId,
        PhysicalResourceId: resource.ref,
        ResourceType: resource.type,
        Timestamp: seen.changedAt,
        ResourceStatus: seen.status,
        ResourceStatusReason: seen.reason,
      })),
  };
}

function listStackResources(
  { stacks }: CloudFormationParts,
  { StackName, NextToken }: ListStackResourcesCommandInput,
): ListStackResourcesOutput {
  const all = resourcesOf(stacks.get(StackName));
  const { items, next } = page(
    all,
    ({ resource }) => resource.logicalId,
    NextToken,
    pageSize,
    'ValidationError',
  );
  return {
    StackResourceSummaries: items.map(({ resource, seen }) => ({
      LogicalResourceId: resource.logicalId,
      PhysicalResourceId: resource.ref,
      ResourceType: resource.type,
      LastUpdatedTimestamp: seen.changedAt,
      ResourceStatus: seen.status,
      ResourceStatusReason: seen.reason,
    })),
    NextToken: next,
  };
}

function getTemplate(
  { stacks }: CloudFormationParts,
  { StackName, ChangeSetName }: GetTemplateCommandInput,
): GetTemplateOutput {
  const stack = stacks.get(StackName);
  const chosen = ChangeSetName === undefined ? stack.now : stack.changeSets.get(ChangeSetName)?.wanted;
  return { TemplateBody: chosen?.template, StagesAvailable: ['Original', 'Processed'] };
}

function getTemplateSummary(
  { stacks, buckets, engine }: CloudFormationParts,
  input: GetTemplateSummaryCommandInput,
  call: Call,
): GetTemplateSummaryOutput {
  const text =
    input.StackName === undefined
      ? templateOf(input, call.origin, buckets)
      : (stacks.get(input.StackName).now?.template ?? '{"Resources":{}}');
  const template = orValidationError(() => parseTemplate(text));
  const { capabilities, reason } = capabilitiesOf(template);
  const root: { Metadata?: unknown; AWSTemplateFormatVersion?: string } = JSON.parse(text);
  return {
    Parameters: [...template.parameters].map(([name, definition]) => declarationOf(name, definition)),
    Description: template.description === '' ? undefined : template.description,
    Capabilities: [...capabilities],
    CapabilitiesReason: reason,
    ResourceTypes: [...new Set([...template.resources.values()].map(({ type }) => type))],
    ResourceIdentifierSummaries: identifiersOf(template, engine.types),
    Version: root.AWSTemplateFormatVersion,
    Metadata: root.Metadata === undefined ? undefined : JSON.stringify(root.Metadata),
  };
}

/** "A list of resource identifier summaries that describe the target resources of an import operation". */
function identifiersOf(template: Template, types: ResourceTypes): ResourceIdentifierSummary[] {
  return [...Map.groupBy(template.resources, ([, { type }]) => type)].flatMap(
    ([ResourceType, resources]): ResourceIdentifierSummary[] => {
      const by = types[ResourceType]?.import?.by;
      if (by === undefined) return [];
      return [
        {
          ResourceType,
          LogicalResourceIds: resources.map(([logicalId]) => logicalId),
          ResourceIdentifiers: [by],
        },
      ];
    },
  );
}

function declarationOf(ParameterKey: string, definition: ParameterDefinition): ParameterDeclaration {
  return {
    ParameterKey,
    DefaultValue: definition.default,
    ParameterType: definition.type,
    NoEcho: definition.noEcho,
    Description: definition.description,
    ParameterConstraints: {
      ...(definition.allowedValues && { AllowedValues: [...definition.allowedValues] }),
    },
  };
}

function deleteStack(parts: CloudFormationParts, input: DeleteStackCommandInput, call: Call): void {
  const { StackName = '', RetainResources = [] } = input;
  const stack = parts.stacks.find(StackName);
  // "If you delete a stack that isn't there", nothing happens.
  if (stack === undefined || stack.status === 'DELETE_COMPLETE' || stack.status === 'DELETE_IN_PROGRESS')
    return;
  if (isBusy(stack))
    throw new ServiceFailure(
      'ValidationError',
      `Stack [${stack.name}] cannot be deleted while in status ${stack.status}`,
    );
  if (RetainResources.length > 0 && stack.status !== 'DELETE_FAILED')
    throw new ServiceFailure(
      'ValidationError',
      `Invalid operation on stack [${stack.id}]. When you delete a stack, specify which resources to retain only when the stack is in the DELETE_FAILED state.`,
    );
  destroy(parts, stack, call, RetainResources);
}
