/** The sandbox of a chaos run, ready to be spoilt: two domain controllers, two groups, accounts of others. */
import type { Fault, Faults } from '../cloud/seams.ts';
import type { GroundFacts } from '../host/namespace.ts';
import { isWorker, type Sandbox, startSandbox } from '../inside/sandbox.ts';
import type { Clock } from '../clock.ts';
import { type Answer, createAnswerWatch, lookAt } from './answers.ts';
import type { SpoiltCalls } from './calls.ts';
import { placeStrangers } from './directory.ts';
import { type Groups, openGroups } from './groups.ts';
import { createSpoiltMachines, type SpoiltMachines } from './machines.ts';
import { createLedgerWatch, type LedgerWatch } from './ledger.ts';
import { type CloudRecord, createRecord } from './record.ts';
import * as settings from './settings.ts';
import { createWorld, type World } from './world.ts';

export interface ChaosSystem {
  readonly sandbox: Sandbox;
  readonly groups: Groups;
  readonly machines: SpoiltMachines;
  readonly record: CloudRecord;
  readonly world: World;
  /** Every CONTINUE of a worker that took effect. */
  readonly answers: readonly Answer[];
  readonly ledger: LedgerWatch;
  close(): Promise<void>;
}

export interface ChaosSystemOptions {
  readonly ground: Pick<GroundFacts, 'image' | 'runtime'>;
  readonly directory: string;
  readonly progress: (step: string | undefined) => void;
  readonly calls: SpoiltCalls;
  readonly clock: Clock;
}

const mostInstances = 20;

/** Two accounts of others: one without a stamp, one of another deployment for an instance that never was. */
const strangers = [
  { name: 'PRINTSERVER' },
  {
    name: 'ELSEWHERE',
    stamp:
      'adjoin;deployment=elsewhere;account=123456789012;region=eu-central-1;instance=i-0123456789abcdef0',
  },
];

/** Starts everything but the workers. */
export async function openSystem(options: ChaosSystemOptions): Promise<ChaosSystem> {
  const { calls, clock, progress } = options;
  const record = createRecord(() => clock.now());
  const machines = createSpoiltMachines();
  /** Known once the sandbox is there; before, nothing is answered or launched. */
  let opened: { readonly sandbox: Sandbox; readonly groups: Groups } | undefined;

  const watch = createAnswerWatch(record, async (action) => {
    if (!opened) throw new Error('An action was answered before there were workers.');
    return lookAt(opened.sandbox, action);
  });
  const ledger = createLedgerWatch();
  const witnessOf = async (operation: string, input: unknown): Promise<(() => void) | undefined> => {
    if (operation === 'CompleteLifecycleAction') return watch.before(input);
    return () => ledger.note(operation, input);
  };
  const faults: Faults = async ({ principal, service, operation, input }) => {
    if (!isWorker(principal.name)) return undefined;
    const spoilt = calls.meet({ service, operation });
    if (!isCarriedOut(spoilt)) return spoilt;
    const carriedOut = await witnessOf(operation, input);
    return carriedOut ? { ...spoilt, carriedOut } : spoilt;
  };

  const sandbox = await startSandbox({
    ...options.ground,
    directory: options.directory,
    port: 0,
    maximumInstances: mostInstances,
    agentConfig: settings.agentConfig,
    heartbeatSeconds: settings.heartbeatSeconds,
    launchBackoffMs: settings.launchBackoffMs,
    prepareMachine: (machine) => machines.prepare(machine),
    registers: (instanceId) => machines.registers(instanceId),
    faults,
    witness(event) {
      record.note(event);
      if (event.kind === 'instance' && event.step === 'launched')
        opened?.groups.launched(event.instanceId, event.group);
    },
    progress,
  });
  try {
    const { domain } = sandbox;
    progress('a second domain controller');
    await domain.addController();
    await placeStrangers(domain.controller, domain.organizationalUnit, strangers);
    await replicate(sandbox);
    progress(undefined);
    const owner = { ...sandbox.developer, credentials: { ...sandbox.keys.operator } };
    const groups = await openGroups(sandbox, owner);
    opened = { sandbox, groups };
    const world = createWorld({ sandbox, owner, machines, groups, record, ledger, clock });
    return {
      sandbox,
      groups,
      machines,
      record,
      world,
      answers: watch.answers,
      ledger,
      async close() {
        world.close();
        groups.close();
        await sandbox.stop();
      },
    };
  } catch (error) {
    await sandbox.stop();
    throw error;
  }
}

/** Brings the controllers to one view of the directory, which they would have within seconds by themselves. */
export async function replicate({ domain }: Sandbox): Promise<void> {
  for (const controller of domain.controllers) {
    await controller.replicateFrom(domain.controllers.filter((other) => other !== controller));
  }
}

const isCarriedOut = (spoilt: Fault | undefined): boolean =>
  spoilt?.throttle !== true && spoilt?.fail === undefined;
