import {
  CancelCommand$,
  CreateDocument$,
  DeleteDocument$,
  DescribeDocument$,
  DescribeInstanceInformation$,
  errorTypeRegistries,
  GetCommandInvocation$,
  GetDocument$,
  ListCommandInvocations$,
  ListCommands$,
  ListDocuments$,
  SendCommand$,
  StartSession$,
  TerminateSession$,
  UpdateDocument$,
  UpdateDocumentDefaultVersion$,
  type CancelCommandCommandInput,
  type Command as CommandShape,
  type CommandFilter,
  type CommandInvocation,
  type CreateDocumentCommandInput,
  type CreateDocumentResult,
  type DescribeDocumentCommandInput,
  type DescribeDocumentResult,
  type DescribeInstanceInformationCommandInput,
  type DescribeInstanceInformationResult,
  type DocumentDescription,
  type GetCommandInvocationCommandInput,
  type GetCommandInvocationResult,
  type GetDocumentCommandInput,
  type GetDocumentResult,
  type ListCommandInvocationsCommandInput,
  type ListCommandInvocationsResult,
  type ListCommandsCommandInput,
  type ListCommandsResult,
  type ListDocumentsCommandInput,
  type ListDocumentsResult,
  type SendCommandCommandInput,
  type SendCommandResult,
  type StartSessionCommandInput,
  type StartSessionResponse,
  type TerminateSessionCommandInput,
  type TerminateSessionResponse,
  type UpdateDocumentCommandInput,
  type UpdateDocumentDefaultVersionCommandInput,
  type UpdateDocumentDefaultVersionResult,
  type UpdateDocumentResult,
} from '@aws-sdk/client-ssm';
import type { Instances } from '../ec2/instances.ts';
import { ServiceFailure } from '../failure.ts';
import { page } from '../pages.ts';
import { arn, type Place } from '../place.ts';
import {
  operation,
  operationTable,
  type Call,
  type Requirement,
  type Resource,
  type Service,
} from '../service.ts';
import { commandStatus, type Command, type Commands, type Invocation } from './commands.ts';
import { checkParameters, defaultOf, type DocumentType } from './document.ts';
import type { Documents, DocumentVersion, StoredDocument } from './documents.ts';
import type { ManagedNode, Nodes } from './nodes.ts';
import type { Sessions } from './sessions.ts';

/** SendCommand's bounds. */
const mostInstanceIds = 50;
const longestComment = 100;
const deliverySeconds = { least: 30, most: 2_592_000, otherwise: 3600 } as const;
/** Every list of SSM gives out at most 50 at a time. */
const mostOnPage = 50;

export interface SsmParts {
  place: Place;
  documents: Documents;
  nodes: Nodes;
  commands: Commands;
  instances: Instances;
  sessions: Sessions;
}

export function ssmService({ place, documents, nodes, commands, instances, sessions }: SsmParts): Service {
  const createDocument = (input: CreateDocumentCommandInput): CreateDocumentResult => {
    requireJson(input.DocumentFormat);
    const type = documentType(input.DocumentType);
    const stored = documents.create(input.Name ?? '', input.Content ?? '', input.VersionName, type);
    return { DocumentDescription: description(stored, documents.version(stored, '1')) };
  };

  const updateDocument = (input: UpdateDocumentCommandInput): UpdateDocumentResult => {
    requireJson(input.DocumentFormat);
    const stored = documents.get(input.Name);
    const latest = documents.version(stored, '$LATEST');
    if (documents.version(stored, input.DocumentVersion ?? '$LATEST').version !== latest.version) {
      throw new ServiceFailure(
        'InvalidDocumentVersion',
        'Only the latest version of a document can be updated.',
      );
    }
    return {
      DocumentDescription: description(
        stored,
        documents.update(stored, input.Content ?? '', input.VersionName),
      ),
    };
  };

  const updateDefault = (
    input: UpdateDocumentDefaultVersionCommandInput,
  ): UpdateDocumentDefaultVersionResult => {
    const stored = documents.get(input.Name);
    stored.defaultVersion = documents.version(stored, input.DocumentVersion).version;
    return { Description: { Name: stored.name, DefaultVersion: stored.defaultVersion } };
  };

  const describeDocument = (input: DescribeDocumentCommandInput): DescribeDocumentResult => {
    const stored = documents.get(input.Name);
    return { Document: description(stored, documents.version(stored, input.DocumentVersion)) };
  };

  const getDocument = (input: GetDocumentCommandInput): GetDocumentResult => {
    const stored = documents.get(input.Name);
    const version = documents.version(stored, input.DocumentVersion);
    return {
      Name: stored.name,
      DocumentVersion: version.version,
      VersionName: version.versionName,
      Status: 'Active',
      Content: version.content,
      DocumentType: stored.type,
      DocumentFormat: 'JSON',
      CreatedDate: version.createdAt,
    };
  };

  const listDocuments = (input: ListDocumentsCommandInput): ListDocumentsResult => {
    const wanted = documents.all().filter((stored) =>
      (input.Filters ?? []).every(({ Key, Values }) => {
        if (Key === 'Name') return (Values ?? []).some((each) => stored.name.startsWith(each));
        if (Key !== 'Owner') return true;
        const owner = stored.owner === 'Amazon' ? 'Amazon' : 'Self';
        return (Values ?? []).some((each) => each === owner || each === 'All');
      }),
    );
    const given = page(
      wanted,
      (each) => each.name,
      input.NextToken,
      input.MaxResults ?? 10,
      'InvalidNextToken',
    );
    return {
      DocumentIdentifiers: given.items.map((each) => ({
        Name: each.name,
        Owner: each.owner,
        CreatedDate: each.versions[0]?.createdAt,
        DocumentVersion: each.defaultVersion,
        DocumentType: each.type,
        SchemaVersion: each.versions[0]?.document.schemaVersion,
        DocumentFormat: 'JSON',
        PlatformTypes: ['Linux'],
      })),
      NextToken: given.next,
    };
  };

  const deleteDocument = (input: { Name?: string | undefined }): object => {
    documents.delete(documents.get(input.Name));
    return {};
  };

  const sendCommand = (input: SendCommandCommandInput): SendCommandResult => {
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
    const ids = targetedIds(input);
    const command = commands.send({
      documentName: stored.name,
      version,
      requestedVersion: input.DocumentVersion ?? '',
      parameters: checkParameters(version.document, input.Parameters ?? {}),
      comment,
      instanceIds: ids,
      targets: input.Targets ?? [],
      timeoutSeconds,
    });
    return { Command: commandShape(command) };
  };

  const targetedIds = (input: SendCommandCommandInput): string[] => {
    const named = input.InstanceIds ?? [];
    if (named.length > mostInstanceIds) {
      throw tooLong(
        `[${named.join(', ')}]`,
        'instanceIds',
        `length less than or equal to ${mostInstanceIds}`,
      );
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
  };

  const cancelCommand = (input: CancelCommandCommandInput): object => {
    commands.cancel(existing(input.CommandId), input.InstanceIds ?? []);
    return {};
  };

  const listCommands = (input: ListCommandsCommandInput): ListCommandsResult => {
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
    const given = page(wanted, key, input.NextToken, size(input.MaxResults), 'InvalidNextToken');
    return { Commands: given.items.map(commandShape), NextToken: given.next };
  };

  const listInvocations = (input: ListCommandInvocationsCommandInput): ListCommandInvocationsResult => {
    if (input.CommandId !== undefined) existing(input.CommandId);
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
    const given = page(wanted, key, input.NextToken, size(input.MaxResults), 'InvalidNextToken');
    return {
      CommandInvocations: given.items.map((each) => invocationShape(each, input.Details ?? false)),
      NextToken: given.next,
    };
  };

  const getInvocation = (input: GetCommandInvocationCommandInput): GetCommandInvocationResult => {
    const invocation = existing(input.CommandId).invocations.get(input.InstanceId ?? '');
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
  };

  const startSession = (input: StartSessionCommandInput, call: Call): StartSessionResponse => {
    const id = input.Target ?? '';
    if (!nodes.registered(id)) throw new ServiceFailure('TargetNotConnected', `${id} is not connected.`);
    const session = sessions.start(call.principal);
    const streamUrl = `wss://ssmmessages.${place.region}.amazonaws.com/v1/data-channel/${session.id}?role=publish_subscribe`;
    return { SessionId: session.id, StreamUrl: streamUrl, TokenValue: session.token };
  };

  const terminateSession = (input: TerminateSessionCommandInput): TerminateSessionResponse => {
    if (!sessions.end(input.SessionId ?? '')) throw new ServiceFailure('DoesNotExistException', '');
    return { SessionId: input.SessionId };
  };

  const describeNodes = (
    input: DescribeInstanceInformationCommandInput,
  ): DescribeInstanceInformationResult => {
    const filters = [
      ...(input.Filters ?? []).map(({ Key, Values }) => ({ key: Key, values: Values ?? [] })),
      ...(input.InstanceInformationFilterList ?? []).map(({ key, valueSet }) => ({
        key,
        values: valueSet ?? [],
      })),
    ];
    const wanted = nodes
      .listed((id) => instances.find(id) !== undefined)
      .filter((node) => filters.every((filter) => nodeMatches(node, filter)));
    const given = page(
      wanted,
      (each) => each.instance.id,
      input.NextToken,
      size(input.MaxResults),
      'InvalidNextToken',
    );
    return {
      InstanceInformationList: given.items.map((node) => ({
        InstanceId: node.instance.id,
        PingStatus: nodes.pingStatus(node),
        LastPingDateTime: new Date(nodes.lastPingAt(node)),
        AgentVersion: '3.3.0.0',
        IsLatestVersion: false,
        PlatformType: 'Linux',
        PlatformName: 'Debian GNU/Linux',
        PlatformVersion: '12',
        ResourceType: 'EC2Instance',
        IPAddress: node.instance.privateIpAddress,
        ComputerName: node.instance.hostName,
      })),
      NextToken: given.next,
    };
  };

  const nodeMatches = (node: ManagedNode, filter: { key: string | undefined; values: string[] }): boolean => {
    if (filter.key === 'InstanceIds') return filter.values.includes(node.instance.id);
    if (filter.key === 'PingStatus') return filter.values.includes(nodes.pingStatus(node));
    if (filter.key === 'PlatformTypes') return filter.values.includes('Linux');
    if (filter.key === 'ResourceType') return filter.values.includes('EC2Instance');
    if (filter.key?.startsWith('tag:')) {
      return filter.values.includes(node.instance.tags.get(filter.key.slice('tag:'.length)) ?? '');
    }
    throw new ServiceFailure('InvalidFilterKey', `The filter key ${filter.key} is not valid.`);
  };

  const existing = (id: string | undefined): Command => {
    const command = commands.get(id ?? '');
    if (command) return command;
    throw new ServiceFailure('InvalidCommandId', '');
  };

  const documentResource = (name: string | undefined): Resource => {
    const owned = documents.all().find((each) => each.name === name)?.owner !== 'Amazon';
    const path = `document/${name ?? ''}`;
    return { arn: owned ? arn(place, 'ssm', path) : `arn:aws:ssm:${place.region}::${path}` };
  };
  const ofDocument = (input: { Name?: string | undefined }): Resource[] => [documentResource(input.Name)];
  const instanceResource = (id: string): Resource => ({
    arn: arn(place, 'ec2', `instance/${id}`),
    tags: Object.fromEntries(instances.find(id)?.tags ?? []),
  });
  /** A target's tags are condition keys of Systems Manager as well. */
  const onInstance = (action: string, id: string): Requirement => {
    const target = instanceResource(id);
    const tags = Object.entries(target.tags ?? {}).map(([key, value]) => [`ssm:resourceTag/${key}`, value]);
    return { action, resources: [target], context: Object.fromEntries(tags) };
  };
  const ofSend = (input: SendCommandCommandInput): Requirement[] => [
    { action: 'ssm:SendCommand', resources: [documentResource(input.DocumentName)] },
    ...(input.InstanceIds ?? []).map((id) => onInstance('ssm:SendCommand', id)),
  ];
  const ofSession = (input: StartSessionCommandInput): Requirement[] => {
    const named = input.DocumentName;
    return [
      onInstance('ssm:StartSession', input.Target ?? ''),
      {
        action: 'ssm:StartSession',
        resources: [documentResource(named ?? 'SSM-SessionManagerRunShell')],
        context: { 'ssm:SessionDocumentAccessCheck': String(named !== undefined) },
      },
    ];
  };
  const ofTermination = (input: TerminateSessionCommandInput): Requirement[] => {
    const owner = sessions.find(input.SessionId ?? '')?.owner;
    return [
      {
        action: 'ssm:TerminateSession',
        resources: [{ arn: arn(place, 'ssm', `session/${input.SessionId ?? ''}`) }],
        context: owner === undefined ? {} : { 'ssm:resourceTag/aws:ssmmessages:session-id': owner },
      },
    ];
  };

  return {
    name: 'ssm',
    protocol: 'json1.1',
    selector: 'AmazonSSM',
    errors: errorTypeRegistries,
    operations: operationTable([
      operation('ssm', CreateDocument$, createDocument, ofDocument),
      operation('ssm', UpdateDocument$, updateDocument, ofDocument),
      operation('ssm', UpdateDocumentDefaultVersion$, updateDefault, ofDocument),
      operation('ssm', DescribeDocument$, describeDocument, ofDocument),
      operation('ssm', GetDocument$, getDocument, ofDocument),
      operation('ssm', DeleteDocument$, deleteDocument, ofDocument),
      operation('ssm', ListDocuments$, listDocuments),
      operation('ssm', SendCommand$, sendCommand, ofSend),
      operation('ssm', StartSession$, startSession, ofSession),
      operation('ssm', TerminateSession$, terminateSession, ofTermination),
      operation('ssm', CancelCommand$, cancelCommand),
      operation('ssm', ListCommands$, listCommands),
      operation('ssm', ListCommandInvocations$, listInvocations),
      operation('ssm', GetCommandInvocation$, getInvocation),
      operation('ssm', DescribeInstanceInformation$, describeNodes),
    ]),
  };
}

function requireJson(format: string | undefined): void {
  if ((format ?? 'JSON') !== 'JSON') {
    throw new ServiceFailure('InvalidDocumentContent', 'The sandbox reads documents in JSON only.');
  }
}

function documentType(type = 'Command'): DocumentType {
  if (type === 'Command' || type === 'Session') return type;
  throw new ServiceFailure(
    'InvalidDocumentType',
    'The sandbox holds documents of the types Command and Session only.',
  );
}

function description(stored: StoredDocument, version: DocumentVersion): DocumentDescription {
  const parsed = version.document;
  return {
    Name: stored.name,
    Owner: stored.owner,
    Hash: version.hash,
    HashType: 'Sha256',
    VersionName: version.versionName,
    CreatedDate: version.createdAt,
    Status: 'Active',
    DocumentVersion: version.version,
    LatestVersion: stored.versions.at(-1)?.version,
    DefaultVersion: stored.defaultVersion,
    Description: parsed.description,
    DocumentType: stored.type,
    DocumentFormat: 'JSON',
    SchemaVersion: parsed.schemaVersion,
    PlatformTypes: ['Linux'],
    Parameters: Object.entries(parsed.parameters).map(([Name, definition]) => ({
      Name,
      Type: definition.type === 'StringList' ? 'StringList' : 'String',
      Description: definition.description,
      DefaultValue:
        definition.type === 'StringList' && definition.default !== undefined
          ? JSON.stringify(definition.default)
          : defaultOf(definition)?.[0],
    })),
  };
}

function commandShape(command: Command): CommandShape {
  const { status, details, completed, errors, undelivered } = commandStatus(command);
  return {
    CommandId: command.id,
    DocumentName: command.documentName,
    DocumentVersion: command.requestedVersion,
    Comment: command.comment,
    ExpiresAfter: new Date(command.requestedAt.getTime() + command.timeoutSeconds * 1000),
    Parameters: Object.fromEntries(
      Object.entries(command.parameters).map(([name, values]) => [name, [...values]]),
    ),
    InstanceIds: [...command.instanceIds],
    Targets: command.targets,
    RequestedDateTime: command.requestedAt,
    Status: status,
    StatusDetails: details,
    OutputS3BucketName: '',
    OutputS3KeyPrefix: '',
    MaxConcurrency: '50',
    MaxErrors: '0',
    TargetCount: command.instanceIds.length,
    CompletedCount: completed,
    ErrorCount: errors,
    DeliveryTimedOutCount: undelivered,
    ServiceRole: '',
    TimeoutSeconds: command.timeoutSeconds,
  };
}

function invocationShape(invocation: Invocation, details: boolean): CommandInvocation {
  const { command } = invocation;
  return {
    CommandId: command.id,
    InstanceId: invocation.instanceId,
    InstanceName: invocation.instanceName,
    Comment: command.comment,
    DocumentName: command.documentName,
    DocumentVersion: command.requestedVersion,
    RequestedDateTime: invocation.requestedAt,
    Status: invocation.status,
    StatusDetails: invocation.statusDetails,
    StandardOutputUrl: '',
    StandardErrorUrl: '',
    ServiceRole: '',
    CommandPlugins: details ? pluginShapes(invocation) : [],
  };
}

function pluginShapes(invocation: Invocation): CommandInvocation['CommandPlugins'] {
  return invocation.steps.map((step) => ({
    Name: step.name,
    Status: pluginStatus(step.status),
    StatusDetails: stepDetails(step.status),
    ResponseCode: step.code,
    ResponseStartDateTime: step.startedAt,
    ResponseFinishDateTime: step.finishedAt,
    Output: step.output,
    StandardOutputUrl: '',
    StandardErrorUrl: '',
    OutputS3Region: '',
    OutputS3BucketName: '',
    OutputS3KeyPrefix: '',
  }));
}

/** The API has no status for a skipped step: it shows as a success. */
function pluginStatus(status: Invocation['steps'][number]['status']) {
  return status === 'Skipped' ? 'Success' : status;
}

function stepDetails(status: Invocation['steps'][number]['status']): string {
  return status === 'TimedOut' ? 'ExecutionTimedOut' : pluginStatus(status);
}

function passes(filter: CommandFilter, requestedAt: Date, status: string, documentName: string): boolean {
  const value = filter.value ?? '';
  switch (filter.key) {
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

function size(asked: number | undefined): number {
  return Math.min(asked ?? mostOnPage, mostOnPage);
}

function tooLong(value: string, name: string, constraint: string): ServiceFailure {
  return new ServiceFailure(
    'ValidationException',
    `1 validation error detected: Value '${value}' at '${name}' failed to satisfy constraint: Member must have ${constraint}`,
  );
}
