import { ServiceFailure } from '../failure.ts';
import { hexDigits, type Random } from '../random.ts';
import type { Timers } from '../timers.ts';
import type { LaunchData } from './launch-templates.ts';

/*
 * An instance: states, transitions, and who takes each.
 *
 *   pending ──boot succeeded (fleet)──▶ running ──the machine died (host)──▶ stopped
 *      │                                   │                                    │
 *      └──boot failed (fleet)──┐           └──TerminateInstances (caller, group)┤
 *                              │           ◀──stop, start (its group: warm pool)──▶ │
 *                              │           ──StopInstances (caller)──▶ stopping ──▶ │ ──StartInstances (caller)──▶ pending
 *                              ▼                                                ▼
 *                          terminated ◀──────destroyed (fleet)────────── shutting-down
 *
 * A terminate during the boot waits for the boot to settle. A terminated instance stays visible for an hour, as in EC2.
 * EventBridge is told of every new state. A reboot is none.
 */
export type InstanceState = 'pending' | 'running' | 'stopping' | 'stopped' | 'shutting-down' | 'terminated';

/** The operating system, as the SSM agent tells it. */
export interface Platform {
  readonly type: 'Linux' | 'Windows';
  readonly name: string;
  readonly version: string;
}

/** What a machine runs of which its fleet says nothing. */
const debian: Platform = { type: 'Linux', name: 'Debian GNU/Linux', version: '12' };

/** What makes and unmakes the machines. */
export interface Fleet {
  /**
   * @param group that the instance is launched for, if any
   * @param launch what its launch template says, if it is known
   */
  boot(
    instanceId: string,
    group: string | undefined,
    launch: LaunchData | undefined,
  ): Promise<{ privateIpAddress: string; hostName: string; platform?: Platform | undefined }>;
  destroy(instanceId: string): Promise<void>;
  reboot(instanceId: string): Promise<void>;
  stop(instanceId: string): Promise<void>;
  start(instanceId: string, disk: 'same' | 'new'): Promise<void>;
}

export interface Instance {
  readonly id: string;
  readonly tags: Map<string, string>;
  readonly launchedAt: Date;
  readonly zone: string;
  /** Of its launch template, if it is known. */
  readonly launch: LaunchData | undefined;
  state: InstanceState;
  reason: string;
  privateIpAddress: string | undefined;
  hostName: string | undefined;
  platform: Platform;
  terminatedAt: number | undefined;
}

/** Who wants to know what becomes of an instance. */
export interface InstanceEvents {
  /** It has another state, or is new. Told before any of the others. */
  changed(instance: Instance): void;
  running(instance: Instance): void;
  stopped(instance: Instance): void;
  /** Its group stopped it, or takes its disk away, or a caller stops or reboots it; it runs again later. */
  halted(instance: Instance): void;
  rebooted(instance: Instance): void;
  /** Termination began: by its group, by a caller, or by a failed boot. */
  terminating(instance: Instance): void;
  terminated(instance: Instance): void;
}

const visibleAfterTerminationMs = 3_600_000;

const incorrectState = ({ id, state }: Instance, what: string): ServiceFailure =>
  new ServiceFailure(
    'IncorrectInstanceState',
    `The instance '${id}' is not in a state from which it can be ${what}: it is ${state}.`,
  );

/** Numeric codes that go with the states' names on the wire. */
export const stateCodes: Readonly<Record<InstanceState, number>> = {
  pending: 0,
  running: 16,
  'shutting-down': 32,
  terminated: 48,
  stopping: 64,
  stopped: 80,
};

export class Instances {
  readonly #instances = new Map<string, Instance>();
  readonly #boots = new Map<string, Promise<void>>();
  readonly #fleet: Fleet;
  readonly #events: InstanceEvents;
  readonly #timers: Timers;
  readonly #random: Random;

  constructor(parts: { fleet: Fleet; events: InstanceEvents; timers: Timers; random: Random }) {
    this.#fleet = parts.fleet;
    this.#events = parts.events;
    this.#timers = parts.timers;
    this.#random = parts.random;
  }

  /** Starts an instance; its boot goes on by itself. */
  launch(tags: ReadonlyMap<string, string>, zone: string, launch?: LaunchData): Instance {
    const instance: Instance = {
      id: `i-${hexDigits(this.#random, 17)}`,
      tags: new Map(tags),
      launchedAt: this.#timers.date(),
      zone,
      launch,
      state: 'pending',
      reason: '',
      privateIpAddress: undefined,
      hostName: undefined,
      platform: debian,
      terminatedAt: undefined,
    };
    this.#instances.set(instance.id, instance);
    this.#events.changed(instance);
    this.#boots.set(instance.id, this.#boot(instance));
    return instance;
  }

  /** Ends an instance; a second call changes nothing. */
  terminate(id: string, reason: string): Instance {
    const instance = this.get(id);
    if (instance.state === 'shutting-down' || instance.state === 'terminated') return instance;
    this.#become(instance, 'shutting-down');
    instance.reason = reason;
    this.#events.terminating(instance);
    void this.#destroy(instance);
    return instance;
  }

  /** Stops an instance for a caller. It keeps its disk. */
  stop(id: string): Instance {
    const instance = this.get(id);
    if (instance.state === 'stopping' || instance.state === 'stopped') return instance;
    if (instance.state !== 'running') throw incorrectState(instance, 'stopped');
    instance.reason = 'User initiated';
    this.#become(instance, 'stopping');
    this.#events.halted(instance);
    void this.#next(instance, async () => {
      await this.#fleet.stop(id);
      if (instance.state !== 'stopping') return;
      this.#become(instance, 'stopped');
      this.#events.stopped(instance);
    });
    return instance;
  }

  /** Starts an instance again for a caller. */
  startAgain(id: string): Instance {
    const instance = this.get(id);
    if (instance.state === 'pending' || instance.state === 'running') return instance;
    if (instance.state !== 'stopped') throw incorrectState(instance, 'started');
    this.start(id);
    return instance;
  }

  /** The same machine starts anew; to EC2 it runs all the time. */
  reboot(id: string): void {
    const instance = this.get(id);
    if (instance.state !== 'running') throw incorrectState(instance, 'rebooted');
    this.#events.halted(instance);
    void this.#next(instance, async () => {
      await this.#fleet.reboot(id);
      if (instance.state === 'running') this.#events.rebooted(instance);
    });
  }

  /** Stops an instance for its group. It keeps its disk. */
  halt(id: string): Promise<void> {
    const instance = this.get(id);
    if (instance.state !== 'running') return Promise.resolve();
    this.#become(instance, 'stopped');
    instance.reason = 'User initiated';
    this.#events.halted(instance);
    return this.#next(instance, () => this.#fleet.stop(id));
  }

  /** Starts an instance that its group has stopped. */
  start(id: string, disk: 'same' | 'new' = 'same'): void {
    const instance = this.get(id);
    if (instance.state !== 'stopped') return;
    this.#become(instance, 'pending');
    void this.#next(instance, async () => {
      await this.#fleet.start(id, disk);
      if (instance.state !== 'pending') return;
      this.#become(instance, 'running');
      this.#events.running(instance);
    });
  }

  /** What the fleet does to one machine goes one after the other. A failure ends the instance. */
  #next(instance: Instance, run: () => Promise<void>): Promise<void> {
    const before = this.#boots.get(instance.id);
    const follow = async (): Promise<void> => {
      await before;
      if (instance.state === 'shutting-down' || instance.state === 'terminated') return;
      try {
        await run();
      } catch (error) {
        this.terminate(
          instance.id,
          `Server.InternalError: ${error instanceof Error ? error.message : String(error)}`,
        );
      }
    };
    const done = follow();
    this.#boots.set(instance.id, done);
    return done;
  }

  died(id: string): void {
    const instance = this.get(id);
    if (instance.state !== 'running') return;
    this.#become(instance, 'stopped');
    instance.reason = 'Client.InstanceInitiatedShutdown: Instance initiated shutdown';
    this.#events.stopped(instance);
  }

  get(id: string): Instance {
    const instance = this.find(id);
    if (instance) return instance;
    if (!/^i-([0-9a-f]{8}|[0-9a-f]{17})$/.test(id)) {
      throw new ServiceFailure('InvalidInstanceID.Malformed', `Invalid id: "${id}"`);
    }
    throw new ServiceFailure('InvalidInstanceID.NotFound', `The instance ID '${id}' does not exist`);
  }

  find(id: string): Instance | undefined {
    return this.all().find((each) => each.id === id);
  }

  all(): Instance[] {
    const now = this.#timers.now();
    for (const { id, terminatedAt } of this.#instances.values()) {
      if (terminatedAt !== undefined && now - terminatedAt > visibleAfterTerminationMs)
        this.#instances.delete(id);
    }
    return [...this.#instances.values()];
  }

  #become(instance: Instance, state: InstanceState): void {
    instance.state = state;
    this.#events.changed(instance);
  }

  async #boot(instance: Instance): Promise<void> {
    try {
      const group = instance.tags.get('aws:autoscaling:groupName');
      const booted = await this.#fleet.boot(instance.id, group, instance.launch);
      instance.privateIpAddress = booted.privateIpAddress;
      instance.hostName = booted.hostName;
      instance.platform = booted.platform ?? debian;
    } catch (error) {
      if (instance.state !== 'pending') return;
      instance.reason = `Server.InternalError: ${error instanceof Error ? error.message : String(error)}`;
      this.#become(instance, 'shutting-down');
      this.#events.terminating(instance);
      // Waits for this very function to return, so it can't be awaited here.
      void this.#destroy(instance);
      return;
    }
    if (instance.state !== 'pending') return;
    this.#become(instance, 'running');
    this.#events.running(instance);
  }

  async #destroy(instance: Instance): Promise<void> {
    await this.#boots.get(instance.id);
    try {
      await this.#fleet.destroy(instance.id);
    } catch (error) {
      // The machine is the host's to clean up; for the cloud the instance is over either way.
      instance.reason = `${instance.reason} (${error instanceof Error ? error.message : String(error)})`;
    }
    this.#boots.delete(instance.id);
    this.#become(instance, 'terminated');
    instance.terminatedAt = this.#timers.now();
    this.#events.terminated(instance);
  }
}
