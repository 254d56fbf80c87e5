/** What adjoin does on nodes: probe, join, leave. Nodes that need the same thing at the same time share one command. */
import { createBatch } from '../batch.ts';
import type { Clock } from '../clock.ts';
import { AdjoinError } from '../errors.ts';
import {
  entryText,
  facts,
  type JoinEntry,
  type JoinFacts,
  type LeaveFacts,
  type ProbeFacts,
  type Purpose,
} from './contract.ts';
import { createPoller, type Invocation } from './poller.ts';
import { createReadiness, type Readiness } from './readiness.ts';

export interface Document {
  readonly name: string;
  readonly version: string;
  readonly hash: string;
}

export interface CommandRequest {
  readonly document: Document;
  readonly instanceIds: readonly string[];
  readonly parameters: Readonly<Record<string, readonly string[]>>;
  readonly deliverySeconds: number;
  readonly comment: string;
}

export interface RunCommand {
  /** @returns the command ID. @throws AdjoinError `node-not-ready`, `document-mismatch`, `aws-…` */
  send(request: CommandRequest): Promise<string>;
  list(commandId: string): Promise<readonly Invocation[]>;
  registered(instanceIds: readonly string[]): Promise<ReadonlySet<string>>;
}

export interface NodesOptions {
  readonly runCommand: RunCommand;
  readonly documents: Readonly<Record<Purpose, Document>>;
  readonly clock: Clock;
  readonly coalesceMs: number;
  readonly commandPollMs: number;
  readonly registrationPollMs: number;
  readonly deliverySeconds: number;
  readonly executionSeconds: Readonly<Record<Purpose, number>>;
  /** Told of every command, for the log. */
  readonly onCommand: (command: {
    readonly purpose: Purpose;
    readonly commandId: string;
    readonly nodes: readonly Target[];
  }) => void;
}

/** A node, and the lifecycle action on whose behalf it is spoken to. */
export interface Target {
  readonly instanceId: string;
  readonly correlationId: string;
}

export interface JoinTarget {
  readonly domain: string;
  readonly domainController: string;
}

export interface Nodes {
  readonly readiness: Readiness;
  probe(node: Target, signal: AbortSignal): Promise<ProbeFacts>;
  join(node: Target, entry: JoinEntry, target: JoinTarget, signal: AbortSignal): Promise<JoinFacts>;
  leave(node: Target, domain: string, signal: AbortSignal): Promise<LeaveFacts>;
}

/** The most instance IDs that SendCommand takes (API reference). */
const NODES_PER_COMMAND = 50;
/**
 * Seconds that a leave may take to be delivered at most; the least that Run Command takes. Nobody waits for it long, and
 * delivered late it would make the next life of the same instance (a new root volume) leave.
 */
const LEAVE_DELIVERY = 30;
/** Milliseconds beyond delivery and execution before a command counts as lost. */
const SLACK_MS = 10_000;

interface Task {
  readonly purpose: Purpose;
  readonly node: Target;
  /** Parameters that all nodes of a command share. */
  readonly shared: Readonly<Record<string, readonly string[]>>;
  /** This node's own value of `entries`. */
  readonly entry?: string;
}

export function createNodes(options: NodesOptions): Nodes {
  const { runCommand, clock } = options;
  const poller = createPoller({
    list: (commandId) => runCommand.list(commandId),
    clock,
    intervalMs: options.commandPollMs,
  });

  const deliverySeconds = (purpose: Purpose): number =>
    purpose === 'leave' ? Math.min(options.deliverySeconds, LEAVE_DELIVERY) : options.deliverySeconds;

  async function sendTogether(tasks: readonly Task[]): Promise<(string | Error)[]> {
    const [first] = tasks;
    if (!first) return [];
    const entries = tasks.flatMap((task) => task.entry ?? []);
    const nodes = tasks.map((task) => task.node);
    const instanceIds = nodes.map((node) => node.instanceId);
    const whom =
      nodes.length === 1 ? `${first.node.instanceId} ${first.node.correlationId}` : `${nodes.length} nodes`;
    const commandId = await runCommand.send({
      document: options.documents[first.purpose],
      instanceIds,
      parameters: {
        ...first.shared,
        ...(entries.length > 0 ? { entries } : {}),
        executionTimeout: [String(options.executionSeconds[first.purpose])],
      },
      deliverySeconds: deliverySeconds(first.purpose),
      comment: `adjoin ${first.purpose} ${whom}`,
    });
    options.onCommand({ purpose: first.purpose, commandId, nodes });
    return tasks.map(() => commandId);
  }

  const send = createBatch<Task, string>({
    keyOf: (task) => JSON.stringify([task.purpose, task.shared]),
    maximum: NODES_PER_COMMAND,
    windowMs: options.coalesceMs,
    clock,
    async run(tasks) {
      try {
        return await sendTogether(tasks);
      } catch (error) {
        // One node that vanished makes Run Command refuse them all: then each stands for itself.
        if (tasks.length === 1 || !(error instanceof AdjoinError) || error.code !== 'node-not-ready')
          throw error;
        const alone = await Promise.allSettled(tasks.map((task) => sendTogether([task])));
        return alone.map((result) => {
          if (result.status === 'fulfilled')
            return result.value[0] ?? new RangeError('A command was sent to nobody.');
          return result.reason instanceof Error ? result.reason : new Error(String(result.reason));
        });
      }
    },
  });

  async function run(task: Task, signal: AbortSignal): Promise<Invocation> {
    const { instanceId } = task.node;
    const commandId = await send(task, signal);
    const limit = (deliverySeconds(task.purpose) + options.executionSeconds[task.purpose]) * 1000 + SLACK_MS;
    const invocation = await poller.wait(commandId, instanceId, clock.now() + limit, signal);
    const where = `Command ${commandId} (${task.purpose}) on ${instanceId}`;
    if (
      /Undeliverable|DeliveryTimedOut|Terminated|InvalidPlatform|AccessDenied/.test(
        invocation.detail.replaceAll(' ', ''),
      )
    ) {
      throw new AdjoinError(
        'command-undeliverable',
        `${where} could not be delivered: ${invocation.detail}.`,
      );
    }
    return invocation;
  }

  /** A failed command with a line of facts is an answer; without one it is a failed command. */
  async function ask<T>(
    task: Task,
    read: (instanceId: string, output: string) => T,
    signal: AbortSignal,
  ): Promise<T> {
    const invocation = await run(task, signal);
    try {
      return read(task.node.instanceId, invocation.output);
    } catch (error) {
      if (invocation.status === 'Success') throw error;
      throw new AdjoinError(
        'command-failed',
        `The ${task.purpose} on ${task.node.instanceId} ended as ${invocation.status} (${invocation.detail}) without facts.`,
        { cause: error },
      );
    }
  }

  return {
    readiness: createReadiness({
      registered: (instanceIds) => runCommand.registered(instanceIds),
      clock,
      intervalMs: options.registrationPollMs,
    }),
    probe: (node, signal) => ask({ purpose: 'probe', node, shared: {} }, facts.probe, signal),
    join: (node, entry, target, signal) =>
      ask(
        {
          purpose: 'join',
          node,
          shared: { domain: [target.domain], domainController: [target.domainController] },
          entry: entryText(entry),
        },
        facts.join,
        signal,
      ),
    leave: (node, domain, signal) =>
      ask({ purpose: 'leave', node, shared: { domain: [domain] } }, facts.leave, signal),
  };
}
