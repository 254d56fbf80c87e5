import { uuid, type Random } from '../random.ts';
import type { Timers } from '../timers.ts';
import type { DocumentVersion } from './documents.ts';
import type { Parameters } from './document.ts';
import type { Nodes } from './nodes.ts';
import { runDocument, type ScriptRunner, type StepResult } from './runner/run-document.ts';

/*
 * An invocation (one command on one node): states, transitions, and who takes each.
 *
 *   Pending ──the node fetches it (at most five at a time)──▶ InProgress ──the document ends──▶ Success | Failed | TimedOut
 *      │                                                          │
 *      ├──CancelCommand──▶ Cancelled                              ├──CancelCommand──▶ Cancelling ──killed──▶ Cancelled
 *      └──delivery timeout──▶ TimedOut (DeliveryTimedOut)         └──node silent, all time-outs over──▶ TimedOut
 *
 * A final state never changes.
 */
export type InvocationStatus =
  | 'Pending'
  | 'InProgress'
  | 'Cancelling'
  | 'Success'
  | 'Failed'
  | 'TimedOut'
  | 'Cancelled';

export interface Invocation {
  readonly command: Command;
  readonly instanceId: string;
  readonly instanceName: string;
  readonly requestedAt: Date;
  /** Read operations do not know it earlier: SSM is eventually consistent. */
  readonly visibleAt: number;
  readonly cancel: AbortController;
  status: InvocationStatus;
  statusDetails: string;
  startedAt: Date | undefined;
  finishedAt: Date | undefined;
  steps: readonly StepResult[];
}

export interface Command {
  readonly id: string;
  readonly documentName: string;
  readonly version: DocumentVersion;
  readonly requestedVersion: string;
  readonly parameters: Parameters;
  readonly comment: string;
  readonly instanceIds: readonly string[];
  readonly targets: { Key?: string | undefined; Values?: string[] | undefined }[];
  readonly timeoutSeconds: number;
  /** A number or a percentage, as it was given; it stops nothing here, because a command is sent to all its nodes at once. */
  readonly maxErrors: string;
  readonly requestedAt: Date;
  readonly invocations: Map<string, Invocation>;
}

export interface CommandsOptions {
  timers: Timers;
  random: Random;
  nodes: Nodes;
  scripts: ScriptRunner;
  region: string;
  reboot: (instanceId: string) => Promise<void>;
  /** How long a node takes to fetch a command. */
  pickupMs: number;
  /** How long after SendCommand the invocation can't be read yet. */
  visibleAfterMs: number;
}

/** The agent's default number of command workers. */
const mostAtOnce = 5;
/** SSM keeps a command's history for 30 days. */
const keptMs = 30 * 86_400_000;
/** An agent that is alive reports this long after the step's own time-out at the latest. */
const reportGraceMs = 30_000;

export class Commands {
  readonly #commands = new Map<string, Command>();
  readonly #queues = new Map<string, { running: number; waiting: Invocation[] }>();
  readonly #options: CommandsOptions;
  readonly #timers: Timers;

  constructor(options: CommandsOptions) {
    this.#options = options;
    this.#timers = options.timers;
  }

  all(): Command[] {
    const oldest = this.#timers.now() - keptMs;
    for (const { id, requestedAt } of this.#commands.values()) {
      if (requestedAt.getTime() < oldest) this.#commands.delete(id);
    }
    return [...this.#commands.values()];
  }

  get(id: string): Command | undefined {
    return this.all().find((each) => each.id === id);
  }

  visible(invocation: Invocation): boolean {
    return this.#timers.now() >= invocation.visibleAt;
  }

  send(request: Omit<Command, 'id' | 'requestedAt' | 'invocations'>): Command {
    const requestedAt = this.#timers.date();
    const command: Command = {
      ...request,
      id: uuid(this.#options.random),
      requestedAt,
      invocations: new Map(),
    };
    this.#commands.set(command.id, command);
    for (const instanceId of command.instanceIds) {
      const invocation: Invocation = {
        command,
        instanceId,
        instanceName: this.#options.nodes.registered(instanceId)?.instance.hostName ?? '',
        requestedAt,
        visibleAt: requestedAt.getTime() + this.#options.visibleAfterMs,
        cancel: new AbortController(),
        status: 'Pending',
        statusDetails: 'Pending',
        startedAt: undefined,
        finishedAt: undefined,
        steps: [],
      };
      command.invocations.set(instanceId, invocation);
      this.#timers.after(command.timeoutSeconds * 1000, () => {
        if (invocation.status === 'Pending') this.#finish(invocation, 'TimedOut', 'DeliveryTimedOut');
      });
      this.#timers.after(this.#options.pickupMs, () => {
        this.#queue(instanceId).waiting.push(invocation);
        this.fetch(instanceId);
      });
    }
    return command;
  }

  cancel(command: Command, instanceIds: readonly string[]): void {
    for (const invocation of command.invocations.values()) {
      if (instanceIds.length > 0 && !instanceIds.includes(invocation.instanceId)) continue;
      if (invocation.status === 'Pending') this.#finish(invocation, 'Cancelled', 'Cancelled');
      if (invocation.status !== 'InProgress') continue;
      invocation.status = 'Cancelling';
      invocation.statusDetails = 'Cancelling';
      invocation.cancel.abort();
    }
  }

  /** The node asks for work: when a command arrives, when one ends, when its agent comes back. */
  fetch(instanceId: string): void {
    if (!this.#options.nodes.alive(instanceId)) return;
    const queue = this.#queue(instanceId);
    while (queue.running < mostAtOnce) {
      const invocation = queue.waiting.shift();
      if (!invocation) return;
      if (invocation.status !== 'Pending') continue;
      queue.running += 1;
      void this.#execute(invocation).finally(() => {
        queue.running -= 1;
        this.fetch(instanceId);
      });
    }
  }

  /** The node is gone for good: nothing on it goes on. */
  terminated(instanceId: string): void {
    for (const command of this.#commands.values()) command.invocations.get(instanceId)?.cancel.abort();
    this.#queues.delete(instanceId);
  }

  close(): void {
    for (const command of this.#commands.values()) {
      for (const invocation of command.invocations.values()) invocation.cancel.abort();
    }
  }

  async #execute(invocation: Invocation): Promise<void> {
    const { command, instanceId } = invocation;
    const { nodes, scripts, region, reboot } = this.#options;
    invocation.status = 'InProgress';
    invocation.statusDetails = 'InProgress';
    invocation.startedAt = this.#timers.date();
    const { signal } = invocation.cancel;
    try {
      const { status, steps } = await runDocument({
        document: command.version.document,
        parameters: command.parameters,
        commandId: command.id,
        instanceId,
        region,
        scripts,
        platform: nodes.registered(instanceId)?.instance.platform.type ?? 'Linux',
        now: () => this.#timers.date(),
        reboot: async () => {
          nodes.silent(instanceId);
          await reboot(instanceId);
          nodes.heard(instanceId);
        },
        signal,
      });
      if (!nodes.alive(instanceId)) {
        this.#silence(invocation);
        return;
      }
      invocation.steps = steps;
      this.#finish(invocation, status, status === 'TimedOut' ? 'ExecutionTimedOut' : status);
    } catch {
      // The machine went away under the script: no agent is left to report.
      this.#silence(invocation);
    }
  }

  /** No report will come. The service gives up when every time-out is over; a cancel counts as done. */
  #silence(invocation: Invocation): void {
    if (invocation.status === 'Cancelling') {
      this.#finish(invocation, 'Cancelled', 'Cancelled');
      return;
    }
    this.#timers.after(invocation.command.timeoutSeconds * 1000 + reportGraceMs, () =>
      this.#finish(invocation, 'TimedOut', 'ExecutionTimedOut'),
    );
  }

  #finish(invocation: Invocation, status: Invocation['status'], details: string): void {
    if (invocation.finishedAt) return;
    Object.assign(invocation, { status, statusDetails: details, finishedAt: this.#timers.date() });
  }

  #queue(instanceId: string): { running: number; waiting: Invocation[] } {
    const queue = this.#queues.get(instanceId) ?? { running: 0, waiting: [] };
    this.#queues.set(instanceId, queue);
    return queue;
  }
}

/** A command's status as its invocations make it. */
export function commandStatus(command: Command): {
  status: InvocationStatus;
  details: string;
  completed: number;
  errors: number;
  undelivered: number;
} {
  const all = [...command.invocations.values()];
  const done = all.filter((each) => each.finishedAt !== undefined);
  const failed = done.filter(
    (each) => each.status === 'Failed' || each.statusDetails === 'ExecutionTimedOut',
  );
  const undelivered = done.filter((each) => each.statusDetails === 'DeliveryTimedOut');
  const counts = { completed: done.length, errors: failed.length, undelivered: undelivered.length };
  if (done.length < all.length) {
    const cancelling = all.some((each) => each.status === 'Cancelling');
    const started = all.some((each) => each.status !== 'Pending');
    const status = cancelling ? 'Cancelling' : started ? 'InProgress' : 'Pending';
    return { status, details: status, ...counts };
  }
  const order: InvocationStatus[] = ['Failed', 'TimedOut', 'Cancelled'];
  const worst = order
    .map((status) => done.find((each) => each.status === status))
    .find((each) => each !== undefined);
  return { status: worst?.status ?? 'Success', details: worst?.statusDetails ?? 'Success', ...counts };
}
