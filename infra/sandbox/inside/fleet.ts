/** The instances of the Auto Scaling group as machines on the bridge: what EC2 and the SSM agents do to them. */
import { defaultHostName, type Machine, type Script, startMachine } from '../machine/machine.ts';
import type { Outcome } from '../machine/process.ts';
import { makeRpmSystem } from '../machine/rpm/rpm-system.ts';
import { directoriesFor, runPowerShell } from '../machine/windows/run-power-shell.ts';
import type { Platform } from '../cloud/ec2/instances.ts';
import type { LaunchData } from '../cloud/ec2/launch-templates.ts';
import type { MachineSystem } from './systems.ts';

export interface FleetOptions {
  readonly image: string;
  /** A directory on a tmpfs. */
  readonly runtime: string;
  /** The name servers of a machine that boots now. */
  readonly nameServers: () => readonly string[];
  readonly searchDomain: string;
  /** Called when a machine ends by itself. */
  readonly onDeath: (instanceId: string) => void;
  /** Called for each machine before its instance counts as booted; what it changes is like a part of the image. */
  readonly prepare?: (machine: Machine) => Promise<void>;
  /** What the machines of a group are like. Default: what the image has. */
  readonly systemOf?: (group: string | undefined) => MachineSystem | undefined;
  /** The first process of machines that don't boot with user data. Default: shell. */
  readonly init?: 'shell' | 'systemd';
  /** What boots with the user data that it is launched with. Default: nothing, and user data says nothing to any machine. */
  readonly workers?: () => WorkerImage | undefined;
}

/** The image of machines that run their user data. */
export interface WorkerImage {
  /** What lies over the machine image. */
  readonly layer: string;
  /** Makes the machine, which has just booted with systemd, what the image is; at last it begins to run its user data. */
  begin(machine: Machine): Promise<void>;
}

export interface Fleet {
  boot(
    instanceId: string,
    group: string | undefined,
    launch: LaunchData | undefined,
  ): Promise<{ privateIpAddress: string; hostName: string; platform?: Platform }>;
  /** Idempotent. */
  destroy(instanceId: string): Promise<void>;
  reboot(instanceId: string): Promise<void>;
  /** Both keep the address. A machine with a new disk is prepared like one that boots for the first time. */
  stop(instanceId: string): Promise<void>;
  start(instanceId: string, disk: 'same' | 'new'): Promise<void>;
  /** Runs a script as Run Command does. */
  run(instanceId: string, script: Script, signal: AbortSignal): Promise<Outcome>;
  /** The machine of an instance; undefined before it is up and after it is gone. */
  machine(instanceId: string): Machine | undefined;
  /** The instance with this address; also while it boots. */
  instanceAt(address: string): string | undefined;
  /** What the machine is like; also after it is gone. Undefined: as the image. */
  systemOf(instanceId: string): MachineSystem | undefined;
  machines(): readonly Machine[];
  /** Those that booted with user data. */
  workers(): readonly Machine[];
  close(): Promise<void>;
}

/** Addresses 10.77.1.0 to 10.77.255.255; the domain controllers keep 10.77.0.x. */
const firstAddress = 256;
const addresses = 65_536 - firstAddress;

const addressOf = (index: number): string => {
  const number = firstAddress + (index % addresses);
  return `10.77.${number >> 8}.${number & 255}`;
};

const ordinary = (address: string): boolean => !/\.(0|255)$/.test(address);

export function createFleet(options: FleetOptions): Fleet {
  /** An instance is here from the moment its boot begins: what is destroyed early must not come up late. */
  const booting = new Map<string, Promise<Machine>>();
  const up = new Map<string, Machine>();
  /** Instances by address. */
  const taken = new Map<string, string>();
  const systems = new Map<string, MachineSystem>();
  const withUserData = new Set<string>();
  /** Machines that are being made like a system of the RPM family; each resolves when that is over. */
  const making = new Set<Promise<void>>();
  let next = 0;

  const takeAddress = (instanceId: string): string => {
    for (;;) {
      const address = addressOf(next);
      next += 1;
      if (!ordinary(address) || taken.has(address)) continue;
      taken.set(address, instanceId);
      return address;
    }
  };
  const need = (instanceId: string): Machine => {
    const machine = up.get(instanceId);
    if (!machine) throw new Error(`${instanceId}: there is no such machine`);
    return machine;
  };
  const destroy = async (instanceId: string): Promise<void> => {
    const boot = booting.get(instanceId);
    if (!boot) return;
    booting.delete(instanceId);
    // A boot that failed left nothing to destroy.
    const machine = await boot.catch(() => undefined);
    up.delete(instanceId);
    if (!machine) return;
    await machine.destroy();
    taken.delete(machine.address);
  };

  const prepare = async (instanceId: string, machine: Machine): Promise<void> => {
    const rpm = systems.get(instanceId)?.rpm;
    if (rpm) await makeRpmSystem(machine, rpm);
    await options.prepare?.(machine);
  };

  return {
    async boot(instanceId, group, launch) {
      const address = takeAddress(instanceId);
      const worker = launch?.userData === undefined ? undefined : options.workers?.();
      if (worker) withUserData.add(instanceId);
      const system = options.systemOf?.(group);
      if (system) systems.set(instanceId, system);
      const powerShell = system?.powerShell;
      const boot = startMachine({
        image: options.image,
        runtime: options.runtime,
        name: instanceId,
        address,
        nameServers: options.nameServers(),
        searchDomain: options.searchDomain,
        onDeath: () => options.onDeath(instanceId),
        ...(worker ? { init: 'systemd', layer: worker.layer } : { init: options.init ?? 'shell' }),
        ...(powerShell && { shares: directoriesFor(powerShell) }),
      });
      booting.set(instanceId, boot);
      boot.catch(() => taken.delete(address));
      const made = Promise.withResolvers<void>();
      if (system?.rpm) making.add(made.promise);
      const machine = await boot
        .then(async (booted) => {
          await (worker ? worker.begin(booted) : prepare(instanceId, booted));
          return booted;
        })
        .finally(() => {
          making.delete(made.promise);
          made.resolve();
        });
      // An image has all that by itself: machines that boot together are up together.
      await Promise.all(making);
      if (booting.get(instanceId) === boot) up.set(instanceId, machine);
      return {
        privateIpAddress: address,
        hostName: defaultHostName(address),
        ...(system && { platform: system.platform }),
      };
    },
    destroy,
    reboot: (instanceId) => need(instanceId).reboot(),
    stop: (instanceId) => need(instanceId).stop(),
    async start(instanceId, disk) {
      const machine = need(instanceId);
      await machine.start(disk);
      if (disk === 'new') await prepare(instanceId, machine);
    },
    async run(instanceId, script, signal) {
      const powerShell = systems.get(instanceId)?.powerShell;
      const machine = need(instanceId);
      return powerShell ? runPowerShell(machine, powerShell, script, signal) : machine.run(script, signal);
    },
    machine: (instanceId) => up.get(instanceId),
    instanceAt: (address) => taken.get(address),
    systemOf: (instanceId) => systems.get(instanceId),
    machines: () => [...up.values()],
    workers: () =>
      [...up].filter(([instanceId]) => withUserData.has(instanceId)).map(([, machine]) => machine),
    async close() {
      await Promise.all([...booting.keys()].map(destroy));
    },
  };
}
