/** Run Command, as adjoin uses it. */
import {
  paginateDescribeInstanceInformation,
  paginateListCommandInvocations,
  SendCommandCommand,
  type CommandPlugin,
  type SSMClient,
} from '@aws-sdk/client-ssm';
import { AdjoinError } from '../errors.ts';
import type { Invocation } from '../nodes/poller.ts';
import type { CommandRequest, RunCommand } from '../nodes/nodes.ts';
import { awsErrorOf, callAws, pagesOfAws } from './errors.ts';

/** The largest page of ListCommandInvocations and DescribeInstanceInformation (API reference). */
const PAGE = 50;
/** A comment is cut at 100 characters by Run Command (API reference). */
const COMMENT = 100;

/**
 * How a step for another platform comes back: as a success, with a text that begins so (recorded:
 * test/fixtures/ssm-agent-recorded.json; the reason that follows is worded otherwise by older agents). The API has no status for a
 * skipped step.
 */
const SKIPPED = 'Step execution skipped due to ';

function outputOf(steps: readonly CommandPlugin[]): Pick<Invocation, 'output' | 'isSkipped'> {
  const outputs = steps.map(({ Output = '' }) => Output);
  const ran = outputs.filter((output) => !output.startsWith(SKIPPED));
  const isSkipped = outputs.length > 0 && ran.length === 0;
  return { output: ran.join('\n'), ...(isSkipped && { isSkipped }) };
}

function refusalOf(error: unknown, request: CommandRequest): AdjoinError | undefined {
  const name = awsErrorOf(error)?.name;
  const nodes = request.instanceIds.join(', ');
  if (name === 'InvalidInstanceId') {
    return new AdjoinError('node-not-ready', `Run Command does not know ${nodes}.`, { cause: error });
  }
  if (name === 'UnsupportedPlatformType') {
    const { name: document } = request.document;
    return new AdjoinError(
      'node-unsupported',
      `Document ${document} does not support the platform of ${nodes}.`,
      {
        cause: error,
      },
    );
  }
  if (name === 'InvalidDocument' || name === 'InvalidDocumentVersion') {
    const { name: document, version } = request.document;
    return new AdjoinError(
      'document-mismatch',
      `Document ${document} version ${version} is not there as configured.`,
      {
        cause: error,
      },
    );
  }
  return undefined;
}

export function createRunCommand(client: SSMClient): RunCommand {
  return {
    async send(request, signal) {
      return callAws(
        `ssm:SendCommand ${request.document.name} to ${request.instanceIds.join(', ')}`,
        signal,
        async () => {
          try {
            const answer = await client.send(
              new SendCommandCommand({
                DocumentName: request.document.name,
                DocumentVersion: request.document.version,
                DocumentHash: request.document.hash,
                DocumentHashType: 'Sha256',
                InstanceIds: [...request.instanceIds],
                Parameters: Object.fromEntries(
                  Object.entries(request.parameters).map(([key, values]) => [key, [...values]]),
                ),
                TimeoutSeconds: request.deliverySeconds,
                // No failure on one node keeps the command from the others. It is said here and not left to a default.
                MaxErrors: '100%',
                Comment: request.comment.slice(0, COMMENT),
              }),
              { abortSignal: signal },
            );
            const commandId = answer.Command?.CommandId;
            if (!commandId)
              throw new AdjoinError('aws-unavailable', 'ssm:SendCommand answered without a command ID.');
            return commandId;
          } catch (error) {
            throw refusalOf(error, request) ?? error;
          }
        },
      );
    },
    async list(commandId) {
      const invocations: Invocation[] = [];
      const pages = pagesOfAws(
        `ssm:ListCommandInvocations of ${commandId}`,
        undefined,
        paginateListCommandInvocations({ client, pageSize: PAGE }, { CommandId: commandId, Details: true }),
      );
      for await (const page of pages) {
        for (const invocation of page.CommandInvocations ?? []) {
          invocations.push({
            instanceId: invocation.InstanceId ?? '',
            status: invocation.Status ?? '',
            detail: invocation.StatusDetails ?? '',
            ...outputOf(invocation.CommandPlugins ?? []),
          });
        }
      }
      return invocations;
    },
    async registered(instanceIds) {
      const found = new Set<string>();
      const pages = pagesOfAws(
        `ssm:DescribeInstanceInformation of ${instanceIds.length}`,
        undefined,
        paginateDescribeInstanceInformation(
          { client, pageSize: PAGE },
          { Filters: [{ Key: 'InstanceIds', Values: [...instanceIds] }] },
        ),
      );
      for await (const page of pages) {
        for (const node of page.InstanceInformationList ?? []) {
          if (node.InstanceId && node.PingStatus !== 'Inactive') found.add(node.InstanceId);
        }
      }
      return found;
    },
  };
}
