/** CloudFormation, as who deploys calls it. */
import {
  CloudFormationClient,
  CreateChangeSetCommand,
  DeleteChangeSetCommand,
  DeleteStackCommand,
  DescribeChangeSetCommand,
  DescribeStacksCommand,
  ExecuteChangeSetCommand,
  GetTemplateCommand,
  paginateDescribeStackEvents,
  paginateListStackResources,
  type ResourceChange,
} from '@aws-sdk/client-cloudformation';
import { callAws, pagesOfAws } from '../../aws/errors.ts';
import { AdjoinError } from '../../errors.ts';
import type { Change, StackEvent, StackResource, StacksPort } from '../deploy/ports.ts';

/** CloudFormation has no error of its own for a stack that is not there. */
const isMissing = (error: unknown): boolean =>
  error instanceof AdjoinError && error.code === 'aws-refused' && /does not exist/.test(error.message);

const changeOf = (change: ResourceChange): Change => ({
  action: change.Action === 'Add' || change.Action === 'Remove' ? change.Action : 'Modify',
  logicalId: change.LogicalResourceId ?? '',
  type: change.ResourceType ?? '',
  replaced: change.Replacement === 'True' || change.Replacement === 'Conditional',
});

const entries = (
  list: readonly { readonly key: string | undefined; readonly value: string | undefined }[],
): Map<string, string> => new Map(list.map(({ key = '', value = '' }) => [key, value]));

/** A call that a person waits for may be tried more often than one of a worker. */
export const createCloudFormation = (region: string): CloudFormationClient =>
  new CloudFormationClient({ region, maxAttempts: 5 });

export function createStacks(client: CloudFormationClient): StacksPort {
  return {
    async find(StackName, signal) {
      try {
        const { Stacks } = await callAws(`cloudformation:DescribeStacks of ${StackName}`, signal, () =>
          client.send(new DescribeStacksCommand({ StackName }), { abortSignal: signal }),
        );
        const [stack] = Stacks ?? [];
        if (!stack) return undefined;
        return {
          id: stack.StackId ?? StackName,
          status: stack.StackStatus ?? '',
          reason: stack.StackStatusReason,
          parameters: entries(
            (stack.Parameters ?? []).map(({ ParameterKey, ParameterValue }) => ({
              key: ParameterKey,
              value: ParameterValue,
            })),
          ),
          outputs: entries(
            (stack.Outputs ?? []).map(({ OutputKey, OutputValue }) => ({
              key: OutputKey,
              value: OutputValue,
            })),
          ),
        };
      } catch (error) {
        if (isMissing(error)) return undefined;
        throw error;
      }
    },
    async events(StackName, after, signal) {
      const found: StackEvent[] = [];
      const pages = pagesOfAws(
        `cloudformation:DescribeStackEvents of ${StackName}`,
        signal,
        paginateDescribeStackEvents({ client }, { StackName }, { abortSignal: signal }),
      );
      // The newest come first: what is known already ends it.
      search: for await (const { StackEvents = [] } of pages)
        for (const event of StackEvents) {
          if (event.EventId === after) break search;
          found.push({
            id: event.EventId ?? '',
            at: event.Timestamp?.getTime() ?? 0,
            logicalId: event.LogicalResourceId ?? '',
            type: event.ResourceType ?? '',
            status: event.ResourceStatus ?? '',
            reason: event.ResourceStatusReason,
            isStack: event.PhysicalResourceId === event.StackId,
          });
        }
      return found.toReversed();
    },
    async resources(StackName, signal) {
      const found: StackResource[] = [];
      const pages = pagesOfAws(
        `cloudformation:ListStackResources of ${StackName}`,
        signal,
        paginateListStackResources({ client }, { StackName }, { abortSignal: signal }),
      );
      for await (const { StackResourceSummaries = [] } of pages)
        for (const resource of StackResourceSummaries)
          found.push({
            logicalId: resource.LogicalResourceId ?? '',
            physicalId: resource.PhysicalResourceId ?? '',
            type: resource.ResourceType ?? '',
            status: resource.ResourceStatus ?? '',
            reason: resource.ResourceStatusReason,
          });
      return found;
    },
    async template(StackName, signal) {
      const { TemplateBody = '{}' } = await callAws(
        `cloudformation:GetTemplate of ${StackName}`,
        signal,
        () => client.send(new GetTemplateCommand({ StackName }), { abortSignal: signal }),
      );
      return TemplateBody;
    },
    async propose({ stack, name, isNew, templateUrl, parameters }, signal) {
      const { Id } = await callAws(`cloudformation:CreateChangeSet of ${stack}`, signal, () =>
        client.send(
          new CreateChangeSetCommand({
            StackName: stack,
            ChangeSetName: name,
            ChangeSetType: isNew ? 'CREATE' : 'UPDATE',
            TemplateURL: templateUrl,
            Capabilities: ['CAPABILITY_NAMED_IAM'],
            Parameters: [...parameters].map(([ParameterKey, ParameterValue]) =>
              ParameterValue === undefined
                ? { ParameterKey, UsePreviousValue: true }
                : { ParameterKey, ParameterValue },
            ),
          }),
          { abortSignal: signal },
        ),
      );
      return Id ?? name;
    },
    async changeSet(ChangeSetName, signal) {
      const changes: Change[] = [];
      for (let NextToken: string | undefined; ;) {
        const page = await callAws('cloudformation:DescribeChangeSet', signal, () =>
          client.send(
            new DescribeChangeSetCommand({ ChangeSetName, ...(NextToken !== undefined && { NextToken }) }),
            { abortSignal: signal },
          ),
        );
        for (const { ResourceChange } of page.Changes ?? [])
          if (ResourceChange) changes.push(changeOf(ResourceChange));
        if (page.NextToken === undefined)
          return { status: page.Status ?? '', reason: page.StatusReason, changes };
        ({ NextToken } = page);
      }
    },
    async withdraw(ChangeSetName) {
      await callAws('cloudformation:DeleteChangeSet', undefined, () =>
        client.send(new DeleteChangeSetCommand({ ChangeSetName })),
      );
    },
    async execute(ChangeSetName, signal) {
      await callAws('cloudformation:ExecuteChangeSet', signal, () =>
        client.send(new ExecuteChangeSetCommand({ ChangeSetName }), { abortSignal: signal }),
      );
    },
    async delete(StackName, signal) {
      await callAws(`cloudformation:DeleteStack of ${StackName}`, signal, () =>
        client.send(new DeleteStackCommand({ StackName }), { abortSignal: signal }),
      );
    },
  };
}
