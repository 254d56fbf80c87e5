import {
  CreateChangeSet$,
  DeleteChangeSet$,
  DescribeChangeSet$,
  ExecuteChangeSet$,
  type CreateChangeSetCommandInput,
  type CreateChangeSetOutput,
  type DeleteChangeSetCommandInput,
  type DeleteChangeSetOutput,
  type DescribeChangeSetCommandInput,
  type DescribeChangeSetOutput,
  type ExecuteChangeSetCommandInput,
  type ExecuteChangeSetOutput,
  type Parameter,
} from '@aws-sdk/client-cloudformation';
import { ServiceFailure } from '../../cloud/failure.ts';
import { operationsOn } from '../../cloud/operations.ts';
import type { Call, Operation, Requirement } from '../../cloud/service.ts';
import { requireCapabilities } from './capabilities.ts';
import { importsOf, importsShown } from './imports.ts';
import { prepared, toRead, type CloudFormationParts } from './parts.ts';
import { plan } from './plan.ts';
import { execute } from './run.ts';
import { isBusy, type ChangeSet, type Stack } from './stacks.ts';
import { templateOf } from './template-source.ts';

export function changeSetOperations(parts: CloudFormationParts): Operation[] {
  const on = operationsOn('cloudformation', parts);
  const needs =
    (action: string) =>
    (
      _: CloudFormationParts,
      input: { StackName?: string | undefined; ChangeSetName?: string | undefined },
    ) => {
      const stack = stackOf(parts, input);
      return [
        {
          action: `cloudformation:${action}`,
          resources: [{ arn: stack?.id ?? parts.stacks.arnOf(input.StackName) }],
        },
      ];
    };
  return [
    on(CreateChangeSet$, createChangeSet, (_, input): Requirement[] => [
      ...needs('CreateChangeSet')(parts, input),
      ...toRead(input),
    ]),
    on(DescribeChangeSet$, describeChangeSet, needs('DescribeChangeSet')),
    on(ExecuteChangeSet$, executeChangeSet, needs('ExecuteChangeSet')),
    on(DeleteChangeSet$, deleteChangeSet, needs('DeleteChangeSet')),
  ];
}

type Named = { readonly StackName?: string | undefined; readonly ChangeSetName?: string | undefined };

function stackOf(
  { stacks }: CloudFormationParts,
  { StackName, ChangeSetName = '' }: Named,
): Stack | undefined {
  if (StackName !== undefined) return stacks.find(StackName);
  return stacks
    .all()
    .find(({ changeSets }) => [...changeSets.values()].some(({ id }) => id === ChangeSetName));
}

/** @throws ServiceFailure when there is none */
function find(parts: CloudFormationParts, input: Named): { stack: Stack; changeSet: ChangeSet } {
  const { StackName, ChangeSetName = '' } = input;
  const stack = stackOf(parts, input);
  if (!stack && StackName !== undefined)
    throw new ServiceFailure('ValidationError', `Stack [${StackName}] does not exist`);
  const changeSet = [...(stack?.changeSets.values() ?? [])].find(
    ({ id, name }) => id === ChangeSetName || name === ChangeSetName,
  );
  if (!stack || !changeSet)
    throw new ServiceFailure('ChangeSetNotFound', `ChangeSet [${ChangeSetName}] does not exist`, 404);
  return { stack, changeSet };
}

const noChanges =
  "The submitted information didn't contain changes. Submit different information to create a change set.";
/** https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateChangeSet.html */
const changeSetName = /^[A-Za-z][-A-Za-z0-9]{0,127}$/;
const stackName = /^[A-Za-z][-A-Za-z0-9]{0,127}$|^arn:[-A-Za-z0-9:/._+]*$/;

function createChangeSet(
  parts: CloudFormationParts,
  input: CreateChangeSetCommandInput,
  call: Call,
): CreateChangeSetOutput {
  const { stacks } = parts;
  const { StackName = '', ChangeSetName = '', ChangeSetType: type = 'UPDATE', Capabilities = [] } = input;
  if (!changeSetName.test(ChangeSetName) || !stackName.test(StackName))
    throw new ServiceFailure(
      'ValidationError',
      "1 validation error detected: Value at 'changeSetName' or 'stackName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*",
    );
  if (input.RoleARN !== undefined || input.IncludeNestedStacks === true)
    throw new ServiceFailure('ValidationError', 'The sandbox knows no service roles and no nested stacks.');
  if (type !== 'CREATE' && type !== 'UPDATE' && type !== 'IMPORT')
    throw new ServiceFailure('ValidationError', 'There are change sets of type CREATE, UPDATE and IMPORT.');
  const present = stacks.find(StackName);
  refuseState(present, type, StackName, ChangeSetName);
  if (input.UsePreviousTemplate === true && present?.now === undefined)
    throw new ServiceFailure('ValidationError', 'There is no previous template.');
  const template =
    input.UsePreviousTemplate === true && present?.now
      ? present.now.template
      : templateOf(input, call.origin, parts.buckets);
  const parameters = parametersOf(input.Parameters ?? [], present);
  const stackForPlan = present ?? { name: StackName };
  const ready = prepared(parts, stackForPlan, { template, parameters });
  requireCapabilities(ready.template, Capabilities);
  const planned = plan(ready, present?.resources ?? [], parts.engine.types);
  const sameOutputs = outputsOf(present?.now?.template ?? '{}') === outputsOf(template);
  const others = stacks.all().filter((each) => each !== present);
  const imports =
    type === 'IMPORT'
      ? importsOf(input, ready, present, others, parts.engine.types, planned)
      : new Map<string, string>();
  // Seen in awslabs/aws-security-assessment-solution, issue 6.
  if (type === 'IMPORT' && !sameOutputs)
    throw new ServiceFailure(
      'ValidationError',
      'As part of the import operation, you cannot modify or add [Outputs]',
    );
  const changes = type === 'IMPORT' ? importsShown(imports, ready) : planned;
  const isEmpty = type === 'UPDATE' && changes.length === 0 && sameOutputs;
  const stack = present ?? stacks.begin(StackName);
  // One that was executed is history.
  if (/^(UN)?AVAILABLE$/.test(stack.changeSets.get(ChangeSetName)?.executionStatus ?? ''))
    throw new ServiceFailure('AlreadyExistsException', `ChangeSet ${ChangeSetName} already exists`);
  const changeSet: ChangeSet = {
    id: stacks.arn('changeSet', ChangeSetName),
    name: ChangeSetName,
    type,
    description: input.Description,
    createdAt: parts.timers.date(),
    wanted: {
      template,
      parameters,
      capabilities: Capabilities,
      tags: input.Tags ?? present?.now?.tags ?? [],
      description: ready.template.description,
    },
    changes,
    imports,
    keepFailed: input.OnStackFailure === 'DO_NOTHING',
    status: isEmpty ? 'FAILED' : 'CREATE_COMPLETE',
    executionStatus: isEmpty ? 'UNAVAILABLE' : 'AVAILABLE',
    reason: isEmpty ? noChanges : undefined,
  };
  stack.changeSets.set(ChangeSetName, changeSet);
  return { Id: changeSet.id, StackId: stack.id };
}

function outputsOf(template: string): string {
  const { Outputs = {} }: { Outputs?: unknown } = JSON.parse(template);
  return JSON.stringify(Outputs);
}

/** @throws ServiceFailure in a state in which no such change set is taken */
function refuseState(
  present: Stack | undefined,
  type: ChangeSet['type'],
  name: string,
  changeSet: string,
): void {
  // Into a new stack, or into one that is there.
  if (type === 'IMPORT' && (present === undefined || present.status === 'REVIEW_IN_PROGRESS')) return;
  if (type === 'CREATE') {
    if (present === undefined || present.status === 'REVIEW_IN_PROGRESS') return;
    throw new ServiceFailure(
      'ValidationError',
      `Stack [${name}] already exists and cannot be created again with the changeSet [${changeSet}].`,
    );
  }
  if (present === undefined) throw new ServiceFailure('ValidationError', `Stack [${name}] does not exist`);
  const isUpdatable = /^(CREATE|UPDATE|IMPORT|UPDATE_ROLLBACK|IMPORT_ROLLBACK)_COMPLETE$/.test(
    present.status,
  );
  if (!isUpdatable)
    throw new ServiceFailure(
      'ValidationError',
      `Stack:${present.id} is in ${present.status} state and can not be updated.`,
    );
}

/** @throws ServiceFailure for a previous value that there is not */
function parametersOf(given: readonly Parameter[], present: Stack | undefined): Record<string, string> {
  return Object.fromEntries(
    given.map(({ ParameterKey = '', ParameterValue, UsePreviousValue }) => {
      if (UsePreviousValue !== true) return [ParameterKey, ParameterValue ?? ''];
      const value = present?.values.get(ParameterKey);
      if (value === undefined)
        throw new ServiceFailure(
          'ValidationError',
          `Invalid input for parameter key ${ParameterKey}. Cannot specify usePreviousValue as true for a parameter key not in the previous template`,
        );
      return [ParameterKey, value];
    }),
  );
}

function describeChangeSet(
  parts: CloudFormationParts,
  input: DescribeChangeSetCommandInput,
): DescribeChangeSetOutput {
  const { stack, changeSet } = find(parts, input);
  const { wanted } = changeSet;
  return {
    ChangeSetName: changeSet.name,
    ChangeSetId: changeSet.id,
    StackId: stack.id,
    StackName: stack.name,
    Description: changeSet.description,
    Parameters: Object.entries(wanted.parameters).map(([ParameterKey, ParameterValue]) => ({
      ParameterKey,
      ParameterValue,
    })),
    CreationTime: changeSet.createdAt,
    ExecutionStatus: changeSet.executionStatus,
    Status: changeSet.status,
    StatusReason: changeSet.reason,
    Capabilities: [...wanted.capabilities],
    Tags: [...wanted.tags],
    Changes: [...changeSet.changes],
    IncludeNestedStacks: false,
  };
}

function executeChangeSet(
  parts: CloudFormationParts,
  input: ExecuteChangeSetCommandInput,
  call: Call,
): ExecuteChangeSetOutput {
  const { stack, changeSet } = find(parts, input);
  if (changeSet.executionStatus !== 'AVAILABLE' || isBusy(stack))
    throw new ServiceFailure(
      'InvalidChangeSetStatus',
      `ChangeSet [${changeSet.id}] cannot be executed in its current status of [${isBusy(stack) ? stack.status : changeSet.status}]`,
    );
  if (input.DisableRollback === true || changeSet.keepFailed)
    throw new ServiceFailure('ValidationError', 'The sandbox always rolls back.');
  execute(parts, stack, changeSet, call);
  return {};
}

function deleteChangeSet(
  parts: CloudFormationParts,
  input: DeleteChangeSetCommandInput,
): DeleteChangeSetOutput {
  const { stack, changeSet } = find(parts, input);
  if (changeSet.executionStatus === 'EXECUTE_IN_PROGRESS')
    throw new ServiceFailure('InvalidChangeSetStatus', `ChangeSet [${changeSet.id}] is being executed`);
  stack.changeSets.delete(changeSet.name);
  return {};
}
