/** Commands and their invocations as the API writes them. */
import type { Command as CommandShape, CommandInvocation } from '@aws-sdk/client-ssm';
import { commandStatus, type Command, type Invocation } from './commands.ts';

export function commandShape(command: Command): CommandShape {
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
    MaxErrors: command.maxErrors,
    TargetCount: command.instanceIds.length,
    CompletedCount: completed,
    ErrorCount: errors,
    DeliveryTimedOutCount: undelivered,
    ServiceRole: '',
    TimeoutSeconds: command.timeoutSeconds,
  };
}

export function invocationShape(invocation: Invocation, details: boolean): CommandInvocation {
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
export function pluginStatus(status: Invocation['steps'][number]['status']) {
  return status === 'Skipped' ? 'Success' : status;
}

export function stepDetails(status: Invocation['steps'][number]['status']): string {
  return status === 'TimedOut' ? 'ExecutionTimedOut' : pluginStatus(status);
}
