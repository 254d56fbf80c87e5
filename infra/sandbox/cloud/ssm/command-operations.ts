import {
  CancelCommand$,
  GetCommandInvocation$,
  ListCommandInvocations$,
  ListCommands$,
  SendCommand$,
  type CancelCommandCommandInput,
  type CommandFilter,
  type GetCommandInvocationCommandInput,
  type GetCommandInvocationResult,
  type ListCommandInvocationsCommandInput,
  type ListCommandInvocationsResult,
  type ListCommandsCommandInput,
  type ListCommandsResult,
  type SendCommandCommandInput,
  type SendCommandResult,
} from '@aws-sdk/client-ssm';
import type { Instances } from '../ec2/instances.ts';
import { ServiceFailure } from '../failure.ts';
import { enforce } from '../limits/limit.ts';
import { commandFilters, commandPage, documentBytes, filterTime, invocationStatuses } from '../limits/ssm.ts';
import { operationsOn } from '../operations.ts';
import { page } from '../pages.ts';
import type { Place } from '../place.ts';
import type { Operation, Requirement } from '../service.ts';
import { commandShape, invocationShape, pluginStatus, stepDetails } from './command-shapes.ts';
import { commandStatus, type Command, type Commands, type Invocation } from './commands.ts';
import { checkParameters, platformTypes } from './document.ts';
import type { Documents } from './documents.ts';
import type { Nodes } from './nodes.ts';
import { pageSize } from './page-size.ts';
import { documentResource, onInstance } from './resources.ts';

/** SendCommand's bounds. */
const mostInstanceIds = 50;
const longestComment = 100;
const deliverySeconds = { least: 30, most: 2_592_000, otherwise: 3600 } as const;

interface CommandParts {
  readonly place: Place;
  readonly documents: Documents;
  readonly nodes: Nodes;
  readonly commands: Commands;
  readonly instances: Instances;
}

export function commandOperations(parts: CommandParts): Operation[] {
  const on = operationsOn('ssm', parts);
  return [
    on(SendCommand$, sendCommand, ofSend),
    on(CancelCommand$, cancelCommand),
    on(ListCommands$, listCommands),
    on(ListCommandInvocations$, listInvocations),
    on(GetCommandInvocation$, getInvocation),
  ];
}

function ofSend(parts: CommandParts, input: SendCommandCommandInput): Requirement[] {
  return [
    { action: 'ssm:SendCommand', resources: [documentResource(parts, input.DocumentName)] },
    ...(input.InstanceIds ?? []).map((id) => onInstance(parts, 'ssm:SendCommand', id)),
  ];
}

function sendCommand(parts: CommandParts, input: SendCommandCommandInput): SendCommandResult {
  const { documents, commands } = parts;
  const stored = documents.get(input.DocumentName);
  if (stored.type !== 'Command') {
    throw new ServiceFailure('InvalidDocument', `Document type ${stored.type} can't be run as a command.`);
  }
  const version = documents.version(stored, input.DocumentVersion);
  if (input.DocumentHash !== undefined && input.DocumentHash !== version.hash) {
    throw new ServiceFailure(
      'InvalidDocument',
      'The document hash and the specified document hash do not match.',
    );
  }
  const comment = input.Comment ?? '';
  if (comment.length > longestComment) {
    throw tooLong(comment, 'comment', `length less than or equal to ${longestComment}`);
  }
  const timeoutSeconds = input.TimeoutSeconds ?? deliverySeconds.otherwise;
  if (timeoutSeconds < deliverySeconds.least || timeoutSeconds > deliverySeconds.most) {
    throw tooLong(
      String(timeoutSeconds),
      'timeoutSeconds',
      `value between ${deliverySeconds.least} and ${deliverySeconds.most}`,
    );
  }
  enforce(
    documentBytes,
    version.content +
      Object.values(input.Parameters ?? {})
        .flat()
        .join(''),
  );
  const ids = targetedIds(parts, input);
  const suited = platformTypes(version.document);
  const unsuited = ids.filter((id) => {
    const platform = parts.nodes.registered(id)?.instance.platform.type;
    return platform !== undefined && !suited.includes(platform);
  });
  if (unsuited.length > 0) {
    throw new ServiceFailure(
      'UnsupportedPlatformType',
      `The document ${stored.name} does not support the platform of ${unsuited.join(', ')}.`,
    );
  }
  const command = commands.send({
    documentName: stored.name,
    version,
    requestedVersion: input.DocumentVersion ?? '',
    parameters: checkParameters(version.document, input.Parameters ?? {}),
    comment,
    instanceIds: ids,
    targets: input.Targets ?? [],
    timeoutSeconds,
    maxErrors: maxErrorsOf(input.MaxErrors),
  });
  return { Command: commandShape(command) };
}

/** The pattern is that of the API reference of SendCommand, and so is the default. */
function maxErrorsOf(given = '0'): string {
  if (/^([1-9][0-9]*|[0]|[1-9][0-9]%|[0-9]%|100%)$/.test(given)) return given;
  throw tooLong(
    given,
    'maxErrors',
    'regular expression pattern: ^([1-9][0-9]*|[0]|[1-9][0-9]%|[0-9]%|100%)$',
  );
}

function targetedIds({ place, nodes, instances }: CommandParts, input: SendCommandCommandInput): string[] {
  const named = input.InstanceIds ?? [];
  if (named.length > mostInstanceIds) {
    throw tooLong(`[${named.join(', ')}]`, 'instanceIds', `length less than or equal to ${mostInstanceIds}`);
  }
  const targets = input.Targets ?? [];
  if (named.length === 0 && targets.length === 0) {
    throw new ServiceFailure('InvalidParameters', 'You must specify InstanceIds or Targets.');
  }
  const matched = targets.map(({ Key, Values }) => {
    const values = Values ?? [];
    if (Key === 'InstanceIds') return values;
    const tag = Key?.startsWith('tag:') ? Key.slice('tag:'.length) : undefined;
    if (tag === undefined) throw new ServiceFailure('InvalidTarget', `The target key ${Key} is not valid.`);
    const fitting = instances.all().filter((each) => values.includes(each.tags.get(tag) ?? ''));
    return fitting.map((each) => each.id).filter((id) => nodes.registered(id));
  });
  const [first = [], ...others] = matched;
  const common = first.filter((id) => others.every((ids) => ids.includes(id)));
  const ids = [...new Set([...named, ...common])];
  const unknown = ids.filter((id) => !nodes.registered(id));
  if (unknown.length > 0) {
    throw new ServiceFailure(
      'InvalidInstanceId',
      `Instances [[${unknown.join(', ')}]] not in a valid state for account ${place.accountId}`,
    );
  }
  return ids;
}

function cancelCommand({ commands }: CommandParts, input: CancelCommandCommandInput): object {
  commands.cancel(existing(commands, input.CommandId), input.InstanceIds ?? []);
  return {};
}

/** @throws ServiceFailure for what no listing of commands takes */
function checkListing({
  Filters,
  MaxResults,
}: Pick<ListCommandsCommandInput, 'Filters' | 'MaxResults'>): void {
  if (Filters !== undefined) enforce(commandFilters, Filters.length);
  if (MaxResults !== undefined) enforce(commandPage, MaxResults);
  for (const { key, value = '' } of Filters ?? []) {
    if (key === 'InvokedAfter' || key === 'InvokedBefore') enforce(filterTime, value);
  }
}

function listCommands({ commands }: CommandParts, input: ListCommandsCommandInput): ListCommandsResult {
  checkListing(input);
  const wanted = commands
    .all()
    .filter((each) => input.CommandId === undefined || each.id === input.CommandId)
    .filter((each) => input.InstanceId === undefined || each.instanceIds.includes(input.InstanceId))
    .filter((each) =>
      (input.Filters ?? []).every((filter) =>
        passes(filter, each.requestedAt, commandStatus(each).status, each.documentName),
      ),
    );
  const key = (each: Command) => newestFirst(each.requestedAt, each.id);
  const given = page(wanted, key, input.NextToken, pageSize(input.MaxResults), 'InvalidNextToken');
  return { Commands: given.items.map(commandShape), NextToken: given.next };
}

function listInvocations(
  { commands }: CommandParts,
  input: ListCommandInvocationsCommandInput,
): ListCommandInvocationsResult {
  checkListing(input);
  for (const { key, value = '' } of input.Filters ?? []) {
    if (key === 'ExecutionStage') {
      throw new ServiceFailure('InvalidFilterKey', 'ExecutionStage is for ListCommands only.');
    }
    if (key === 'Status' && !invocationStatuses.has(value)) {
      throw new ServiceFailure('ValidationException', `Value '${value}' is no status of an invocation.`);
    }
  }
  if (input.CommandId !== undefined) existing(commands, input.CommandId);
  const wanted = commands
    .all()
    .filter((each) => input.CommandId === undefined || each.id === input.CommandId)
    .flatMap((each) => [...each.invocations.values()])
    .filter((each) => commands.visible(each))
    .filter((each) => input.InstanceId === undefined || each.instanceId === input.InstanceId)
    .filter((each) =>
      (input.Filters ?? []).every((filter) =>
        passes(filter, each.requestedAt, each.status, each.command.documentName),
      ),
    );
  const key = (each: Invocation) => newestFirst(each.requestedAt, `${each.command.id}/${each.instanceId}`);
  const given = page(wanted, key, input.NextToken, pageSize(input.MaxResults), 'InvalidNextToken');
  return {
    CommandInvocations: given.items.map((each) => invocationShape(each, input.Details ?? false)),
    NextToken: given.next,
  };
}

function getInvocation(
  { commands }: CommandParts,
  input: GetCommandInvocationCommandInput,
): GetCommandInvocationResult {
  const invocation = existing(commands, input.CommandId).invocations.get(input.InstanceId ?? '');
  if (!invocation || !commands.visible(invocation)) throw new ServiceFailure('InvocationDoesNotExist', '');
  const { command } = invocation;
  const names = command.version.document.mainSteps.map((step) => step.name ?? '');
  if (input.PluginName === undefined && names.length > 1) {
    throw new ServiceFailure('InvalidPluginName', 'The document has several steps; name one.');
  }
  const name = input.PluginName ?? names[0];
  if (name === undefined || !names.includes(name))
    throw new ServiceFailure('InvalidPluginName', `There is no step ${name}.`);
  const step = invocation.steps.find((each) => each.name === name);
  const [startedAt, finishedAt] = [step?.startedAt ?? invocation.startedAt, step?.finishedAt];
  return {
    CommandId: command.id,
    InstanceId: invocation.instanceId,
    Comment: command.comment,
    DocumentName: command.documentName,
    DocumentVersion: command.requestedVersion,
    PluginName: name,
    ResponseCode: step?.code ?? -1,
    ExecutionStartDateTime: startedAt?.toISOString() ?? '',
    ExecutionEndDateTime: finishedAt?.toISOString() ?? '',
    ExecutionElapsedTime:
      startedAt && finishedAt ? `PT${(finishedAt.getTime() - startedAt.getTime()) / 1000}S` : '',
    Status: step ? pluginStatus(step.status) : invocation.status,
    StatusDetails: step ? stepDetails(step.status) : invocation.statusDetails,
    StandardOutputContent: step?.standardOutput ?? '',
    StandardOutputUrl: '',
    StandardErrorContent: step?.standardError ?? '',
    StandardErrorUrl: '',
    CloudWatchOutputConfig: { CloudWatchLogGroupName: '', CloudWatchOutputEnabled: false },
  };
}

function existing(commands: Commands, id: string | undefined): Command {
  const command = commands.get(id ?? '');
  if (command) return command;
  throw new ServiceFailure('InvalidCommandId', '');
}

function passes(filter: CommandFilter, requestedAt: Date, status: string, documentName: string): boolean {
  const value = filter.value ?? '';
  switch (filter.key) {
    // The reference does not say whether the very moment counts; a caller must not rely on either.
    case 'InvokedAfter':
      return requestedAt.getTime() > Date.parse(value);
    case 'InvokedBefore':
      return requestedAt.getTime() < Date.parse(value);
    case 'Status':
      return status === value;
    case 'DocumentName':
      return documentName === value;
    case 'ExecutionStage':
      return value === (['Pending', 'InProgress', 'Cancelling'].includes(status) ? 'Executing' : 'Complete');
    case undefined:
    default:
      throw new ServiceFailure('InvalidFilterKey', `The filter key ${filter.key} is not valid.`);
  }
}

function newestFirst(at: Date, id: string): string {
  return `${String(1e15 - at.getTime())}/${id}`;
}

function tooLong(value: string, name: string, constraint: string): ServiceFailure {
  return new ServiceFailure(
    'ValidationException',
    `1 validation error detected: Value '${value}' at '${name}' failed to satisfy constraint: Member must have ${constraint}`,
  );
}
