/** What adjoin does on nodes: probe, join, leave, and what a group wants done after its joins. Nodes that need the same thing at the same time share one command. */
import { type Batch, createBatch } from '../batch.ts';
import { CALLED_OFF, type Clock } from '../clock.ts';
import { AdjoinError, asAdjoinError, type ErrorCode } from '../errors.ts';
import {
  entryText,
  facts,
  type JoinEntry,
  type JoinFacts,
  type LeaveFacts,
  type PostJoinFacts,
  type ProbeFacts,
  type Purpose,
} from './contract.ts';
import { createPoller, type Invocation, type ListedInvocation, type SentCommand } from './poller.ts';
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
  /**
   * @param signal once it aborts, a command that has been held back until then is not sent
   * @throws AdjoinError `node-not-ready`, `node-unsupported`, `document-mismatch`, `aws-…`; the signal's reason
   */
  send(request: CommandRequest, signal: AbortSignal): Promise<SentCommand>;
  list(commandId: string): Promise<readonly Invocation[]>;
  /** Page by page, what was sent at this time or later, milliseconds since the Unix epoch by the service's clock. */
  listSince(requestedAt: number): AsyncIterable<readonly ListedInvocation[]>;
  registered(instanceIds: readonly string[]): Promise<ReadonlySet<string>>;
}

export interface NodesOptions {
  readonly runCommand: RunCommand;
  readonly documents: Readonly<Record<'probe' | 'joinLinux' | 'joinWindows' | 'leave', Document>>;
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
  /** Told of every command that a person has cancelled on a node. */
  readonly onCancelled: (command: {
    readonly purpose: Purpose;
    readonly commandId: string;
    readonly node: Target;
  }) => void;
}

/** A node, and the lifecycle action that commands on it serve. */
export interface Target {
  readonly instanceId: string;
  readonly correlationId: string;
}

export interface JoinTarget {
  readonly domain: string;
  readonly domainController: string;
  /** What the probe has found. A join restarts a Windows node. */
  readonly platform: 'linux' | 'windows';
}

/** What the group says of its nodes. What it does not say is no parameter: the documents have defaults. */
export interface NodeSettings {
  /** What the nodes run, as the tag `Operating_System` has it. */
  readonly operatingSystem?: string | undefined;
  /** Where nodes install missing packages from, as `nodes.packageRepository` of the configuration has it. */
  readonly packageRepository?: string | undefined;
}

/** Who may log in. Names of groups have colons between them, and + for a space. */
export interface AccessSettings {
  readonly logInGroups?: string | undefined;
  readonly sudoGroups?: string | undefined;
  readonly groupPolicy?: string | undefined;
}

export interface Nodes {
  readonly readiness: Readiness;
  /** @param asked with a challenge, a name that a member registers in DNS, to prove which account it has */
  probe(
    node: Target,
    signal: AbortSignal,
    asked?: NodeSettings & { readonly challenge?: string },
  ): Promise<ProbeFacts>;
  /** @param own the group's own document, in place of the platform's */
  join(
    node: Target,
    entry: JoinEntry,
    target: JoinTarget & NodeSettings & AccessSettings,
    signal: AbortSignal,
    own?: Document,
  ): Promise<JoinFacts>;
  /**
   * A leave that is cancelled is sent again while there is time.
   * @param notAfter milliseconds since the Unix epoch: the node does nothing from then on, by its own clock
   * @param own the group's own document, in place of adjoin's
   */
  leave(
    node: Target,
    domain: string,
    notAfter: number,
    signal: AbortSignal,
    own?: Document,
  ): Promise<LeaveFacts>;
  /**
   * Runs a group's own document on a member.
   * @throws AdjoinError `post-join-failed` when it ran and failed; what keeps a command from running
   */
  postJoin(
    node: Target,
    document: Document,
    member: Pick<JoinTarget, 'domain' | 'platform'>,
    signal: AbortSignal,
  ): Promise<void>;
}

/** The most instance IDs that SendCommand takes (API reference). */
const NODES_PER_COMMAND = 50;
/** The most entries that a join carries: the parameter's `maxItems`. Systems Manager counts them into the document's 64 KB. */
export const NODES_PER_JOIN = 40;
/**
 * Seconds that a leave may take to be delivered; Run Command accepts no less. No action waits for it long, and a node that
 * gets it later than that does nothing: it may be the next life of the same instance (a new root volume).
 */
const LEAVE_DELIVERY_SECONDS = 30;
/** Milliseconds that a join takes at least: adcli alone takes one second, and sssd has to start and find the domain. */
const QUICKEST_JOIN_MS = 3_000;
/** Milliseconds beyond delivery and execution before a command counts as lost. */
const SLACK_MS = 10_000;

/**
 * Milliseconds that a node may take to start again in the middle of a command, which stays InProgress meanwhile. Windows begins it a
 * minute after the SSM agent has asked for it, and a first start with updates pending takes minutes.
 */
const RESTART_MS = 600_000;

/**
 * Errors for which Run Command refuses a whole command although only one node may be the cause: one that is gone, one that
 * runs another operating system, one without the tag that the worker's policy asks for, one that is named twice.
 */
const REFUSED_FOR_ONE: ReadonlySet<ErrorCode> = new Set([
  'node-not-ready',
  'node-unsupported',
  'aws-denied',
  'aws-refused',
]);
/** How Run Command says that a command never ran, in `StatusDetails` (user guide, "Understanding command statuses"). */
const UNDELIVERED = /Undeliverable|DeliveryTimedOut|Terminated|AccessDenied/;
const OTHER_PLATFORM = /InvalidPlatform/;
/** A person, or a program, has called CancelCommand. The script was killed at any point, or will be. */
const CANCELLED: ReadonlySet<string> = new Set(['Cancelling', 'Cancelled']);
/** Milliseconds before a leave that was cancelled is sent again: its time is short. */
const LEAVE_AGAIN_MS = 2_000;

/** Run Command puts this between the two streams of an invocation (recorded: test/fixtures/ssm-agent-recorded.json). */
const ERROR_TITLE = '----------ERROR-------';

/** The first line of what a script wrote to standard error, as safe for a log as facts are; empty where it wrote nothing. */
function complaintIn(output: string): string {
  const [, ...errors] = output.split(ERROR_TITLE);
  const line = errors
    .join('')
    .split('\n')
    .find((each) => each.trim() !== '');
  return (line ?? '')
    .replaceAll(/[^ -~]+/g, ' ')
    .trim()
    .slice(0, 200);
}

/** Why a post-join document failed, or undefined if it did not. Its facts count more than its exit code. */
function failureIn(instanceId: string, { status, output }: Invocation): string | undefined {
  let said: PostJoinFacts | undefined;
  try {
    said = facts.postJoin(instanceId, output);
  } catch (error) {
    return asAdjoinError(error).message;
  }
  if (status === 'Success' && said?.result !== 'failed') return undefined;
  return said?.detail || complaintIn(output);
}

interface Task {
  readonly purpose: Purpose;
  readonly document: Document;
  readonly node: Target;
  /** Parameters that all nodes of a command share. */
  readonly shared: Readonly<Record<string, readonly string[]>>;
  /** This node's own value of `entries`. */
  readonly entry?: string;
  /** The node starts again while the command runs. */
  readonly restarts?: boolean;
  /** Aborts when the caller no longer waits. */
  readonly signal: AbortSignal;
}

/** The parameters that have a value. */
function given(values: Readonly<Record<string, string | undefined>>): Task['shared'] {
  return Object.fromEntries(
    Object.entries(values).flatMap(([name, value]) => (value === undefined ? [] : [[name, [value]]])),
  );
}

/** Runs `work` under a signal that aborts once no caller waits for any of the tasks, with the last one's reason. */
async function whileWanted<T>(tasks: readonly Task[], work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const unwanted = new AbortController();
  const done = new AbortController();
  for (const { signal } of tasks) {
    const look = (): void => {
      if (tasks.every((task) => task.signal.aborted)) unwanted.abort(signal.reason);
    };
    signal.addEventListener('abort', look, { signal: done.signal });
  }
  try {
    return await work(unwanted.signal);
  } finally {
    done.abort(CALLED_OFF);
  }
}

export function createNodes(options: NodesOptions): Nodes {
  const { runCommand, clock, documents } = options;
  const poller = createPoller({
    list: (commandId) => runCommand.list(commandId),
    listSince: (requestedAt) => runCommand.listSince(requestedAt),
    clock,
    intervalMs: options.commandPollMs,
  });

  const deliverySeconds = (purpose: Purpose): number =>
    purpose === 'leave' ? Math.min(options.deliverySeconds, LEAVE_DELIVERY_SECONDS) : options.deliverySeconds;

  async function sendTogether(first: Task, others: readonly Task[]): Promise<SentCommand> {
    const tasks = [first, ...others];
    const entries = tasks.flatMap((task) => task.entry ?? []);
    const nodes = tasks.map((task) => task.node);
    const instanceIds = nodes.map((node) => node.instanceId);
    const whom =
      nodes.length === 1 ? `${first.node.instanceId} ${first.node.correlationId}` : `${nodes.length} nodes`;
    const request: CommandRequest = {
      document: first.document,
      instanceIds,
      parameters: {
        ...first.shared,
        ...(entries.length > 0 ? { entries } : {}),
        executionTimeout: [String(options.executionSeconds[first.purpose])],
      },
      deliverySeconds: deliverySeconds(first.purpose),
      comment: `adjoin ${first.purpose} ${whom}`,
    };
    const command = await whileWanted(tasks, (signal) => runCommand.send(request, signal));
    options.onCommand({ purpose: first.purpose, commandId: command.commandId, nodes });
    return command;
  }

  /**
   * One command for all of them or, when one of them makes it fail, one for each half: few calls find one of fifty.
   * @param sent is given each one's command, or why there is none
   */
  async function sendApart(tasks: readonly Task[], sent: Map<Task, SentCommand | Error>): Promise<void> {
    // Time has passed; a late command could reach the next life of the same instance.
    const wanted = tasks.filter((task) => !task.signal.aborted);
    const [first, ...others] = wanted;
    if (!first) return;
    try {
      const command = await sendTogether(first, others);
      for (const task of wanted) sent.set(task, command);
    } catch (error) {
      const known = asAdjoinError(error);
      if (others.length === 0 || !REFUSED_FOR_ONE.has(known.code)) {
        for (const task of wanted) sent.set(task, known);
        return;
      }
      const half = Math.ceil(wanted.length / 2);
      // One after the other: a worker that may not send at all is refused for each node by itself.
      await sendApart(wanted.slice(0, half), sent);
      await sendApart(wanted.slice(half), sent);
    }
  }

  const sharing = (maximum: number): Batch<Task, SentCommand> =>
    createBatch({
      keyOf: (task) => JSON.stringify([task.purpose, task.document.name, task.shared]),
      maximum,
      windowMs: options.coalesceMs,
      isUrgent: true,
      clock,
      async run(tasks) {
        const sent = new Map<Task, SentCommand | Error>();
        await sendApart(tasks, sent);
        return tasks.map((task) => sent.get(task) ?? asAdjoinError(task.signal.reason));
      },
    });
  const sendOne = sharing(NODES_PER_COMMAND);
  const sendJoin = sharing(NODES_PER_JOIN);

  async function run(task: Task): Promise<Invocation> {
    const { node, signal } = task;
    const { instanceId } = node;
    const command = await (task.purpose === 'join' ? sendJoin : sendOne)(task, signal);
    const executionMs = options.executionSeconds[task.purpose] * 1000;
    // Before and after the restart, the script has its whole time.
    const restartMs = task.restarts === true ? RESTART_MS + executionMs : 0;
    const limit = deliverySeconds(task.purpose) * 1000 + executionMs + restartMs + SLACK_MS;
    const kind = `${task.purpose} ${task.document.name}`;
    const leastMs = task.purpose === 'join' ? QUICKEST_JOIN_MS : 0;
    const invocation = await poller.wait(command, instanceId, clock.now() + limit, signal, kind, leastMs);
    const { commandId } = command;
    const where = `Command ${commandId} (${task.purpose}) on ${instanceId}`;
    const detail = invocation.detail.replaceAll(' ', '');
    if (OTHER_PLATFORM.test(detail)) {
      throw new AdjoinError('node-unsupported', `${where} did not run: ${invocation.detail}.`);
    }
    if (invocation.isSkipped === true) {
      throw new AdjoinError('node-unsupported', `${where} did not run: no step is for the node's platform.`);
    }
    if (UNDELIVERED.test(detail)) {
      throw new AdjoinError(
        'command-undeliverable',
        `${where} could not be delivered: ${invocation.detail}.`,
      );
    }
    if (CANCELLED.has(invocation.status)) {
      options.onCancelled({ purpose: task.purpose, commandId, node });
      throw new AdjoinError('command-cancelled', `${where} was cancelled.`);
    }
    return invocation;
  }

  /** A failed command with a line of facts is an answer; without one it is a failed command. */
  async function ask<T>(task: Task, read: (instanceId: string, output: string) => T): Promise<T> {
    const invocation = await run(task);
    try {
      return read(task.node.instanceId, invocation.output);
    } catch (error) {
      if (invocation.status === 'Success') throw error;
      const complaint = complaintIn(invocation.output);
      throw new AdjoinError(
        'command-failed',
        `The ${task.purpose} on ${task.node.instanceId} ended as ${invocation.status} (${invocation.detail}) without facts${complaint && `: ${complaint}`}.`,
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
    probe: (node, signal, asked = {}) =>
      ask(
        { purpose: 'probe', document: documents.probe, node, shared: given({ ...asked }), signal },
        facts.probe,
      ),
    join: (node, entry, { platform, ...target }, signal, own) =>
      ask(
        {
          purpose: 'join',
          document: own ?? (platform === 'windows' ? documents.joinWindows : documents.joinLinux),
          node,
          shared: given(target),
          entry: entryText(entry),
          restarts: platform === 'windows',
          signal,
        },
        facts.join,
      ),
    async leave(node, domain, notAfter, signal, own) {
      // Whole seconds are what the node compares; leaves of the same second can still share a command.
      const seconds = String(Math.floor(notAfter / 1000));
      const task: Task = {
        purpose: 'leave',
        document: own ?? documents.leave,
        node,
        shared: { domain: [domain], notAfter: [seconds] },
        signal,
      };
      for (;;) {
        try {
          return await ask(task, facts.leave);
        } catch (error) {
          const again = asAdjoinError(error).code === 'command-cancelled';
          if (!again || clock.now() + LEAVE_AGAIN_MS >= notAfter) throw error;
        }
        await clock.sleep(LEAVE_AGAIN_MS, signal);
      }
    },
    async postJoin(node, document, { domain, platform }, signal) {
      const { instanceId } = node;
      const invocation = await run({
        purpose: 'post-join',
        document,
        node,
        shared: { domain: [domain] },
        restarts: platform === 'windows',
        signal,
      });
      const failure = failureIn(instanceId, invocation);
      if (failure === undefined) return;
      throw new AdjoinError(
        'post-join-failed',
        `The post-join document ${document.name} on ${instanceId} ended as ${invocation.status} (${invocation.detail})${failure && `: ${failure}`}.`,
      );
    },
  };
}
