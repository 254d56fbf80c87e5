/** The instances of the Auto Scaling group as machines on the bridge: what EC2 and the SSM agents do to them. */
import { defaultHostName, type Machine, type Script, startMachine } from '../machine/machine.ts';
import type { Outcome } from '../machine/process.ts';
import { makeRpmSystem } from '../machine/rpm/rpm-system.ts';
import { directoriesFor, runPowerShell } from '../machine/windows/run-power-shell.ts';
import type { Platform } from '../cloud/ec2/instances.ts';
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
}

export interface Fleet {
  boot(
    instanceId: string,
    group: string | undefined,
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
  /** What the machine is like; also after it is gone. Undefined: as the image. */
  systemOf(instanceId: string): MachineSystem | undefined;
  machines(): readonly Machine[];
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
  const taken = new Set<string>();
  const systems = new Map<string, MachineSystem>();
  /** Machines that are being made like a system of the RPM family; each resolves when that is over. */
  const making = new Set<Promise<void>>();
  let next = 0;

  const takeAddress = (): string => {
    for (;;) {
      const address = addressOf(next);
      next += 1;
      if (!ordinary(address) || taken.has(address)) continue;
      taken.add(address);
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
    async boot(instanceId, group) {
      const address = takeAddress();
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
        ...(powerShell && { shares: directoriesFor(powerShell) }),
      });
      booting.set(instanceId, boot);
      boot.catch(() => taken.delete(address));
      const made = Promise.withResolvers<void>();
      if (system?.rpm) making.add(made.promise);
      const machine = await boot
        .then(async (booted) => {
          await prepare(instanceId, booted);
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
    systemOf: (instanceId) => systems.get(instanceId),
    machines: () => [...up.values()],
    async close() {
      await Promise.all([...booting.keys()].map(destroy));
    },
  };
}
