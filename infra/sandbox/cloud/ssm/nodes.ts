import type { Instance } from '../ec2/instances.ts';
import type { Timers } from '../timers.ts';

/*
 * A managed node: states, transitions, and who takes each.
 *
 *   (unknown) ──booted, and its agent's start-up time over──▶ Online ──machine died or rebooting──▶ silent
 *                                                                ▲                                    │
 *                                                                └────────rebooted (runner)───────────┘
 *   Online, silent ──terminated──▶ deregistered
 *
 * A silent node is shown as Online until a ping is overdue, and takes commands that it never fetches. A deregistered one
 * stays listed as ConnectionLost for as long as EC2 shows the instance, but takes no commands.
 */
export interface ManagedNode {
  readonly instance: Instance;
  readonly registeredAt: number;
  /** Since when its agent has been silent; undefined while it pings. */
  silentSince: number | undefined;
  deregistered: boolean;
}

/** The agent pings every five minutes. */
const pingIntervalMs = 5 * 60_000;

export class Nodes {
  readonly #nodes = new Map<string, ManagedNode>();
  readonly #starting = new Map<string, () => void>();
  readonly #timers: Timers;
  readonly #registrationDelayMs: number;
  readonly #registered: (instanceId: string) => void;

  /** @param registered told each node as it becomes one */
  constructor(timers: Timers, registrationDelayMs: number, registered: (instanceId: string) => void) {
    this.#timers = timers;
    this.#registrationDelayMs = registrationDelayMs;
    this.#registered = registered;
  }

  /** The instance runs; its agent registers a little later. */
  booted(instance: Instance): void {
    const start = this.#timers.after(this.#registrationDelayMs, () => {
      this.#starting.delete(instance.id);
      const registeredAt = this.#timers.now();
      this.#nodes.set(instance.id, { instance, registeredAt, silentSince: undefined, deregistered: false });
      this.#registered(instance.id);
    });
    this.#starting.set(instance.id, start);
  }

  silent(instanceId: string): void {
    this.#starting.get(instanceId)?.();
    const node = this.#nodes.get(instanceId);
    if (node) node.silentSince ??= this.#timers.now();
  }

  heard(instanceId: string): void {
    const node = this.#nodes.get(instanceId);
    if (node && !node.deregistered) node.silentSince = undefined;
  }

  terminated(instanceId: string): void {
    this.silent(instanceId);
    const node = this.#nodes.get(instanceId);
    if (node) node.deregistered = true;
  }

  /** The node, if it takes commands. */
  registered(instanceId: string): ManagedNode | undefined {
    const node = this.#nodes.get(instanceId);
    return node && !node.deregistered ? node : undefined;
  }

  alive(instanceId: string): boolean {
    const node = this.registered(instanceId);
    return node !== undefined && node.silentSince === undefined;
  }

  /** Everything that DescribeInstanceInformation lists. */
  listed(isVisible: (instanceId: string) => boolean): ManagedNode[] {
    for (const id of this.#nodes.keys()) if (!isVisible(id)) this.#nodes.delete(id);
    return [...this.#nodes.values()];
  }

  lastPingAt(node: ManagedNode): number {
    const end = node.silentSince ?? this.#timers.now();
    return end - ((end - node.registeredAt) % pingIntervalMs);
  }

  pingStatus(node: ManagedNode): 'Online' | 'ConnectionLost' {
    return this.#timers.now() - this.lastPingAt(node) > pingIntervalMs ? 'ConnectionLost' : 'Online';
  }
}
