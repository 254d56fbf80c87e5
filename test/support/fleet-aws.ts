/**
 * AWS in simulated time, behind the SDK's own clients: the adapters send their commands here, so that each request counts as
 * AWS would count it. It answers what a healthy AWS answers to a worker; what AWS refuses is in the sandbox.
 */
import {
  AutoScalingClient,
  CompleteLifecycleActionCommand,
  DescribeAutoScalingGroupsCommand,
  DescribeAutoScalingInstancesCommand,
  DescribeLifecycleHooksCommand,
  RecordLifecycleActionHeartbeatCommand,
} from '@aws-sdk/client-auto-scaling';
import {
  DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  TransactGetItemsCommand,
  TransactionCanceledException,
  TransactWriteItemsCommand,
  type AttributeValue,
  type Put,
} from '@aws-sdk/client-dynamodb';
import {
  ChangeMessageVisibilityBatchCommand,
  ChangeMessageVisibilityCommand,
  DeleteMessageBatchCommand,
  DeleteMessageCommand,
  ReceiveMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import {
  DescribeInstanceInformationCommand,
  ListCommandInvocationsCommand,
  SendCommandCommand,
  SSMClient,
  type ListCommandInvocationsCommandInput,
  type SendCommandCommandInput,
} from '@aws-sdk/client-ssm';
import type { Clock } from '../../agent/clock.ts';
import type { ReceivedMessage } from './memory-queue.ts';
import { REGION, type Cloud } from './schedule-cloud.ts';
import type { Kernel } from './schedule-kernel.ts';
import { createRetries, type Buckets } from './throttle.ts';

/** What runs on a node when a command reaches it. */
export interface FleetNodes {
  isUp(instanceId: string): boolean;
  /** Milliseconds that the document takes on the node. */
  runMs(document: string, instanceId: string): number;
  /** The line that the document prints. */
  run(document: string, instanceId: string, parameters: Readonly<Record<string, string[]>>): string;
}

export interface FleetAws {
  /** The clients of one process. */
  clients(clock: Clock): {
    readonly autoScaling: AutoScalingClient;
    readonly dynamodb: DynamoDBClient;
    readonly sqs: SQSClient;
    readonly ssm: SSMClient;
  };
}

export interface FleetAwsOptions {
  readonly kernel: Kernel;
  readonly cloud: Cloud;
  readonly nodes: FleetNodes;
  /** Told of each request, as in `sqs.ReceiveMessage`. */
  readonly count: (operation: string) => void;
  /** Refuse requests that come too fast. The clients then try again as the SDK's do. @default - none is refused */
  readonly buckets?: Buckets;
}

const LONG_POLL_MS = 20_000;
/** Milliseconds that each request takes. */
export const CALL_MS = 20;
/** Milliseconds until an agent that listens has got its command. */
const DELIVERY_MS = 300;
/** The largest page of ListCommandInvocations (API reference). */
const PAGE = 50;

interface Command {
  readonly id: string;
  readonly document: string;
  readonly requestedAt: number;
  /** By instance: undefined while it runs. */
  readonly outputs: Map<string, string | undefined>;
}

class ServiceError extends Error {
  readonly $metadata = { httpStatusCode: 400, attempts: 1 };
  constructor(name: string) {
    super(name);
    this.name = name;
  }
}

function isMet(input: Put, stored: Record<string, AttributeValue> | undefined): boolean {
  const { ConditionExpression = '', ExpressionAttributeValues: values = {} } = input;
  if (ConditionExpression === 'attribute_not_exists(instanceId)') return stored === undefined;
  if (ConditionExpression === '') return true;
  const [sameToken, sameLease = ''] = ConditionExpression.split(' AND ');
  if (sameToken !== 'fencingToken = :expected') throw new RangeError(`Unknown: ${ConditionExpression}`);
  if (stored?.['fencingToken']?.N !== values[':expected']?.N) return false;
  if (sameLease === '') return true;
  if (sameLease === 'attribute_not_exists(leaseExpiresAt)') return stored?.['leaseExpiresAt'] === undefined;
  if (sameLease !== 'leaseExpiresAt = :lease') throw new RangeError(`Unknown: ${ConditionExpression}`);
  return stored?.['leaseExpiresAt']?.N === values[':lease']?.N;
}

/** A receipt handle holds what the queue knows a receive by. */
const handleOf = ({ messageId, receipt }: ReceivedMessage): string => `${messageId} ${receipt}`;
function receivedOf(handle = ''): ReceivedMessage {
  const [messageId = '', receipt = ''] = handle.split(' ');
  return { messageId, receipt: Number(receipt), body: '', receiveCount: 0, firstReceivedAt: 0 };
}

/** Each entry succeeds or fails by itself. */
function inBatch<Entry extends { readonly Id: string | undefined }>(
  entries: readonly Entry[] = [],
  run: (entry: Entry) => void,
): object {
  if (entries.length > 10) throw new ServiceError('TooManyEntriesInBatchRequest');
  const Successful: object[] = [];
  const Failed: object[] = [];
  for (const entry of entries) {
    try {
      run(entry);
      Successful.push({ Id: entry.Id });
    } catch {
      Failed.push({ Id: entry.Id, SenderFault: true, Code: 'MessageNotInflight' });
    }
  }
  return { Successful, Failed };
}

/** As `agent/aws/errors.ts` knows them. */
const isThrottled = (error: unknown): boolean =>
  error instanceof ServiceError && error.name === 'ThrottlingException';

/** The tokens that a request takes of its quota: one, or its units of capacity. An item of a transaction takes two. */
function tokensOf(command: object): number {
  if (command instanceof TransactWriteItemsCommand) return 2 * (command.input.TransactItems?.length ?? 0);
  if (command instanceof TransactGetItemsCommand) return 2 * (command.input.TransactItems?.length ?? 0);
  return 1;
}

const keyOf = ({ Item }: Put): string => Item?.['instanceId']?.S ?? '';

/** As the operation's schema has it. A bundle may call a class otherwise than the SDK does. */
function operationOf(command: object): string {
  const schema: unknown = 'schema' in command ? command.schema : undefined;
  const name: unknown = Array.isArray(schema) ? schema[2] : undefined;
  if (typeof name !== 'string') throw new RangeError(`${command.constructor.name} has no schema.`);
  return name;
}

export function createFleetAws({ kernel, cloud, nodes, count, buckets }: FleetAwsOptions): FleetAws {
  /** As text, which takes a third of the memory: a burst writes ten thousand. */
  const items = new Map<string, string>();
  const commands = new Map<string, Command>();

  async function receive(maximum: number, waitSeconds: number, clock: Clock): Promise<ReceivedMessage[]> {
    const end = kernel.now() + Math.min(LONG_POLL_MS, waitSeconds * 1000);
    for (;;) {
      const found = cloud.receive(maximum);
      const left = end - kernel.now();
      if (found.length > 0 || left <= 0) return found;
      const pause = Math.max(1, Math.min(left, cloud.nextVisible()));
      await clock.sleep(pause, cloud.nextSent).catch(() => undefined);
    }
  }

  function itemOf(instanceId = ''): Record<string, AttributeValue> | undefined {
    const item = items.get(instanceId);
    return item === undefined ? undefined : JSON.parse(item);
  }

  const isRefused = (input: Put): boolean => !isMet(input, itemOf(keyOf(input)));

  /** All or none. */
  function putAll(puts: readonly Put[]): void {
    if (puts.some(isRefused)) {
      const reasons = puts.map((each) => ({ Code: isRefused(each) ? 'ConditionalCheckFailed' : 'None' }));
      throw new TransactionCanceledException({
        message: 'Transaction cancelled',
        $metadata: { httpStatusCode: 400, attempts: 1 },
        CancellationReasons: reasons,
      });
    }
    for (const each of puts) items.set(keyOf(each), JSON.stringify(each.Item));
  }

  function sendCommand(input: SendCommandCommandInput): string {
    const { DocumentName: document = '', InstanceIds: instanceIds = [], Parameters: parameters = {} } = input;
    if (!instanceIds.every((instanceId) => nodes.isUp(instanceId)))
      throw new ServiceError('InvalidInstanceId');
    const id = `command-${commands.size + 1}`;
    const outputs = new Map<string, string | undefined>(instanceIds.map((each) => [each, undefined]));
    commands.set(id, { id, document, requestedAt: kernel.now(), outputs });
    for (const instanceId of instanceIds) {
      kernel.after(DELIVERY_MS + nodes.runMs(document, instanceId), () => {
        if (nodes.isUp(instanceId)) outputs.set(instanceId, nodes.run(document, instanceId, parameters));
      });
    }
    return id;
  }

  function listInvocations(input: ListCommandInvocationsCommandInput): object {
    const after = input.Filters?.find(({ key }) => key === 'InvokedAfter')?.value;
    const since = after === undefined ? -Infinity : Date.parse(after);
    const one = input.CommandId === undefined ? undefined : commands.get(input.CommandId);
    const latest = input.CommandId === undefined ? [...commands.values()].toReversed() : one ? [one] : [];
    const from = Number(input.NextToken ?? '0');
    const size = input.MaxResults ?? PAGE;
    const CommandInvocations: object[] = [];
    let passed = 0;
    for (const { id, requestedAt, outputs } of latest) {
      // They are in the order in which they were sent.
      if (requestedAt <= since) break;
      if (passed + outputs.size <= from) {
        passed += outputs.size;
        continue;
      }
      for (const [instanceId, output] of outputs) {
        passed += 1;
        if (passed <= from) continue;
        if (passed > from + size) return { CommandInvocations, NextToken: String(from + size) };
        const status = output === undefined ? 'InProgress' : 'Success';
        CommandInvocations.push({
          CommandId: id,
          InstanceId: instanceId,
          Status: status,
          StatusDetails: status,
          CommandPlugins: output === undefined ? [] : [{ Output: output }],
        });
      }
    }
    return { CommandInvocations };
  }

  async function answer(command: object, clock: Clock): Promise<object> {
    if (command instanceof ReceiveMessageCommand) {
      const { MaxNumberOfMessages: maximum = 1, WaitTimeSeconds: waitSeconds = 0 } = command.input;
      const found = await receive(maximum, waitSeconds, clock);
      return {
        Messages: found.map((received) => ({
          MessageId: received.messageId,
          ReceiptHandle: handleOf(received),
          Body: received.body,
          Attributes: {
            ApproximateReceiveCount: String(received.receiveCount),
            ApproximateFirstReceiveTimestamp: String(received.firstReceivedAt),
          },
        })),
      };
    }
    if (command instanceof DeleteMessageCommand) {
      cloud.remove(receivedOf(command.input.ReceiptHandle));
      return {};
    }
    if (command instanceof ChangeMessageVisibilityCommand) {
      cloud.hide(receivedOf(command.input.ReceiptHandle), command.input.VisibilityTimeout ?? 0);
      return {};
    }
    if (command instanceof DeleteMessageBatchCommand) {
      return inBatch(command.input.Entries, ({ ReceiptHandle }) => cloud.remove(receivedOf(ReceiptHandle)));
    }
    if (command instanceof ChangeMessageVisibilityBatchCommand) {
      return inBatch(command.input.Entries, ({ ReceiptHandle, VisibilityTimeout = 0 }) =>
        cloud.hide(receivedOf(ReceiptHandle), VisibilityTimeout),
      );
    }
    if (command instanceof DescribeAutoScalingInstancesCommand) {
      return {
        AutoScalingInstances: (command.input.InstanceIds ?? []).flatMap((InstanceId) => {
          const state = cloud.instance(InstanceId);
          return state
            ? [{ InstanceId, AutoScalingGroupName: state.group, LifecycleState: state.lifecycleState }]
            : [];
        }),
      };
    }
    if (command instanceof DescribeAutoScalingGroupsCommand) {
      const tags = [...(cloud.group()?.tags ?? [])].map(([Key, Value]) => ({ Key, Value }));
      return { AutoScalingGroups: [{ Tags: tags }] };
    }
    if (command instanceof DescribeLifecycleHooksCommand) {
      return {
        LifecycleHooks: (cloud.group()?.hooks ?? []).map((hook) => ({
          LifecycleHookName: hook.name,
          LifecycleTransition: hook.transition,
          HeartbeatTimeout: hook.heartbeatMs / 1000,
          GlobalTimeout: hook.globalMs / 1000,
        })),
      };
    }
    if (command instanceof RecordLifecycleActionHeartbeatCommand) {
      cloud.heartbeat(command.input.LifecycleActionToken ?? '');
      return {};
    }
    if (command instanceof CompleteLifecycleActionCommand) {
      const result = command.input.LifecycleActionResult === 'CONTINUE' ? 'CONTINUE' : 'ABANDON';
      cloud.complete(command.input.LifecycleActionToken ?? '', result);
      return {};
    }
    if (command instanceof GetItemCommand) {
      count('units.dynamodb-read');
      return { Item: itemOf(command.input.Key?.['instanceId']?.S) };
    }
    if (command instanceof PutItemCommand) {
      count('units.dynamodb-write');
      count('units.items-written');
      const { TableName, Item } = command.input;
      const one: Put = { ...command.input, TableName, Item };
      if (isRefused(one)) throw new ServiceError('ConditionalCheckFailedException');
      putAll([one]);
      return {};
    }
    if (command instanceof TransactWriteItemsCommand) {
      const puts = (command.input.TransactItems ?? []).flatMap(({ Put }) => Put ?? []);
      for (const _ of puts) {
        count('units.items-written');
        // Each item takes twice what it takes by itself.
        for (let unit = 0; unit < 2; unit += 1) count('units.dynamodb-write');
      }
      putAll(puts);
      return {};
    }
    if (command instanceof TransactGetItemsCommand) {
      const gets = (command.input.TransactItems ?? []).flatMap(({ Get }) => Get ?? []);
      for (const _ of gets) for (let unit = 0; unit < 2; unit += 1) count('units.dynamodb-read');
      return { Responses: gets.map(({ Key }) => ({ Item: itemOf(Key?.['instanceId']?.S) })) };
    }
    if (command instanceof SendCommandCommand) {
      const CommandId = sendCommand(command.input);
      return { Command: { CommandId, RequestedDateTime: new Date(kernel.now()) } };
    }
    if (command instanceof ListCommandInvocationsCommand) return listInvocations(command.input);
    if (command instanceof DescribeInstanceInformationCommand) {
      const [filter] = command.input.Filters ?? [];
      const up = (filter?.Values ?? []).filter((instanceId) => nodes.isUp(instanceId));
      return {
        InstanceInformationList: up.map((InstanceId) => ({ InstanceId, PingStatus: 'Online' })),
      };
    }
    throw new RangeError(`${operationOf(command)} is not answered here.`);
  }

  return {
    clients(clock) {
      const served = <T extends object>(
        service: string,
        client: T,
        mode: 'adaptive' | 'standard' = 'adaptive',
      ): T => {
        const request = async (command: object): Promise<object> => {
          const operation = `${service}.${operationOf(command)}`;
          count(operation);
          await clock.sleep(CALL_MS);
          if (buckets?.take(operation, tokensOf(command)) === false) {
            count('units.refused-requests');
            throw new ServiceError('ThrottlingException');
          }
          return answer(command, clock);
        };
        const retries = createRetries(clock, () => 0.5, mode);
        const send = buckets
          ? (command: object) =>
              retries.run(
                async (attempts) => ({ ...(await request(command)), $metadata: { attempts } }),
                isThrottled,
              )
          : request;
        return Object.assign(client, { send });
      };
      return {
        autoScaling: served('autoscaling', new AutoScalingClient({ region: REGION }), 'standard'),
        dynamodb: served('dynamodb', new DynamoDBClient({ region: REGION })),
        sqs: served('sqs', new SQSClient({ region: REGION })),
        ssm: served('ssm', new SSMClient({ region: REGION })),
      };
    },
  };
}
