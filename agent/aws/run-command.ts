/** Run Command, as adjoin uses it. */
import {
  paginateDescribeInstanceInformation,
  paginateListCommandInvocations,
  SendCommandCommand,
  type CommandInvocation,
  type CommandPlugin,
  type SSMClient,
} from '@aws-sdk/client-ssm';
import { AdjoinError } from '../errors.ts';
import type { Invocation, ListedInvocation } from '../nodes/poller.ts';
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

const invocationOf = (listed: CommandInvocation): Invocation => ({
  instanceId: listed.InstanceId ?? '',
  status: listed.Status ?? '',
  detail: listed.StatusDetails ?? '',
  ...outputOf(listed.CommandPlugins ?? []),
});

/**
 * The time as the filter `InvokedAfter` takes it: in whole seconds. One earlier, because the API reference does not say whether what
 * was sent in that second counts.
 */
const secondBefore = (time: number): string =>
  `${new Date(Math.floor(time / 1000 - 1) * 1000).toISOString().slice(0, 19)}Z`;

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
            const { CommandId: commandId, RequestedDateTime } = answer.Command ?? {};
            if (!commandId)
              throw new AdjoinError('aws-unavailable', 'ssm:SendCommand answered without a command ID.');
            return { commandId, requestedAt: RequestedDateTime?.getTime() };
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
        invocations.push(...(page.CommandInvocations ?? []).map(invocationOf));
      }
      return invocations;
    },
    async *listSince(requestedAt) {
      const pages = pagesOfAws(
        'ssm:ListCommandInvocations',
        undefined,
        paginateListCommandInvocations(
          { client, pageSize: PAGE },
          { Filters: [{ key: 'InvokedAfter', value: secondBefore(requestedAt) }], Details: true },
        ),
      );
      for await (const page of pages) {
        yield (page.CommandInvocations ?? []).map((each): ListedInvocation => ({
          commandId: each.CommandId ?? '',
          ...invocationOf(each),
        }));
      }
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
